"""A message's body in parts: a row of the table for each, so that no message is in memory whole."""

from collections.abc import Iterator
from typing import Final

from pillarbox.core.errors import Unavailable
from pillarbox.store.database import Series, Statement, statement
from pillarbox.store.messages import NewMessage

PART_BYTES: Final = 256 * 1024


def count(size: int) -> int:
    """In how many parts so many bytes lie."""
    return (size + PART_BYTES - 1) // PART_BYTES


def body_statements(message: NewMessage) -> list[Statement | Series]:
    """What writes the body of a message: in one go where it is one part, as a series where it is more."""
    if message.size <= PART_BYTES:
        return [statement("outbox_add_part", id=message.id, part=0, data=b"".join(message.pieces()))]
    return [Series(lambda: _part_statements(message), message.size)]


def _part_statements(message: NewMessage) -> Iterator[Statement]:
    """The parts. Raises Unavailable where they are not the whole message: nothing of it is committed then.

    They are read while the transaction runs; who waited for it may have been canceled and have closed the content.
    """
    size = 0
    for part, data in enumerate(in_parts(message.pieces())):
        size += len(data)
        yield statement("outbox_add_part", id=message.id, part=part, data=data)
    if size != message.size:
        raise Unavailable("store.failed", reason=f"{size} of {message.size} bytes could be read")


def in_parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of PART_BYTES, but for the last."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= PART_BYTES:
            yield bytes(waiting[:PART_BYTES])
            del waiting[:PART_BYTES]
    if waiting:
        yield bytes(waiting)
