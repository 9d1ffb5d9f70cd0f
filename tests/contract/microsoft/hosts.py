"""Host names and IP addresses in a text, of whatever top-level domain and version."""

import ipaddress
import re

KEPT = frozenset(("aka.ms", "sts.windows.net"))
"""Microsoft's own, and the same for all."""

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])((?:ipv6:)?)([0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*[0-9a-f:])((?:%\w+)?)(?!\w)", re.I)
_HOST = re.compile(
    r"(?<![\w-])(?<!\w\.)(?:localhost|(?:(?:[\w-]|<name>)+\.)+(?:<domain>|xn--[\w-]+|[^\W\d_]{2,63}))(?![\w-])(?::\d+)?"
)
_WORDS = re.compile(
    r"STOREDRV(?:\.\w+)+|(?:[A-Z]\w*\.)*\w+Exception(?:\.[A-Z]\w+)*|microsoft\.graph(?:\.\w+)*|Microsoft(?:\.[A-Z]\w+)+|odata(?:\.\w+)+"
    r"|outlook\.(?:body-content-type|timezone|allow-unsafe-html)"
    r"|[A-Z]\w*(?:\.(?:Read|ReadBasic|ReadWrite|Send|SendAsApp|AccessAsApp|AccessAsUser|Shared|Exchange|OwnedBy|All))+"
)
"""Exceptions, types, annotations, preferences and permissions of Microsoft's have dots too."""


def without_hosts(text: str) -> str:
    """The text with `<ip>` and `<host>` in their places."""
    text = _IPV4.sub("<ip>", _IPV6.sub(_address, text))
    return _HOST.sub(lambda found: found[0] if found[0] in KEPT or _WORDS.fullmatch(found[0]) else "<host>", text)


def _address(found: re.Match[str]) -> str:
    """Whether it is one only a parser knows: times of day and `::` have colons too."""
    try:
        ipaddress.IPv6Address(found[2])
    except ValueError:
        return found[0]
    return found[0] if found[2] == "::" else "<ip>"
