"""The tokens of a `$filter`, in one pass over the text (OData ABNF 4.01)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pillarbox.emulator.graph.odata.syntax import Literal

MAX_LENGTH = 8192
"""Characters of a filter; a request line holds no more."""
_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"
_TOKEN = re.compile(
    rf"""(?P<blank>\s+)
    |(?P<guid>{_GUID})
    |(?P<string>'(?:[^']|'')*+')
    |(?P<number>-?\d[\w.:+-]*)
    |(?P<word>[^\W\d]\w*(?:[./][^\W\d]\w*)*)
    |(?P<sign>[(),:/])""",
    re.VERBOSE,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(\.\d{1,12})?(Z|[+-]\d\d:\d\d)")
_WHOLE = re.compile(r"-?\d{1,18}")
_DECIMAL = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?")
_WORDS = {"true": Literal(True, "Edm.Boolean"), "false": Literal(False, "Edm.Boolean"), "null": Literal(None, "null")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FilterError(Exception):
    """A text that is no filter; the message is that of Microsoft's OData library where it is known."""


class NoProperty(FilterError):
    """A property that the type does not have; the argument is the message."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"Could not find a property named '{name}' on type '{kind}'.")
        self.name = name


@dataclass(frozen=True)
class Token:
    """A sign, a word (`or`, `from/emailAddress/address`) or a literal, and where it begins; the last is an `end`."""

    kind: str
    text: str
    at: int
    literal: Literal | None = None


def tokens(text: str) -> list[Token]:
    """All tokens with an `end` behind them; a FilterError for what is none."""
    if len(text) > MAX_LENGTH:
        raise FilterError("Recursion depth exceeded allowed limit.")
    return [*_tokens(text), Token("end", "", len(text))]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _no_token(text, at)
        at, kind = found.end(), found.lastgroup
        if kind != "blank":
            yield _token(kind, found[0], found.start())


def _token(kind: str, text: str, at: int) -> Token:
    match kind:
        case "string":
            return Token("literal", text, at, Literal(text[1:-1].replace("''", "'"), "Edm.String"))
        case "guid":
            return Token("literal", text, at, Literal(text.lower(), "Edm.Guid"))
        case "number":
            return Token("literal", text, at, _number(text))
        case "word" if text in _WORDS:
            return Token("literal", text, at, _WORDS[text])
    return Token(kind, text, at)


def _number(text: str) -> Literal:
    if _WHOLE.fullmatch(text):
        return Literal(int(text), "Edm.Int32" if abs(int(text)) < 2**31 else "Edm.Int64")
    if _DECIMAL.fullmatch(text):
        return Literal(float(text), "Edm.Double")
    if _DATE.fullmatch(text):
        return Literal(moment(f"{text}T00:00:00Z"), "Edm.DateTimeOffset")
    return Literal(moment(text), "Edm.DateTimeOffset")


def moment(text: str) -> float:
    """Seconds since 1970 of a date with time and zone (RFC 3339, seconds optional); a FilterError for what is none."""
    found = _MOMENT.fullmatch(text)
    try:
        if found:
            minutes, seconds, fraction, zone = found.groups()
            whole = datetime.fromisoformat(f"{minutes}{seconds or ':00'}{zone}")
            return (whole - _EPOCH) / timedelta(seconds=1) + float(fraction or 0)
    except (ValueError, OverflowError):
        pass
    form = "yyyy-mm-ddThh:mm:ss('.'s+)?(zzzzzz)?"
    raise FilterError(
        f"The DateTimeOffset text '{text}' should be in format '{form}' and each field value is within valid range."
    )


def _no_token(text: str, at: int) -> FilterError:
    if text[at] == "'":
        return FilterError(f"There is an unterminated string literal at position {len(text)} in '{text}'.")
    return FilterError(f"Syntax error: character '{text[at]}' is not valid at position {at} in '{text}'.")
