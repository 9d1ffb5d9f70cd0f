"""Which way a message takes: Graph or SMTP, by the choice for its mailbox, and by what Graph cannot do with it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from pillarbox.core import headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import InvalidInput
from pillarbox.core.scopes import SETS, Resource
from pillarbox.core.sealed_mime import is_sealed
from pillarbox.delivery.transports import KeepDraft, Look, Report, Transport
from pillarbox.store.outbox import Claimed


@dataclass(frozen=True, slots=True)
class Route:
    """The ways out as one.

    `smtp` is None where Exchange's SMTP host is not known. `default` (graph, smtp or auto) is for mailboxes without a
    choice of their own. `one_call` is bytes of a message that Graph takes whole.
    """

    graph: Transport
    smtp: Transport | None
    default: str
    one_call: int

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`; for the way that a message of this mailbox mostly takes."""
        await (self._first(mailbox) or self.graph).ready(mailbox)

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        return await self._way(message).send(message, body, keep_draft)

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`: by Graph, also for what left by SMTP, as that lies in Sent Items too."""
        return await self.graph.look_up(message)

    def _way(self, message: Claimed) -> Transport:
        if message.draft_id:
            # What became of a draft can be told: no second item beside it.
            return self.graph
        first = self._first(message.mailbox)
        if first is not None or self.smtp is None:
            return first or self.graph
        return self.graph if self._fits(message) and not _names_others(message) else self.smtp

    def _fits(self, message: Claimed) -> bool:
        """Whether Graph takes it, whole or as a draft whose attachments are uploaded one by one."""
        return message.size <= self.one_call or (message.mailbox.mode == "draft" and not _is_sealed(message))

    def _first(self, mailbox: Mailbox) -> Transport | None:
        """The only way that a mailbox has; None where the message decides."""
        ways = ways_of(mailbox, self.default)
        if self.smtp is None or ways == (Resource.GRAPH,):
            return self.graph
        return self.smtp if ways == (Resource.EXCHANGE,) else None


def ways_of(mailbox: Mailbox, default: str) -> tuple[Resource, ...]:
    """The ways that mail of a mailbox can leave by, the first one first; `default` counts where none was chosen.

    A person's sign-in shows which of them it allows. Of an app registration that is not known: it takes SMTP only where
    somebody chose so for the mailbox, as a try that is refused would hold its mail.
    """
    chosen = mailbox.transport or default
    if chosen == "graph":
        return (Resource.GRAPH,)
    if chosen == "smtp":
        return (Resource.EXCHANGE,)
    if mailbox.sign_in is None:
        return (Resource.GRAPH, Resource.EXCHANGE) if mailbox.transport else (Resource.GRAPH,)
    allowed = {SETS[name][0] for name in mailbox.sign_in.permissions}
    return tuple(way for way in Resource if way in allowed)


def _is_sealed(message: Claimed) -> bool:
    """Whether it is signed or encrypted as a whole: nothing can be taken out of it."""
    try:
        block = headers.scan(message.part, max_block=headers.LONGEST_BLOCK)
    except InvalidInput:
        return False
    return any(is_sealed(headers.value(message.part, field)) for field in block.named(b"content-type"))


def _names_others(message: Claimed) -> bool:
    """Whether To or Cc name somebody who is no recipient: Graph, which has no envelope, would have them taken out."""
    try:
        return bool(headers.address_to(message.part, message.envelope.recipients).removed)
    except InvalidInput:
        return False
