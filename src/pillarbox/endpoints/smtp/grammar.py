"""The grammar of commands: verbs, paths, parameters; and the end of DATA. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import is_address

_PATH: Final = re.compile(r"[ ]*<([^<>]*+|\"[^\"]*+\"@[^<>]*+)>(?:[ ]+(.*))?")

_DOTS_OF_BARE_LINES: Final = re.compile(rb"(?<!\r)\n\.(?=\.)")


@dataclass(frozen=True, slots=True)
class Path:
    """The argument of MAIL FROM or RCPT TO: an address (empty for `<>`) and the parameters behind it."""

    address: str
    parameters: dict[str, str | None]


def path(argument: str, keyword: str) -> Path | None:
    """Parse `FROM:<address> KEY=value ...`; None when it is not of that form or the address is none."""
    word, colon, rest = argument.partition(":")
    match = _PATH.fullmatch(rest) if colon and word.strip().upper() == keyword else None
    if match is None or (match[1] and not is_address(match[1])):
        return None
    return Path(match[1], _parameters(match[2] or ""))


def _parameters(text: str) -> dict[str, str | None]:
    pairs = (word.partition("=") for word in text.split())
    return {key.upper(): value if equals else None for key, equals, value in pairs}


def size(parameters: dict[str, str | None]) -> int:
    """The declared size of MAIL FROM, 0 without one (RFC 1870). Raises InvalidInput."""
    declared = parameters.get("SIZE", "0") or ""
    if not (declared.isascii() and declared.isdigit() and len(declared) <= 20):
        raise InvalidInput("smtp.syntax", syntax="MAIL FROM:<address> SIZE=bytes")
    return int(declared)


def without_dots(data: bytes) -> bytes:
    """The message in the DATA bytes, up to but without the closing dot: the stuffed dots are taken out.

    RFC 5321 section 4.5.2: a dot that begins a line goes. After a bare LF one of two goes: smtplib stuffs there, curl
    does not, so a single dot there is text; nor does it end the data, as only CRLF.CRLF does.
    """
    if data.startswith(b"."):
        data = data[1:]
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n")
    if data.count(b"\n") != data.count(b"\r\n"):
        data = _DOTS_OF_BARE_LINES.sub(b"\n", data)
    return data
