"""How the store is: which SQLite, and whether the file is whole."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

_MOST: Final = 5
"""Damages that are named."""
_STEPS: Final = 100
"""Steps of SQLite's machine between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look through the store found. `damage` are SQLite's words; without `finished` there may be more."""

    size: int
    damage: Sequence[str]
    finished: bool


async def look_through(path: Path, seconds: float) -> Looked:
    """Look through the whole store at `path`, for so long at the most. Raises OSError."""
    return await asyncio.to_thread(_look_through, path, seconds)


def sqlite_version() -> str:
    """The version of SQLite."""
    return apsw.sqlite_lib_version()


def _look_through(path: Path, seconds: float) -> Looked:
    size, deadline = path.stat().st_size, time.monotonic() + seconds
    # A connection of its own: the one reader must not be kept from others.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        # https://sqlite.org/pragma.html#pragma_quick_check: all but whether indexes and tables agree.
        told = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST})")]
    except apsw.InterruptError:
        return Looked(size, (), finished=False)
    except apsw.Error as error:
        return Looked(size, (str(error),), finished=True)
    finally:
        connection.close()
    return Looked(size, tuple(line for line in told if line != "ok"), finished=True)
