"""The grammar of commands: paths, and the parameters of MAIL and RCPT (RFC 5321, 1870, 3461, 6152, 6531). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import InvalidInput
from pillarbox.core.mail import is_address

_PATH: Final = re.compile(r"([ ]*)<([^<>]*+|\"[^\"]*+\"@[^<>]*+)>(?:[ ]+(.*))?")
_WITHOUT_BRACKETS: Final = re.compile(r"[ ]*([^ <>\"]++)(?:[ ]+(.*))?")
# What stands for a letter must be printable, as it comes into the header of a notification (RFC 3461 section 4.2, 4.4).
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]++|\+(?:[2-6][0-9A-F]|7[0-9A-E]))*")
_ORIGINAL: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+);(.*)")
_EVENTS: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})

Parameters = Mapping[str, str | None]
"""What stands behind a path: names in upper case, and what stands behind `=`, if it does."""


@dataclass(frozen=True, slots=True)
class Path:
    """The argument of MAIL FROM or RCPT TO: an address (empty for `<>`) and the parameters behind it.

    `lenient`: it is not by the book, but real devices write it so, and nothing else can be meant.
    """

    address: str
    parameters: Parameters
    lenient: bool = False

    @property
    def is_ascii(self) -> bool:
        """Whether address and parameters do without international letters."""
        return self.address.isascii() and (self.parameters.get("ORCPT") or "").isascii()


def path(argument: str, keyword: str) -> Path | None:
    """Parse `FROM:<address> KEY=value ...`; None when it is not of that form or the address is none.

    Blanks around the colon are taken, and a lone address without brackets. Raises InvalidInput for a parameter that is
    there twice.
    """
    word, colon, rest = argument.partition(":")
    if not colon or word.rstrip(" ").upper() != keyword:
        return None
    if match := _PATH.fullmatch(rest):
        address, parameters, lenient = match[2], match[3], bool(match[1]) or word.endswith(" ")
        valid = not address or is_address(address)
    elif match := _WITHOUT_BRACKETS.fullmatch(rest):
        address, parameters, lenient = match[1], match[2], True
        valid = is_address(address)
    else:
        return None
    return Path(address, _parameters(parameters or ""), lenient) if valid else None


def _parameters(text: str) -> Parameters:
    found: dict[str, str | None] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if name.upper() in found:
            raise InvalidInput("smtp.repeated_parameter", name=name.upper())
        found[name.upper()] = value if equals else None
    return found


def check_names(parameters: Parameters, known: frozenset[str]) -> None:
    """Raises InvalidInput `smtp.bad_parameter` for one that was not offered (RFC 5321 section 4.1.1.11)."""
    for name in parameters:
        if name not in known:
            raise InvalidInput("smtp.bad_parameter", name=name)


def check_value(parameters: Parameters, name: str, values: Collection[str | None]) -> None:
    """Raises InvalidInput `smtp.bad_parameter` where a parameter is there and has none of these values."""
    if name in parameters:
        value = parameters[name]
        if (value.upper() if value else value) not in values:
            raise InvalidInput("smtp.bad_parameter", name=name)


def size(parameters: Parameters) -> int:
    """The declared size of MAIL FROM, 0 without one (RFC 1870). Raises InvalidInput."""
    declared = parameters.get("SIZE", "0") or ""
    if not (declared.isascii() and declared.isdigit() and len(declared) <= 20):
        raise InvalidInput("smtp.syntax", syntax="MAIL FROM:<address> SIZE=bytes")
    return int(declared)


def returned(parameters: Parameters) -> str:
    """FULL, HDRS, or empty where RET is not there (RFC 3461 section 4.3). Raises InvalidInput."""
    value = (parameters.get("RET", "") or "").upper()
    if "RET" in parameters and value not in ("FULL", "HDRS"):
        raise InvalidInput("smtp.syntax", syntax="RET=FULL or RET=HDRS")
    return value


def check_auth(parameters: Parameters) -> None:
    """Raises InvalidInput where AUTH= says nothing; `<>` is something (RFC 4954 section 5)."""
    if "AUTH" in parameters and not parameters["AUTH"]:
        raise InvalidInput("smtp.syntax", syntax="AUTH=address or AUTH=<>")


def envelope_id(parameters: Parameters) -> str:
    """The xtext of ENVID, of at most 100 characters (RFC 3461 section 4.4). Raises InvalidInput."""
    value = parameters.get("ENVID", "") or ""
    if "ENVID" in parameters and not (0 < len(value) <= 100 and _XTEXT.fullmatch(value)):
        raise InvalidInput("smtp.syntax", syntax="ENVID=xtext, at most 100 characters")
    return value


def notify(parameters: Parameters) -> str:
    """NEVER, or some of SUCCESS, FAILURE and DELAY (RFC 3461 section 4.1), in upper case. Raises InvalidInput."""
    value = (parameters.get("NOTIFY", "") or "").upper()
    events = value.split(",")
    is_known = value == "NEVER" or (_EVENTS.issuperset(events) and len(set(events)) == len(events))
    if "NOTIFY" in parameters and not is_known:
        raise InvalidInput("smtp.syntax", syntax="NOTIFY=NEVER or of SUCCESS,FAILURE,DELAY")
    return value


def original(parameters: Parameters) -> str:
    """ORCPT as it was written: `rfc822;xtext`, at most 500 characters (RFC 3461 section 4.2). Raises InvalidInput.

    An address of the type `utf-8` may hold international letters as they are (RFC 6533 section 3).
    """
    value = parameters.get("ORCPT", "") or ""
    if "ORCPT" in parameters:
        match = _ORIGINAL.fullmatch(value) if len(value) <= 500 else None
        text = match[2] if match else ""
        if match and match[1].lower() == "utf-8":
            text = "".join(letter for letter in text if letter.isascii()) or "x"
        if not (text and _XTEXT.fullmatch(text)):
            raise InvalidInput("smtp.syntax", syntax="ORCPT=rfc822;xtext, at most 500 characters")
    return value
