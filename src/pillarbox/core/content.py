"""The bytes of a message on their way in: canonical, in memory or elsewhere, read piece by piece and never whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from pillarbox.core.headers import canonical

PIECE: Final = 256 * 1024
"""Most bytes of a piece; what is longer than one piece need not be in memory."""


class Content(Protocol):
    """A message as it was handed in, every line ended by CRLF and no other CR or LF in it."""

    @property
    def size(self) -> int:
        """Bytes."""

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from `start` on, in pieces of at most PIECE bytes. May be asked for again, and in any thread."""

    def close(self) -> None:
        """Let go of what holds the bytes. A second call does nothing."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """A message in memory. `mime` must be canonical: `in_memory` makes it so."""

    mime: bytes

    @property
    def size(self) -> int:
        """See `Content.size`."""
        return len(self.mime)

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """See `Content.pieces`."""
        if start == 0 and len(self.mime) <= PIECE:
            yield self.mime
            return
        for begin in range(start, len(self.mime), PIECE):
            yield self.mime[begin : begin + PIECE]

    def close(self) -> None:
        """See `Content.close`."""


def in_memory(mime: bytes) -> InMemory:
    """A message whose bytes are at hand, made canonical."""
    return InMemory(canonical(mime))
