"""Accept: the one way in, whatever the door. When it returns, the message is on the disk."""

import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.core import headers
from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.content import Content, InMemory
from pillarbox.core.errors import InvalidInput
from pillarbox.core.log import Logger
from pillarbox.core.mail import UNTOLD, Arrival, Clock, Envelope
from pillarbox.delivery import senders
from pillarbox.store.outbox import NewMessage, Outbox

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing that a person misreads


def queue_id(now: float, random: Callable[[int], bytes]) -> str:
    """A queue id of 16 letters: 10 of the time in milliseconds, so that ids sort by age, and 6 of chance."""
    chance = int.from_bytes(random(4), "big") & (1 << 30) - 1
    number = int(now * 1000) << 30 | chance
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


@dataclass(frozen=True, slots=True)
class Submission:
    """Takes messages. `wake` is told the mailbox of each one that was taken."""

    outbox: Outbox
    wake: Callable[[int], None]
    clock: Clock
    random: Callable[[int], bytes]
    log: Logger
    max_size: int
    max_recipients: int

    async def accept(
        self,
        envelope: Envelope,
        content: Content,
        submitter: Submitter,
        *,
        purpose: str = "",
        arrival: Arrival = UNTOLD,
    ) -> str:
        """Check and keep a message; return its queue id once it is durable. `purpose` is `test` for a test mail.

        Raises InvalidInput or Forbidden for what can never be sent, Unavailable when the store cannot keep it now.
        """
        began = time.perf_counter()
        mailbox = self.check_envelope(envelope, submitter)
        new_id = queue_id(self.clock(), self.random)
        mime = b"".join(content.pieces())
        complete, message_id = self._completed(mime, new_id, envelope, submitter, mailbox.address)
        kept = InMemory(complete)
        await self.outbox.enqueue(
            NewMessage(
                new_id, mailbox.id, submitter.name, envelope, message_id, kept.size, kept.pieces, purpose, arrival
            )
        )
        self.log.info(
            "mail.accepted",
            id=new_id,
            submitter=submitter.name,
            sender=envelope.sender,
            mailbox=mailbox.address,
            recipients=len(envelope.recipients),
            size=len(complete),
            seconds=round(time.perf_counter() - began, 4),
        )
        self.wake(mailbox.id)
        return new_id

    def check_envelope(self, envelope: Envelope, submitter: Submitter) -> Mailbox:
        """The mailbox it leaves from, if the envelope can be accepted. Raises InvalidInput or Forbidden."""
        mailbox = senders.mailbox_for(submitter, envelope.sender)
        if not envelope.recipients:
            raise InvalidInput("mail.no_recipients")
        if len(envelope.recipients) > self.max_recipients:
            raise InvalidInput("mail.too_many_recipients", limit=self.max_recipients)
        return mailbox

    def _completed(
        self, mime: bytes, new_id: str, envelope: Envelope, submitter: Submitter, mailbox: str
    ) -> tuple[bytes, str]:
        """The message with what it lacks (docs/explanation/bytes.md), and its Message-ID."""
        if len(mime) > self.max_size:
            raise InvalidInput("mail.too_large", limit=self.max_size)
        block = headers.scan(mime)
        senders.check_from(submitter, [headers.value(mime, field) for field in block.named(b"from")])
        added = [("X-Pillarbox-Id", new_id)]
        message_id = next((headers.value(mime, f).decode("utf-8", "replace") for f in block.named(b"message-id")), "")
        if not message_id:
            message_id = f"<{new_id}@{mailbox.rpartition('@')[2]}>"
            added.append(("Message-ID", message_id))
        if not any(block.named(b"date")):
            added.append(("Date", email.utils.formatdate(self.clock(), usegmt=False, localtime=False)))
        if not any(block.named(b"from")):
            added.append(("From", envelope.sender or mailbox))
        return headers.add_fields(mime, block, added), message_id
