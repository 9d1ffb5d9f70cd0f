"""A test mail: an ordinary message of the outbox, marked as a test, whose end somebody waits for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.content import in_memory
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Envelope, Priority, State
from pillarbox.delivery.queue_id import queue_id
from pillarbox.delivery.submission import Submission, Terms
from pillarbox.store.database import Row
from pillarbox.store.outbox import Outbox

_FIRST: Final = Terms(priority=Priority.HIGH)
"""Somebody waits for it; and where the account was broken, it is the probe."""
_OPEN: Final = (State.QUEUED, State.SENDING)
_WAITING: Final = (State.QUEUED, State.DEFERRED, State.HELD)
_LOOK_AGAIN: Final = 0.1
"""Seconds between two looks at the message."""
SUBJECT: Final = "Pillarbox test"
"""Behind it stands what its Message-ID begins with: by that it is found where Exchange writes another Message-ID."""
_TEXT: Final = """\
From: {sender}\r
To: {recipient}\r
Subject: {subject}\r
Message-ID: <{tag}@{domain}>\r
Auto-Submitted: auto-generated\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
\r
This is a test mail from Pillarbox: {sender} can send.\r
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """Sends test mails."""

    submission: Submission
    outbox: Outbox
    ready: Callable[[Mailbox], None]
    """Makes sure that somebody takes mail of this mailbox out of the outbox, also where its account was broken."""

    async def send(self, mailbox: Mailbox, recipient: str, seconds: float = 60.0) -> Row:
        """Send a test mail and return its outbox row: when the first attempt has ended, or after some seconds.

        One that would wait is canceled after that: nobody expects it any more when it leaves an hour later.

        Raises InvalidInput, Forbidden or Unavailable as `Submission.accept`.
        """
        tester = Submitter(0, "test", {address_key(mailbox.address): mailbox})
        tag = queue_id(self.submission.clock(), self.submission.random)
        domain = mailbox.address.rpartition("@")[2]
        text = _TEXT.format(
            sender=mailbox.address, recipient=recipient, subject=f"{SUBJECT} {tag}", tag=tag, domain=domain
        )
        envelope = Envelope(mailbox.address, (recipient,))
        accepted = await self.submission.accept(
            envelope, in_memory(text.encode()), tester, purpose="test", terms=_FIRST
        )
        self.ready(mailbox)
        row = await self._looked_at(accepted, seconds)
        if row["state"] in _WAITING and await self.outbox.cancel(accepted) is None:
            # It was taken up at the last moment.
            row = await self._looked_at(accepted, seconds)
        return row

    async def _looked_at(self, queue_id: str, seconds: float) -> Row:
        row = await self._get(queue_id)
        for _ in range(round(seconds / _LOOK_AGAIN)):
            if row["state"] not in _OPEN:
                break
            await asyncio.sleep(_LOOK_AGAIN)
            row = await self._get(queue_id)
        return row

    async def _get(self, queue_id: str) -> Row:
        row = await self.outbox.get(queue_id)
        assert row is not None
        return row
