"""How results are printed: a table for people, tab-separated lines for pipes, JSON for scripts."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from pillarbox.core.errors import PillarboxError
from pillarbox.core.spreadsheet import plain as plain


def as_json(value: object) -> None:
    """One JSON document."""
    click.echo(json_text(value))


def json_text(value: object, *, indent: int | None = None) -> str:
    """A value as JSON. What a terminal would obey is escaped, also what JSON itself allows (U+009B). Pure."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """The columns of the rows; `empty` says what to do next where there are none."""
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in cells:
            click.echo("\t".join(line))
    elif not cells:
        click.echo(empty)
    else:
        _rich_table(columns, cells)


def fields(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; empty ones are left out."""
    for name, value in pairs:
        if value not in (None, "", []):
            click.echo(f"{name + ':':<14} {_text(value)}")


def moment(seconds: float | None) -> str:
    """A time as people read it, in UTC."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column.replace("_", " "), no_wrap=True)
    for line in cells:
        drawn.add_row(*(Text(cell) for cell in line))
    # As wide as it is: the terminal breaks long lines, and an id stays whole for the mouse.
    Console(width=max(Console().width, 400)).print(drawn)


def problem(error: PillarboxError) -> dict[str, Any]:
    """An error as scripts read it."""
    entry = error.entry
    return {
        "code": error.code,
        "title": error.sentence,
        "hint": error.cure,
        "retryable": entry.retry,
        "exit": entry.exit,
    }


def complain(error: PillarboxError, *, as_json: bool) -> None:
    """An error on standard error: one line, or one JSON document."""
    if as_json:
        click.echo(json_text(problem(error)), err=True)
    else:
        # It may hold what Microsoft said, and that what a stranger wrote.
        click.echo(plain(f"pillarbox: {error.sentence} {error.cure}".rstrip()), err=True)


def line(text: str) -> None:
    """One line of text."""
    click.echo(plain(text))


def _text(value: Any) -> str:
    return plain(", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value))
