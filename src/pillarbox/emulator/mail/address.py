"""Whether a text has the form of one mail address, so that none is repaired on its way into a header."""

import re

MAX_LOCAL, MAX_DOMAIN, MAX_LABEL = 64, 255, 63
"""Octets (RFC 5321 section 4.5.3.1, RFC 1035 section 2.3.4)."""
OTHER = "\u0080-\U0010ffff"
WORD = f"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{OTHER}-]+"
LOCAL = re.compile(rf'{WORD}(?:\.{WORD})*|"(?:[ !#-\[\]-~{OTHER}]|\\[ -~])*"')
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
REPLACEMENT = "\ufffd"
"""What stands for a sign that could not be read."""


def has_form(text: str) -> bool:
    """Whether that is a Mailbox of RFC 5321 section 4.1.2 (signs beyond ASCII: RFC 6531); a domain is a name, as
    Exchange takes no address literals."""
    local, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or REPLACEMENT in text:
        return False
    return len(local.encode()) <= MAX_LOCAL and LOCAL.fullmatch(local) is not None and _is_domain(domain)


def _is_domain(name: str) -> bool:
    if len(name) > MAX_DOMAIN:
        return False
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return False
    labels = name.split(".")
    return len(name) <= MAX_DOMAIN and all(len(each) <= MAX_LABEL and LABEL.fullmatch(each) for each in labels)
