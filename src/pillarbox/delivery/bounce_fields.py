"""Header fields as a notice writes and reads them: whatever they say, each stays one field, and of ASCII where it must.

RFC 3461 (xtext), RFC 3464 (typed addresses), RFC 6533 (international ones). Pure.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Final

LONGEST_LINE: Final = 998
"""RFC 5322 section 2.1.1."""
WIDTH: Final = 76
"""Characters of a line as it should be."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_EMBEDDED: Final = re.compile(r"\\x\{(10[0-9A-F]{4}|[0-9A-F]{1,5})\}")
# RFC 6533 section 3: what stands for itself in utf-8-addr-xtext.
_NOT_QCHAR: Final = re.compile(r"[^!-*,\-.-<>-\[\]-~]")
_FIELD: Final = re.compile(rb"^([!-9;-~]++)[ \t]*+:((?:[^\r\n]++|\r\n[ \t])*+)", re.MULTILINE)
_WORD: Final = re.compile(" *[^ ]+")


def typed(address: str) -> str:
    """An address with its type; an international one in the form for 7-bit (RFC 6533 section 3)."""
    return f"rfc822; {ascii_of(address)}" if address.isascii() else f"utf-8; {_international(address)}"


def original_recipient(orcpt: str) -> str:
    """An ORCPT with its text as it was meant, an international one in the form for 7-bit."""
    kind, _, xtext = orcpt.partition(";")
    text = decoded(xtext)
    if kind.lower() == "utf-8":
        # Some of it may be in that form already.
        text = _international(_EMBEDDED.sub(lambda match: chr(int(match[1], 16)), text))
    return f"{ascii_of(kind)}; {ascii_of(text)}" if text else ""


def _international(text: str) -> str:
    """As utf-8-addr-xtext (RFC 6533 section 3)."""
    return _NOT_QCHAR.sub(lambda match: f"\\x{{{ord(match[0]):02X}}}", text)


def folded(name: str, text: str) -> str:
    """One field; folded before blanks, which all stay, and at any letter where a line would be longer than may be."""
    field = f"{name}: {text}"
    lines = [""]
    for word in _WORD.findall(field):
        if lines[-1] and len(lines[-1]) + len(word) > WIDTH:
            lines.append("")
        lines[-1] += word
    if max(map(len, lines)) >= LONGEST_LINE:
        lines = textwrap.wrap(field, LONGEST_LINE - 1, subsequent_indent=" ", break_on_hyphens=False)
    return "".join(f"{line}\r\n" for line in lines)


def fields(header: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a header block: name in lower case, value unfolded. Cut off or broken, it has those left of it."""
    block = b"" if header.startswith(b"\r\n") else header.partition(b"\r\n\r\n")[0]
    for field in _FIELD.finditer(block):
        yield field[1].decode().lower(), field[2].replace(b"\r\n", b"").decode("utf-8", "replace").strip()


def decoded(xtext: str) -> str:
    """What stands in an xtext (RFC 3461 section 4)."""
    return _XTEXT.sub(lambda match: chr(int(match[1], 16)), xtext)


def ascii_of(text: str) -> str:
    """On one line of ASCII, with a question mark for all else."""
    return clean(text).encode("ascii", "replace").decode()


def clean(text: str) -> str:
    """On one line, and no surrogates, which stand for bytes that are no text."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
