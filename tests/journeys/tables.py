"""Tables of what was found, in Markdown: on the screen with `-s`, and in the file that PILLARBOX_TABLES names."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE = os.environ.get("PILLARBOX_TABLES", "")
"""Read before the tests empty the environment."""


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, and append it to the file."""
    lines = [f"### {title}", "", _line(columns), _line(["---"] * len(columns)), *map(_line, rows), ""]
    text = "\n".join(lines)
    print("\n" + text)
    if FILE:
        with Path(FILE).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
