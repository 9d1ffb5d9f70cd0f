"""A store whose machine loses its power: `python -m tests.faults.power_cut FOLDER SYNCHRONOUS MAILS SEED`.

A file system that keeps what is written in memory until it is told to sync, so that SIGKILL does what a power cut does.
With a SEED that is not 0 some of what waited has reached the disk by then, in no order.

Accepts messages into the store in FOLDER, tells their queue ids on standard output when they are durable, and ends by
SIGKILL after so many.
"""
# ruff: noqa: N802 - names of SQLite's VFS

import asyncio
import os
import random
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import apsw

from pillarbox.core.mail import Envelope
from pillarbox.store.messages import NewMessage
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import open_sqlite

BODY: Final = b"From: scanner@contoso.example\r\n\r\n" + b"x" * 10_000
CLIENTS: Final = 8

Writes = list[tuple[int, bytes]]
"""Offset and bytes, in the order in which they were written."""


class CutFile(apsw.VFSFile):
    """A file of which only what was synced is on the disk. `waiting` is what was not, of all who have it open."""

    def __init__(self, name: Any, flags: list[int], waiting: Writes) -> None:
        super().__init__("unix", name, flags)
        self._waiting = waiting

    def xRead(self, amount: int, offset: int) -> bytes:
        """See SQLite's VFS: what waits is read as if it were there."""
        data = bytearray(super().xRead(amount, offset)) if offset < super().xFileSize() else bytearray()
        end = max([offset + len(data), *(at + len(piece) for at, piece in self._waiting if at < offset + amount)])
        data.extend(bytes(max(0, min(amount, end - offset) - len(data))))
        for at, piece in self._waiting:
            first, last = max(at, offset), min(at + len(piece), offset + amount)
            if first < last:
                data[first - offset : last - offset] = piece[first - at : last - at]
        return bytes(data[:amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        """It waits."""
        self._waiting.append((offset, bytes(data)))

    def xSync(self, flags: int) -> None:
        """What waits goes to the disk."""
        for offset, data in self._waiting:
            super().xWrite(data, offset)
        self._waiting.clear()
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        """As a sync: it is about the whole file."""
        self.xSync(apsw.SQLITE_SYNC_FULL)
        super().xTruncate(size)

    def xFileSize(self) -> int:
        """With what waits."""
        return max([super().xFileSize(), *(offset + len(data) for offset, data in self._waiting)])


class CutDisk(apsw.VFS):
    """A disk that keeps what is synced; from now on all stores of this process lie on it."""

    def __init__(self) -> None:
        self.waiting: defaultdict[str, Writes] = defaultdict(list)
        super().__init__("cut", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> CutFile:
        """See SQLite's VFS."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return CutFile(name, flags, self.waiting[path])

    def keep_some(self, chance: random.Random) -> None:
        """Write a half of what waits, whichever."""
        for path, writes in self.waiting.items():
            if not path:
                continue
            file = os.open(path, os.O_WRONLY)
            for offset, data in [one for one in writes if chance.random() < 0.5]:
                os.pwrite(file, data, offset)
            os.close(file)


async def main(folder: Path, synchronous: str, mails: int, seed: int) -> None:
    """Accept so many messages, and lose the power."""
    disk = CutDisk()
    database = await open_sqlite(folder / "pillarbox.db", on_death=print)
    database._writer.execute(f"PRAGMA synchronous = {synchronous}")
    outbox = Outbox(database, lambda: 0.0)
    told = 0

    async def client(name: str) -> None:
        nonlocal told
        for number in range(mails):
            queue_id = f"{name}{number:06}"
            envelope = Envelope("scanner@contoso.example", ("alice@contoso.example",))
            await outbox.enqueue(NewMessage(queue_id, 1, "printer", envelope, "", len(BODY), lambda: iter([BODY])))
            os.write(1, queue_id.encode() + b"\n")
            told += 1
            if told == mails:
                if seed:
                    disk.keep_some(random.Random(seed))
                os.kill(os.getpid(), signal.SIGKILL)

    await asyncio.gather(*(client(f"{os.getpid()}-{number}-") for number in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
