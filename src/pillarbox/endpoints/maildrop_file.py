"""One file of the fallback folder: a line of JSON, the envelope, and the message, as pillarbox.sendmail writes them.

Anybody may have written it: it is opened without waiting, and read within bounds.
"""

import asyncio
import errno
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.core.content import PIECE
from pillarbox.core.errors import Forbidden, InvalidInput, Unavailable, too_large
from pillarbox.core.headers import canonical
from pillarbox.endpoints.smtp.spool import Spool

_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST_ENVELOPE: Final = 512 * 1024
_NOT_NOW: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
_NO_FILE: Final = (errno.ELOOP, errno.ENXIO)
"""Of a symbolic link with O_NOFOLLOW, and of a socket (open(2))."""
_ADDRESS: Final = re.compile(r'(?:"[^"\x00-\x1f\x7f]*+"|[^\s"<>\x00-\x1f\x7f]++)*')
"""An address, a local name or nothing: nothing that could end the path of MAIL or RCPT in which it will stand."""
_VALUE: Final = re.compile(r"[!-~]*+")
"""Of a parameter of MAIL or RCPT: nothing that could end it. What it may say, endpoints/smtp/grammar.py knows."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The first line of a file, as pillarbox.sendmail writes it. None among `senders` is whoever sends."""

    senders: tuple[str | None, ...]
    recipients: tuple[str, ...]
    notify: str
    ret: str
    envid: str
    size: int
    has_from: bool
    """Whether there is a From in the header."""


def open_file(name: str, opener: Callable[[str, int], int]) -> int:
    """Open a file by `opener`, wait for nobody. Raises FileNotFoundError, Forbidden, Unavailable."""
    try:
        return opener(name, _OPEN)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _NOT_NOW:
            raise Unavailable("maildrop.io", reason=error.strerror) from error
        if error.errno in _NO_FILE:
            raise Forbidden("maildrop.not_a_file") from error
        raise Forbidden("maildrop.unreadable", reason=error.strerror) from error


def read_envelope(file: int, size: int) -> tuple[Envelope, bytes]:
    """The envelope, and the beginning of the message that was read with it. Raises InvalidInput."""
    read = b""
    while b"\n" not in read and len(read) < _LONGEST_ENVELOPE:
        piece = os.read(file, min(PIECE, size - len(read)))
        if not piece:
            break
        read += piece
    line, newline, rest = read.partition(b"\n")
    try:
        envelope = _envelope(json.loads(line))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidInput("maildrop.broken") from error
    if not newline or envelope.size != size - len(line) - 1:
        raise InvalidInput("maildrop.truncated")
    return envelope, rest


def _envelope(found: Any) -> Envelope:
    """Raises ValueError, TypeError or KeyError for what our client does not write."""
    given, recipients = _texts(found["senders"], may_be_none=True), _texts(found["recipients"])
    if len(given) not in (1, 2) or not all(recipients):
        raise ValueError
    for key in ("notify", "ret", "envid"):
        if _VALUE.fullmatch(found[key]) is None:
            raise ValueError
    size, has_from = found["size"], found["has_from"]
    if type(size) is not int or type(has_from) is not bool:
        raise TypeError
    return Envelope(given, recipients, found["notify"], found["ret"], found["envid"], size, has_from)


def _texts(found: Any, *, may_be_none: bool = False) -> tuple[Any, ...]:
    """A list of addresses: no object, of which the keys would be taken, and nothing that a log cannot write."""
    if type(found) is not list:
        raise TypeError
    for text in found:
        if text is None and may_be_none:
            continue
        if _ADDRESS.fullmatch(text) is None:
            raise ValueError
        text.encode("utf-8")  # neither a log nor the store can write surrogates
    return tuple(found)


async def read_message(file: int, first: bytes, size: int, limit: int, spool: Spool) -> None:
    """Read the rest of `size` bytes into the spool, made canonical. Raises InvalidInput, Unavailable."""
    async for piece in _pieces(file, first, size):
        if b"\0" in piece:
            raise InvalidInput("smtp.nul")
        text = canonical(piece)
        if spool.size + len(text) > limit:
            raise too_large(limit)
        spool.write(text)


async def _pieces(file: int, first: bytes, size: int) -> AsyncIterator[bytes]:
    """The message in pieces of which none ends between CR and LF."""
    held = first
    left = size - os.lseek(file, 0, os.SEEK_CUR)
    while left > 0 and (piece := os.read(file, min(PIECE, left))):
        left -= len(piece)
        data = held + piece
        held = data[-1:] if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)]
        await asyncio.sleep(0)  # others are served in between
    if held:
        yield held
