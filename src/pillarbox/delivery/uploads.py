"""Files that come in piece by piece, to be attached to a message later.

The row says how much of a file is on the disk for certain: what comes twice is taken twice, what was lost is asked for
again. The row is there before its file and goes before it, so that whatever a crash leaves is swept: a file of which
there is no row, a row whose file is too short.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from pillarbox.core.content import PIECE
from pillarbox.core.errors import DISK_FULL, Conflict, InvalidInput, NotFound, PillarboxError, Unavailable
from pillarbox.core.graph_limits import MOST_MESSAGE
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.store.database import Row, Statement
from pillarbox.store.uploads import Upload, UploadStore

LARGEST: Final = MOST_MESSAGE
"""Bytes of one file."""
KEPT: Final = 24 * 3600.0
"""Seconds after which a file that no message took is thrown away."""
_MOST_OF_ONE: Final = 1024 * 1024 * 1024
"""Bytes of all files of one caller."""
_MOST_FILES: Final = 200
_SPARE: Final = 256 * 1024 * 1024
"""Bytes of the disk that uploads leave to the mail."""
_SWEEP: Final = 600.0
"""Seconds between two sweeps."""
_ID_BYTES: Final = 16


def free_bytes(folder: Path) -> int:
    """Bytes that are free on the disk of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """The bytes of a file that is whole: a `core.content.Content` for what is attached. Nothing in it is canonical."""

    upload: Upload
    _file: IO[bytes]

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return self.upload.size

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """See `Content.pieces`."""
        while start < self.size and (piece := os.pread(self._file.fileno(), PIECE, start)):
            yield piece
            start += len(piece)

    def close(self) -> None:
        """See `Content.close`."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files on their way in, in `folder`. A caller's own are there for that caller alone."""

    folder: Path
    store: UploadStore
    clock: Clock
    random: Callable[[int], bytes]
    log: Logger
    free: Callable[[Path], int] = free_bytes
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep
    _written: set[str] = field(default_factory=set)
    """Those that are being written or removed."""

    async def begin(self, caller: str, name: str, media_type: str, size: int) -> Upload:
        """Announce a file. Raises InvalidInput `upload.too_large`, Unavailable `upload.too_many`, `store.full`."""
        if size > LARGEST:
            raise InvalidInput("upload.too_large", pointer="/size", limit=LARGEST)
        self._make_folder()
        self._need(size)
        now = self.clock()
        new = Upload(self.random(_ID_BYTES).hex(), caller, name, media_type, size, 0, now, now + KEPT)
        if not await self.store.add(new, _MOST_OF_ONE, _MOST_FILES):
            raise Unavailable("upload.too_many", megabytes=_MOST_OF_ONE // 2**20, files=_MOST_FILES)
        return new

    async def get(self, caller: str, upload_id: str) -> Upload:
        """A file, as far as it came. Raises NotFound `upload.not_found`, also for somebody else's."""
        found = await self.store.get(upload_id, caller)
        if found is None:
            raise NotFound("upload.not_found", id=upload_id)
        return found

    async def write(self, caller: str, upload_id: str, start: int, pieces: AsyncIterator[bytes], end: int) -> Upload:
        """Take the bytes from `start` to `end`; what is here already stays as it came.

        What came is kept also where the rest does not come. Raises Conflict `upload.gap` and `upload.busy`,
        InvalidInput `upload.wrong_length`, Unavailable.
        """
        with self._alone(upload_id):
            upload = await self.get(caller, upload_id)
            if start > upload.received:
                raise Conflict("upload.gap", id=upload_id, received=upload.received)
            if end > upload.size:
                raise InvalidInput("upload.wrong_length")
            return await self._write(upload, start, pieces, end)

    @contextmanager
    def _alone(self, upload_id: str) -> Iterator[None]:
        """Nobody else changes the file meanwhile. Raises Conflict `upload.busy`."""
        if upload_id in self._written:
            raise Conflict("upload.busy", id=upload_id)
        self._written.add(upload_id)
        try:
            yield
        finally:
            self._written.discard(upload_id)

    async def _write(self, upload: Upload, start: int, pieces: AsyncIterator[bytes], end: int) -> Upload:
        position = start
        file = self._open(upload.id, os.O_WRONLY | os.O_CREAT)
        try:
            async for piece in pieces:
                if position + len(piece) > end:
                    raise InvalidInput("upload.wrong_length")
                self._need(0)
                # What is here may be on its way in a message, whose bytes must not change.
                known = min(max(upload.received - position, 0), len(piece))
                _write_all(file, piece[known:], position + known)
                position += len(piece)
            if position != end:
                raise InvalidInput("upload.wrong_length")
        finally:
            # Also of a client that hung up: it need not send again what is here.
            if position > upload.received:
                await asyncio.shield(self._keep(upload, file, position))
            os.close(file)
        return upload._replace(received=max(position, upload.received))

    async def _keep(self, upload: Upload, file: int, received: int) -> None:
        try:
            await asyncio.to_thread(os.fsync, file)
        except OSError as error:
            raise _unavailable(error) from error
        await self.store.received(upload.id, received)

    async def open(self, caller: str, upload_id: str) -> UploadedFile:
        """A file that is whole, for a message. Raises NotFound, Conflict `upload.incomplete`."""
        upload = await self.get(caller, upload_id)
        if not upload.is_whole:
            raise Conflict("upload.incomplete", id=upload_id, received=upload.received, size=upload.size)
        # An empty one may never have been written.
        file = self._open(upload_id, os.O_RDONLY | (0 if upload.size else os.O_CREAT))
        return UploadedFile(upload, os.fdopen(file, "rb", buffering=0))

    async def remove(self, caller: str, upload_id: str) -> None:
        """Throw a file away. Raises NotFound, Conflict `upload.busy` while it is written."""
        upload = await self.get(caller, upload_id)
        with self._alone(upload.id):
            await self.store.remove([upload.id])
            self.unlink([upload.id])

    def taking(self, upload_ids: Sequence[str]) -> Sequence[Statement]:
        """What forgets files, for the transaction of the message that they are attached to; then `unlink` them.

        It comes to nothing where another message has taken one (ExpectationFailed).
        """
        return [self.store.taking(one) for one in upload_ids]

    def unlink(self, upload_ids: Sequence[str]) -> None:
        """Remove the bytes of files that are forgotten; what cannot be removed now, the sweep removes."""
        for one in upload_ids:
            try:
                os.unlink(self.folder / one)
            except OSError:
                continue

    async def run(self) -> None:
        """Sweep again and again, until canceled."""
        while True:
            try:
                await self.sweep()
            except (PillarboxError, OSError) as error:
                self.log.error("store.unusable", where="uploads", reason=str(error))
            await self.wait(_SWEEP)

    async def sweep(self) -> int:
        """Throw away what is over, and what a crash left; how many files and rows that were."""
        # The files first: of each that came before this moment the row is there.
        names = await asyncio.to_thread(self._names)
        rows = await self.store.all()
        over = [row["id"] for row in rows if row["id"] not in self._written and self._is_over(row)]
        if over:
            await self.store.remove(over)
        known = {row["id"] for row in rows}
        orphans = [name for name in names if name not in known]
        await asyncio.to_thread(self.unlink, [*over, *orphans])
        return len(over) + len(orphans)

    def _names(self) -> list[str]:
        return os.listdir(self.folder) if self.folder.is_dir() else []

    def _is_over(self, row: Row) -> bool:
        """Whether its time is over, or its bytes are gone."""
        return bool(row["expires_at"] <= self.clock()) or self._size(row["id"]) < row["received"]

    def _size(self, upload_id: str) -> int:
        try:
            return os.stat(self.folder / upload_id).st_size
        except FileNotFoundError:
            return 0

    def _need(self, size: int) -> None:
        """Raises Unavailable `store.full` where so many bytes more would take the disk from the mail."""
        if self.free(self.folder) < size + _SPARE:
            raise Unavailable("store.full")

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    def _open(self, upload_id: str, flags: int) -> int:
        try:
            return os.open(self.folder / upload_id, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unavailable(error) from error


def _write_all(file: int, piece: bytes, position: int) -> None:
    view = memoryview(piece)
    try:
        while view:
            written = os.pwrite(file, view, position)
            view, position = view[written:], position + written
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> Unavailable:
    code = "store.full" if error.errno in DISK_FULL else "store.failed"
    return Unavailable(code, reason=error.strerror or str(error))
