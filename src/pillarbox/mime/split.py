"""Takes a large message apart in a process of its own, with limits, and reads what that has written."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from pillarbox.core.errors import DISK_FULL, InvalidInput, Unavailable
from pillarbox.mime import worker
from pillarbox.mime.conversion import Words

_REASONS: Final = {"sealed": "mail.too_large_sealed", "text": "mail.too_large_text"}
_MOST_FOUND: Final = 16 * 1024 * 1024
"""Bytes that 1,000 names and their words never have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What taking one message apart may cost: seconds of CPU, bytes of memory beside the message, seconds in all."""

    cpu: int = 30
    memory: int = 256 * 1024 * 1024
    seconds: float = 120.0


DEFAULT: Final = Limits()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file out of a message; `start` is where its `size` bytes begin in the file that holds all of them."""

    name: str
    content_type: str
    content_id: str
    is_inline: bool
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Divided:
    """A message in two: what is left of it, and the attachments that were taken out. Close it: it holds a file."""

    rest: bytes
    attachments: tuple[Attachment, ...]
    file: IO[bytes]

    def read(self, attachment: Attachment, begin: int, end: int) -> bytes:
        """Bytes of an attachment. Blocking."""
        end = min(end, attachment.size)
        return os.pread(self.file.fileno(), end - begin, attachment.start + begin)

    def close(self) -> None:
        """Let go of the file, which has no name and is gone then."""
        self.file.close()


@dataclass(frozen=True, slots=True)
class Told:
    """What a person reads of a message: the fields of its header, its text, and its `html` so that it can be shown.

    `left_out` is how many pictures of other places the HTML names; `cut` says that a text went on.
    """

    fields: tuple[tuple[str, str], ...]
    text: str
    html: str
    left_out: int
    cut: bool


async def split(message: IO[bytes], most: int, mailbox: str, folder: Path, limits: Limits = DEFAULT) -> Divided:
    """Take so many attachments out of a message in a file that no more than `most` bytes are left.

    `folder` gets the files, unlinked, so that a crash leaves nothing behind. Raises InvalidInput
    `mail.too_large_sealed`, `mail.too_large_text` and `mail.not_divided`, which no time mends, and Unavailable.
    """
    return (await _found(message, most, mailbox, folder, limits, "divide"))[0]


async def in_words(
    message: IO[bytes], most: int, mailbox: str, folder: Path, limits: Limits = DEFAULT
) -> tuple[Divided, Words]:
    """Say a message in a file in JSON's words; `rest` is its text then. As `split`."""
    divided, answer = await _found(message, most, mailbox, folder, limits, "convert")
    return divided, _words(answer["words"])


async def read(
    message: IO[bytes], most: int, mailbox: str, folder: Path, limits: Limits = DEFAULT
) -> tuple[Divided, Told]:
    """Read a message in a file as a person would, of each text the first `most` bytes. As `split`, with all files."""
    divided, answer = await _found(message, most, mailbox, folder, limits, "read")
    told = answer["told"]
    return divided, Told(**told | {"fields": _frozen(told["fields"])})


async def _found(
    message: IO[bytes], most: int, mailbox: str, folder: Path, limits: Limits, task: worker.Task
) -> tuple[Divided, dict[str, Any]]:
    try:
        with tempfile.TemporaryFile(dir=folder) as found:
            target = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (handed on)
            try:
                await _run(message, found, target, (most, limits.cpu, limits.memory, task), limits.seconds)
                answer = json.loads(os.pread(found.fileno(), _MOST_FOUND, 0))
                if reason := answer.get("reason"):
                    raise InvalidInput(_REASONS[reason], limit=most, mailbox=mailbox)
                return _divided(answer, target), answer
            except BaseException:
                target.close()
                raise
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Unavailable("store.full") from error
        raise Unavailable("mime.unavailable", reason=error.strerror or error) from error


async def _run(
    message: IO[bytes], found: IO[bytes], target: IO[bytes], arguments: tuple[int | str, ...], seconds: float
) -> None:
    message.flush()
    message.seek(0)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",  # Neither the environment nor the working directory says what is imported.
        *("-m", worker.__name__, *map(str, (target.fileno(), *arguments))),
        stdin=message,
        stdout=found,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(target.fileno(),),
        env={},
    )
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    except TimeoutError:
        raise Unavailable("mime.unavailable", reason=f"it took longer than {seconds:g} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    match code:
        case 0:
            return
        case worker.TOO_COMPLEX:
            raise InvalidInput("mail.not_divided", reason="it needs too much memory, or has too many parts")
        case worker.NO_ROOM:
            raise Unavailable("mime.unavailable", reason="it could not write its files")
        case worker.BROKEN:
            raise InvalidInput("mail.not_divided", reason="it cannot be read")
        case _ if -code == signal.SIGXCPU:
            raise InvalidInput("mail.not_divided", reason="it needs too much time")
    raise Unavailable("mime.unavailable", reason=f"it ended with {code}")


def _divided(answer: dict[str, Any], target: IO[bytes]) -> Divided:
    at: int = answer["rest"]
    attachments = []
    for one in answer["attachments"]:
        attachments.append(Attachment(start=at, **one))
        at += one["size"]
    return Divided(os.pread(target.fileno(), answer["rest"], 0), tuple(attachments), target)


def _words(told: dict[str, Any]) -> Words:
    return Words(**{name: _frozen(value) for name, value in told.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
