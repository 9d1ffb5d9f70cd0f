"""Where a message is while it comes in: in memory as long as it is small, then in a file that has no name."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from pillarbox.core.content import PIECE
from pillarbox.core.errors import DISK_FULL, Unavailable

MEMORY: Final = 256 * 1024
"""Most bytes of one message that are kept in memory."""


class Budget:
    """Bytes of all messages that are being handed in, in memory and in files; one of the whole service."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes may come in now."""
        return self.used + size <= self.limit


class Spool:
    """The bytes of one message, written piece by piece; then a `core.content.Content`.

    `folder` gets the file, unlinked, so that a crash leaves nothing behind.
    """

    def __init__(self, budget: Budget, folder: Path, memory: int = MEMORY) -> None:
        self._budget = budget
        self._folder = folder
        self._memory = memory
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._closed = False
        self.size = 0

    def need(self, size: int) -> None:
        """Raises Unavailable `smtp.no_room` where a message of so many bytes finds no room now.

        Nothing is reserved: a client that announces much and sends nothing keeps out nobody. `write` looks again.
        """
        if not self._budget.has_room(size):
            raise Unavailable("smtp.no_room")

    def write(self, piece: bytes) -> None:
        """Keep a piece. Raises Unavailable when there is no room: of the budget, or of the disk."""
        self.need(len(piece))
        self._budget.used += len(piece)
        self.size += len(piece)
        self._pieces.append(piece)
        if self.size > self._memory:
            self._spill()

    def make_file(self) -> IO[bytes]:
        """The file of a message that is too large for memory. Raises OSError."""
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = self.make_file()
            for piece in self._pieces:
                _write_all(self._file.fileno(), piece)
        except OSError as error:
            code = "store.full" if error.errno in DISK_FULL else "store.failed"
            raise Unavailable(code, reason=error.strerror or str(error)) from error
        self._pieces.clear()

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """See `Content.pieces`."""
        if self._file is None:
            yield from _slices(self._pieces, start)
            return
        while start < self.size and (piece := os.pread(self._file.fileno(), PIECE, start)):
            yield piece
            start += len(piece)

    def close(self) -> None:
        """See `Content.close`: memory, file and budget are free again."""
        if self._closed:
            return
        self._closed = True
        self._budget.used -= self.size
        self._pieces.clear()
        if self._file is not None:
            self._file.close()


def _write_all(number: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(number, view) :]


def _slices(pieces: list[bytes], start: int) -> Iterator[bytes]:
    """What stands from `start` on, no slice longer than PIECE."""
    for piece in pieces:
        for begin in range(start, len(piece), PIECE):
            yield piece[begin : begin + PIECE] if begin or len(piece) > PIECE else piece
        start = max(0, start - len(piece))
