"""The mails of the load generator: as large as was asked for, each with a Message-ID of its own."""

import hashlib
import os
from dataclasses import dataclass

_LINE = b"%04d " + b"A" * 71 + b"\r\n"
_BLOCK = b"".join(_LINE % number for number in range(3300))
"""About 256 KiB of body."""
RECIPIENT = b"bob@contoso.example"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it goes over the wire, with its final dot."""

    sender: bytes
    recipient: bytes
    pieces: tuple[bytes, ...]


class Mails:
    """Makes mails of about `size` bytes from `senders` in turn; their bodies are the same, and lie in memory once."""

    def __init__(self, senders: list[str], size: int) -> None:
        self._senders = [sender.encode() for sender in senders]
        whole, rest = divmod(size, len(_BLOCK))
        length = len(_LINE % 0)
        self._body = (_BLOCK,) * whole + (_BLOCK[: rest // length * length],)
        self._run = os.getpid()

    def digest(self) -> str:
        """SHA-256 of the body: what stands behind the first empty line."""
        digest = hashlib.sha256()
        for piece in self._body:
            digest.update(piece)
        return digest.hexdigest()

    def make(self, number: int) -> Mail:
        """The mail of this number."""
        sender = self._senders[number % len(self._senders)]
        head = (
            b"From: <%s>\r\nTo: <%s>\r\nSubject: bench %d\r\nDate: Fri, 20 Nov 2026 08:00:00 +0000\r\n"
            b"Message-ID: <bench-%d-%d@contoso.example>\r\n\r\n"
        ) % (sender, RECIPIENT, number, self._run, number)
        if len(self._body) == 1:
            return Mail(sender, RECIPIENT, (head + self._body[0] + b".\r\n",))
        return Mail(sender, RECIPIENT, (head, *self._body, b".\r\n"))
