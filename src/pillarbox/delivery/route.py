"""Which way a message takes: Graph or SMTP, by the choice for its mailbox, and by what Graph cannot do with it.

What Graph cannot, SMTP can: where that is known before, a message goes by SMTP at once, else in the same attempt, when
Graph has refused it for its size.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.errors import ConfigError, InvalidInput, Unavailable
from pillarbox.core.mail import Found, Outcome
from pillarbox.core.scopes import SETS, Resource
from pillarbox.core.sealed_mime import is_sealed_message
from pillarbox.delivery.failures import outcome_of
from pillarbox.delivery.transports import Again, KeepCopyAt, KeepDraft, Kept, Look, Report, Transport
from pillarbox.graph.meter import metered
from pillarbox.store.messages import Claimed


@dataclass(frozen=True, slots=True)
class Route:
    """The ways out as one.

    `smtp` is None where Exchange's SMTP host is not known. `default` (graph, smtp or auto) is for mailboxes without a
    choice of their own. `one_call` is bytes of a message that Graph takes whole, `again` reads a message once more,
    `keep_copy_at` commits that its copy may lie with somebody else. `hosts` are the names of Graph's and Exchange's
    hosts.
    """

    graph: Transport
    smtp: Transport | None
    default: str
    one_call: int
    again: Again
    keep_copy_at: KeepCopyAt
    hosts: tuple[str, str] = ("", "")

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`; for the way that a message of this mailbox mostly takes."""
        if (way := self._first(mailbox)) is not None:
            await way.ready(mailbox)

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        way = self._way(message)
        if way is None:
            return Report(_no_host(message.mailbox), requests=0)
        kept = Kept(keep_draft, message.draft_id)
        with metered() as meter:
            report = await self._sent(way, message, body, kept)
            if self.smtp is not None and way is self.graph and self._goes_on(message, report) and not kept.draft_id:
                way, refused = self.smtp, report
                told = catalogue.sentence("route.by_smtp", said=f"{refused.outcome.code}: {refused.outcome.text}")
                report = await self._sent(way, message, self.again(message), kept)
                report = replace(report, notes=(*refused.notes, told, *report.notes))
        return replace(report, requests=meter.requests, host=report.host or self.hosts[way is self.smtp])

    async def _sent(
        self, way: Transport, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft
    ) -> Report:
        sign_in = message.mailbox.sign_in
        if way is self.smtp and sign_in and sign_in.shared:
            try:
                # Before the attempt: a crash may cut that off.
                await self.keep_copy_at(message, sign_in.who)
            except Unavailable as error:
                return Report(outcome_of(error), requests=0)
        return await way.send(message, body, keep_draft)

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`: by Graph, also for what left by SMTP, as that lies in Sent Items too.

        But perhaps in those of the person who signed in for a shared mailbox: that it is not here proves nothing then.
        What counts is how its attempt went, not how one would today.
        """
        look = await self.graph.look_up(message)
        if look.found is Found.ABSENT and message.copy_at:
            return Look(Found.UNKNOWN, catalogue.sentence("look.others_sent_items", who=message.copy_at))
        return look

    def _way(self, message: Claimed) -> Transport | None:
        """None: the host of the only one is not known."""
        if message.draft_id:
            # What became of a draft can be told: no second item beside it.
            return self.graph
        ways = ways_of(message.leaving, self.default)
        if self.smtp is None or len(ways) == 1:
            return self._first(message.leaving)
        return self.graph if self._fits(message) and not _names_others(message) else self.smtp

    def _goes_on(self, message: Claimed, report: Report) -> bool:
        """Whether Graph has refused it for its size, and SMTP may take it."""
        return report.outcome.cause is Cause.TOO_LARGE and len(ways_of(message.leaving, self.default)) == 2

    def _fits(self, message: Claimed) -> bool:
        """Whether Graph takes it, whole or as a draft whose attachments are uploaded one by one."""
        return message.size <= self.one_call or (message.mailbox.mode == "draft" and not _is_sealed(message))

    def _first(self, mailbox: Mailbox) -> Transport | None:
        return self.graph if Resource.GRAPH in ways_of(mailbox, self.default) else self.smtp


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


def narrows(mailbox: Mailbox, transport: str, default: str) -> bool:
    """Whether one message may choose this transport: of the ways that its mailbox has, and no other.

    What is wrong on a way is known of the mailboxes whose mail takes it.
    """
    return set(ways_of(replace(mailbox, transport=transport), default)) <= set(ways_of(mailbox, default))


def _no_host(mailbox: Mailbox) -> Outcome:
    error = ConfigError("mailbox.no_smtp_host", mailbox=mailbox.address)
    return Outcome(Cause.ACCOUNT_BROKEN, code=error.code, text=error.sentence, cure=error.cure)


def _is_sealed(message: Claimed) -> bool:
    """Whether it is signed or encrypted as a whole: nothing can be taken out of it."""
    try:
        block = headers.scan(message.part, max_block=headers.LONGEST_BLOCK)
    except InvalidInput:
        return False
    dispositions = [headers.value(message.part, field) for field in block.named(b"content-disposition")]
    types = [headers.value(message.part, field) for field in block.named(b"content-type")]
    return any(is_sealed_message(one, b"; ".join(dispositions)) for one in types or (b"",))


def _names_others(message: Claimed) -> bool:
    """Whether To or Cc name somebody who is no recipient: Graph, which has no envelope, would have them taken out."""
    try:
        return bool(headers.address_to(message.part, message.envelope.recipients).removed)
    except InvalidInput:
        return False
