"""Upload sessions: a file for a draft that comes in parts, in order (facts 3.4)."""

from dataclasses import dataclass, field

LIFETIME = 2 * 3600.0
"""Seconds; nobody says how many."""


class OutOfOrder(Exception):
    """A part that does not begin where the last one ended, or does not fit the size that was announced."""


@dataclass
class UploadSession:
    """A file on its way to the draft `message` (an immutable id); `token` in the address of the session is its key.

    `size` in bytes, `ends_at` in seconds since 1970.
    """

    id: str
    token: str = field(repr=False)
    message: str
    ends_at: float
    name: str
    size: int
    content_type: str
    inline: bool = False
    content_id: str | None = None
    received: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def complete(self) -> bool:
        """Whether all bytes are here."""
        return len(self.received) == self.size

    def take(self, start: int, end: int, total: int, part: bytes) -> None:
        """Add the bytes `start` to `end` (inclusive) of `total`; OutOfOrder with the reason if they do not fit."""
        if total != self.size:
            raise OutOfOrder(f"The session is for {self.size} bytes, not {total}.")
        if start != len(self.received):
            raise OutOfOrder(f"The next part must start at byte {len(self.received)}, not {start}.")
        if not start <= end < total:
            raise OutOfOrder(f"The range {start}-{end} is not within {total} bytes.")
        if end - start + 1 != len(part):
            raise OutOfOrder(f"The range has {end - start + 1} bytes, the body {len(part)}.")
        self.received += part
