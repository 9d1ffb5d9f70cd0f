"""A message of the outbox as a person reads it, taken apart in a process with limits: strangers wrote it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.delivery.message_file import nameless, written
from pillarbox.mime import split
from pillarbox.store.database import Row
from pillarbox.store.outbox import Outbox

LONGEST: Final = 512 * 1024
"""Bytes of a text that are read; nobody reads more in a browser."""
_LIMITS: Final = split.Limits(cpu=10, seconds=30.0)
_AT_ONCE: Final = 2
_BROKEN: Final = "mail.not_divided"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads messages. `folder` gets files without a name."""

    outbox: Outbox
    folder: Path
    limits: split.Limits = _LIMITS
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def open(self, row: Row) -> tuple[split.Divided, split.Told]:
        """What stands in a message, or in its header where no more is kept; and its files, which are to be closed.

        Raises InvalidInput `mail.not_readable`, Unavailable.
        """
        async with self._reading:
            with nameless(self.folder) as file:
                await written(file, self._kept(row))
                try:
                    return await split.read(file, LONGEST, row["mailbox"], self.folder, self.limits)
                except InvalidInput as error:
                    if error.code != _BROKEN:
                        raise
                    raise InvalidInput("mail.not_readable", reason=error.params["reason"]) from error

    async def _kept(self, row: Row) -> AsyncIterator[bytes]:
        if is_whole(row):
            async for piece in self.outbox.whole(row["seq"], row["size"]):
                yield piece
        else:
            yield await self.outbox.header(row["seq"])


def is_whole(row: Row) -> bool:
    """Whether more than the header of a message is kept."""
    return str(row["kept"]) == "whole"


def need_whole(row: Row) -> None:
    """Raises Conflict `outbox.body_gone` where no more than the header of a message is kept."""
    if not is_whole(row):
        raise Conflict("outbox.body_gone", id=row["id"], state=row["state"])
