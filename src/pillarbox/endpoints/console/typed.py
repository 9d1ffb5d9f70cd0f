"""What stands in the fields of a form, and what the API is given for it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

MEGABYTE: Final = 1_000_000
"""Bytes: as sizes are shown (`Language.size`)."""


def lines(text: str) -> list[str]:
    """A field in which each line, or what stands between commas, is one thing."""
    return [one.strip() for one in text.replace(",", "\n").splitlines() if one.strip()]


def written(things: Iterable[str]) -> str:
    """Things as such a field shows them."""
    return "\n".join(things)


def number(value: float) -> str:
    """A number as a field shows it; nothing for 0, which is how a field says that there is no limit."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if value else ""


def scaled(typed: object, unit: int) -> int | str:
    """A number that was typed in a larger unit, in the API's; what is none as it is, for the API to refuse."""
    text = str(typed)
    try:
        return round(float(text or 0) * unit)
    except (ValueError, OverflowError):
        return text


def different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What was changed: only that is asked for, as others may have changed the rest meanwhile."""
    return {name: value for name, value in after.items() if name not in before or value != before[name]}
