"""The top header block of a message on its way in: what accept looks at, and what it adds. Pure.

What is added and changed stands in docs/explanation/bytes.md; there is nothing else.
"""

import email.utils
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.core import headers
from pillarbox.core.content import Content
from pillarbox.core.headers import Block
from pillarbox.core.mail import Arrival
from pillarbox.delivery.senders import ORIGINATORS, Leave

LENGTH: Final = headers.MAX_BLOCK + 4096
"""Bytes of a message in which its header block ends, if it keeps within the caps."""
_READ: Final = frozenset(
    (*ORIGINATORS, b"message-id", b"date", b"content-type", b"content-disposition", b"content-transfer-encoding")
)
_HELLO: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}|\[[0-9A-Za-z:.]{2,80}\]")


@dataclass(frozen=True, slots=True)
class TopBlock:
    """The header block as it came. `raw` holds it, and perhaps some of the body; `values` are by name, unfolded."""

    raw: bytes
    block: Block
    values: Mapping[bytes, Sequence[bytes]]

    @classmethod
    def of(cls, raw: bytes) -> "TopBlock":
        """From the first LENGTH bytes of a message. Raises InvalidInput as `headers.scan`, and `mail.loop`."""
        block = headers.scan(raw)
        headers.check_hops(block)
        values: dict[bytes, list[bytes]] = {}
        for field in block.fields:
            if field.name not in _READ:
                continue
            values.setdefault(field.name, []).append(headers.value(raw, field))
        return cls(raw, block, values)

    @property
    def body(self) -> int:
        """Where the body begins."""
        return self.block.body

    @property
    def content_types(self) -> Sequence[bytes]:
        """Of the whole message: one, or none, unless something is wrong with it."""
        return self.values.get(b"content-type", ())

    @property
    def disposition(self) -> bytes:
        """Content-Disposition of the whole message: how a scanner names what it sends alone."""
        return b"; ".join(self.values.get(b"content-disposition", ()))

    @property
    def encoding(self) -> bytes:
        """Content-Transfer-Encoding of the whole message."""
        return next(iter(self.values.get(b"content-transfer-encoding", ())), b"")

    @property
    def message_id(self) -> str:
        """As the client sent it, or empty."""
        return next(filter(None, self.values.get(b"message-id", ())), b"").decode("utf-8", "replace")

    @property
    def is_ascii(self) -> bool:
        """Whether it holds 7-bit bytes alone, as RFC 5322 asks."""
        return self.raw[: self.block.end].isascii()

    def completed(self, queue_id: str, message_id: str, leave: Leave, arrival: Arrival, now: float) -> bytes:
        """The block with what the message lacks, and the empty line; the body follows unchanged.

        What is added stands in the place of all fields of its name: empty ones, a forged id, a From. But for Received.
        """
        added = list(self._added(queue_id, message_id, leave, arrival, now))
        gone = self.block.named(*(name.lower().encode() for name, _ in added if name != "Received"))
        return headers.edited(self.raw, self.block, added, gone)

    def _added(
        self, queue_id: str, message_id: str, leave: Leave, arrival: Arrival, now: float
    ) -> Iterator[tuple[str, str]]:
        date = email.utils.formatdate(now)
        if arrival.by:
            yield "Received", received(arrival, queue_id, date)
        yield "X-Pillarbox-Id", queue_id
        if not self.message_id:
            yield "Message-ID", message_id
        if not any(self.values.get(b"date", ())):
            yield "Date", date
        if leave.sender:
            yield "From", leave.sender
        if leave.reply_to:
            yield "Reply-To", leave.reply_to


def beginning(content: Content) -> bytes:
    """The first bytes of a message, in which its header block ends."""
    pieces = content.pieces()
    head = next(pieces, b"")
    while len(head) < LENGTH and (piece := next(pieces, b"")):
        head += piece
    return head


def received(arrival: Arrival, queue_id: str, date: str) -> str:
    """The value of a Received field (RFC 5321 section 4.4, RFC 3848).

    What the client called itself is written only where it looks like a host name; recipients are not written.
    """
    hello = arrival.hello if _HELLO.fullmatch(arrival.hello) else "unknown"
    peer = _literal(arrival.peer)
    origin = f"from {hello} ({peer})\r\n\t" if peer else f"from {hello}\r\n\t" if arrival.hello else ""
    protocol = f" with {arrival.protocol}" if arrival.protocol else ""
    return f"{origin}by {arrival.by}{protocol} id {queue_id};\r\n\t{date}"


def _literal(peer: str) -> str:
    """An address literal (RFC 5321 section 4.1.3); empty for what is no IP address, such as a local socket."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
