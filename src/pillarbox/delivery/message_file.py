"""A message as a file without a name, as it leaves: its recipients made equal to the envelope's."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO

from pillarbox.core import catalogue, headers
from pillarbox.core.errors import DISK_FULL, Unavailable


def nameless(folder: Path) -> IO[bytes]:
    """A file that is gone when it is closed. Raises Unavailable."""
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise _not_written(error) from error


async def write(file: IO[bytes], body: AsyncIterator[bytes], recipients: Sequence[str]) -> list[str]:
    """Write a message; the sentences about recipients that were taken out of its header. Raises Unavailable."""
    head = b""
    async for part in body:
        head += part
        if len(head) >= headers.LONGEST_BLOCK:
            break
    addressed = headers.address_to(head, recipients)
    await written(file, body, addressed.mime)
    return [catalogue.sentence("mail.recipient_removed", entry=entry) for entry in addressed.removed]


async def written(file: IO[bytes], body: AsyncIterator[bytes], head: bytes = b"") -> None:
    """Write bytes as they come. Raises Unavailable."""
    try:
        await asyncio.to_thread(file.write, head)
        async for part in body:
            await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(file.flush)
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> Unavailable:
    if error.errno in DISK_FULL:
        return Unavailable("store.full")
    return Unavailable("mime.unavailable", reason=os.strerror(error.errno or 0))
