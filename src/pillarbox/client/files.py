"""A file that is uploaded piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pillarbox.client.message import guessed

PIECE = 4 * 1024 * 1024
"""Bytes of one request: what a lost connection costs at the most."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload: `piece(offset)` reads up to PIECE bytes of it."""

    name: str
    media_type: str
    size: int
    piece: Callable[[int], bytes]

    @classmethod
    def of(cls, source: str | Path | bytes, name: str | None, media_type: str | None) -> "File":
        """From a path or bytes. Raises ValueError for bytes without a name, OSError for a path that is not there."""
        if isinstance(source, bytes):
            if not name:
                raise ValueError("bytes need a name")
            return cls(name, media_type or guessed(name), len(source), lambda at: source[at : at + PIECE])
        path = Path(source)
        name = name or path.name
        return cls(name, media_type or guessed(name), path.stat().st_size, lambda at: _read(path, at))


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PIECE)
