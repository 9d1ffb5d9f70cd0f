"""CSV that a spreadsheet shows and does not calculate."""

import csv
import io
from collections.abc import Iterable
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet would calculate (OWASP, CSV injection)."""


def line(cells: Iterable[object]) -> str:
    """One line, with its end. Pure."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow([cell(str(each)) for each in cells])
    return written.getvalue()


def cell(text: str) -> str:
    """A cell that a spreadsheet takes as the text that it is, and a terminal cannot be steered by. Pure."""
    # Before it is made plain: what begins with a tab would not be seen as such any more.
    return f"'{plain(text)}" if text.startswith(_FORMULA) else plain(text)


def plain(text: str) -> str:
    """A text without control characters: what a sender wrote must not steer a terminal. Pure."""
    return "".join(c if c.isprintable() else "?" for c in text)
