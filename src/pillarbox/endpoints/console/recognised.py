"""What is kept in English alone, read back: with which values a sentence of the catalogue was filled. Pure.

Decision 44 says why such sentences are kept.
"""

import re
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]{3}")


def fields(template: str) -> frozenset[str]:
    """The names of a template's values."""
    return frozenset(name for _, name in _parts(template) if name)


def telling(template: str) -> str:
    """What tells it from others at a glance: the longest of what stands around its values; empty without a word."""
    longest = max((literal for literal, _ in _parts(template)), key=len, default="")
    return longest if _WORD.search(longest) else ""


def values_in(template: str, text: str) -> Mapping[str, str] | None:
    """The values of a text that a template made; none where it made another one."""
    begun = begins(template, text)
    return begun[0] if begun and not begun[1] else None


def begins(template: str, text: str) -> tuple[Mapping[str, str], str] | None:
    """The values of the template that made the beginning of a text, and what follows it.

    A value ends where what stands behind it first comes, the last one where that last comes. No pattern: a stranger may
    have written most of the text, and makes nobody go back and forth in it.
    """
    values, name, at, parts = dict[str, str](), "", 0, _parts(template)
    for number, (literal, following) in enumerate(parts, start=1):
        if not name:
            found = at if text.startswith(literal, at) else -1
        else:
            found = text.rfind(literal, at) if number == len(parts) else text.find(literal, at)
            values[name] = text[at:found]
        if found < 0:
            return None
        name, at = following, found + len(literal)
    if name:
        values[name], at = text[at:], len(text)
    rest = text[at:]
    return (values, rest.lstrip()) if not rest or rest[0] == " " else None


@lru_cache(maxsize=100)
def _parts(template: str) -> tuple[tuple[str, str], ...]:
    """What stands before each value, and its name; behind the last value an empty name."""
    return tuple((literal, name or "") for literal, name, _, _ in string.Formatter().parse(template))
