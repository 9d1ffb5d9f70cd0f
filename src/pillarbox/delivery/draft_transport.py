"""The mode `draft`: a draft is made, its id kept, and the draft sent. It is one item, so it is sent once.

Its immutable id finds it wherever it lies, so what became of it can always be told. Nothing is sent before the id is
committed: without one the message was certainly not sent.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core import catalogue, headers
from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import TokenSource
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Found, Outcome
from pillarbox.delivery import drafts, sent_items
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.drafts import Fate
from pillarbox.delivery.failures import FAILURES, outcome_of
from pillarbox.delivery.graph_transport import GraphTransport
from pillarbox.delivery.pauses import LOOK_FAILED
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, AnswerLost
from pillarbox.store.messages import Claimed

_GONE: Final = ("ErrorItemNotFound", "ErrorInvalidIdMalformed", "ErrorInvalidMailboxItemId")
"""Graph's codes for an id that is not, or not any more, of this mailbox."""


@dataclass(frozen=True, slots=True)
class DraftTransport:
    """Sends by a draft where the mailbox's mode is `draft`, and as `plain` does in every other mode.

    A message of which there is a draft goes on with it whatever the mode is by now: what became of it can be told, as
    long as the app may see it.
    """

    plain: GraphTransport
    reached: Reached = unheeded

    async def ready(self, mailbox: Mailbox) -> None:
        """See `Transport.ready`."""
        await self.plain.ready(mailbox)

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """See `Transport.send`."""
        notes: list[str] = []
        draft_id = message.draft_id
        try:
            if draft_id and message.cause == Cause.DRAFT_GONE:
                # It was looked for all settle times long, and was neither a draft nor sent.
                await keep_draft("")
                notes.append(catalogue.sentence("draft.anew"))
                draft_id = ""
            if draft_id:
                state = await self._state(message)
                if not _is_lost(state, message.mailbox):
                    return _ended(state) or await self.send_made(message, keep_draft)
                await keep_draft("", given_up=True)
                notes.append(catalogue.sentence("draft.given_up"))
                draft_id = ""
            if message.mailbox.mode != "draft":
                report = await self.plain.send(message, body, keep_draft)
                return replace(report, notes=(*notes, *report.notes))
            made = await self._make(message, body, notes)
            if isinstance(made, Outcome):
                return Report(made, tuple(notes))
            await keep_draft(made)
            self.reached("after_keep_draft")
            report = await self.send_made(replace(message, draft_id=made), keep_draft)
            return replace(report, notes=(*notes, *report.notes))
        except FAILURES as error:
            return Report(outcome_of(error), tuple(notes))

    async def send_made(self, message: Claimed, keep_draft: KeepDraft) -> Report:
        """Send the draft of a message, which is whole, kept, and known to be unsent."""
        notes: list[str] = []
        try:
            outcome = await self._send(message)
            if outcome.verdict is Verdict.REFUSED:
                outcome = await self._refused_draft(message, outcome, keep_draft, notes)
            return Report(outcome, tuple(notes))
        except FAILURES as error:
            return Report(outcome_of(error), tuple(notes))

    async def look_up(self, message: Claimed) -> Look:
        """See `Transport.look_up`."""
        if message.draft_id:
            return await self._look_at_draft(message)
        # Without a draft it was not sent, but by another way or in a former mode.
        return await self.plain.look_up(message)

    # ---- making the draft

    async def _make(self, message: Claimed, body: AsyncIterator[bytes], notes: list[str]) -> str | Outcome:
        """The id of a draft of a message, or why there is none: nothing was sent then."""
        addressed = headers.address_to(b"".join([part async for part in body]), message.envelope.recipients)
        notes += [catalogue.sentence("mail.recipient_removed", entry=entry) for entry in addressed.removed]
        try:
            if message.attempt > 1:
                await drafts.discard_unkept(self.plain.client, message, self._token(message))
            self.reached("before_create")
            answer = await mail.create_draft(
                self.plain.client, message.mailbox.address, addressed.mime, self._token(message)
            )
        except AnswerLost as error:
            return not_made(error.sentence)
        self.reached("after_create")
        return mail.draft_in(answer) or await self._refused(message, answer)

    async def _refused(self, message: Claimed, answer: Answer) -> Outcome:
        outcome = await self.plain.judged(message.mailbox, answer)
        if outcome.verdict in (Verdict.SENT, Verdict.UNCERTAIN):
            return replace(
                not_made(sent_items.said(answer)),
                cause=Cause.BUSY,  # it is reached
                http_status=answer.status,
                request_id=answer.request_id,
                retry_after=outcome.retry_after,
            )
        return replace(outcome, nothing_sent=True)

    # ---- sending it

    async def _refused_draft(
        self, message: Claimed, outcome: Outcome, keep_draft: KeepDraft, notes: list[str]
    ) -> Outcome:
        """What a refusal comes to: the draft is thrown away, unless it was sent all the same.

        One that cannot be deleted now is left to the sweep.
        """
        fate = await drafts.discard(self.plain.client, message.mailbox, message.draft_id, self._token(message))
        if fate is Fate.DELETED:
            await keep_draft("")
        if fate is Fate.SENT:
            notes.append(catalogue.sentence("draft.was_sent"))
            return Outcome(Cause.ACCEPTED, http_status=outcome.http_status, request_id=outcome.request_id)
        # A draft that was there a moment ago is on its way.
        return replace(outcome, cause=Cause.DRAFT_GONE) if fate is Fate.GONE else outcome

    async def _state(self, message: Claimed) -> Answer:
        mailbox = message.mailbox
        return await mail.message_state(self.plain.client, mailbox.address, message.draft_id, self._token(message))

    async def _send(self, message: Claimed) -> Outcome:
        self.reached("before_send")
        mailbox = message.mailbox
        answer = await mail.send_draft(self.plain.client, mailbox.address, message.draft_id, self._token(message))
        self.reached("after_answer")
        code, _ = answer.error()
        if answer.status in (400, 404) and code in _GONE:
            return _gone(answer)
        return await self.plain.judged(message.mailbox, answer)

    # ---- looking for it

    async def _look_at_draft(self, message: Claimed) -> Look:
        try:
            answer = await self._state(message)
        except PillarboxError as error:
            return sent_items.failed(error.sentence)
        if answer.status == 404:
            return await self._look_for_gone(message)
        copy = mail.copy_in(answer)
        if copy is None:
            return sent_items.failed(sent_items.said(answer))
        if copy.is_draft:
            return Look(Found.ABSENT, catalogue.sentence("look.draft_unsent"))
        return Look(Found.SENT, catalogue.sentence("look.draft_sent"))

    async def _look_for_gone(self, message: Claimed) -> Look:
        """No item has the draft's id: on its way to Sent Items, where nobody sees it for a while, or deleted."""
        look = await self.plain.look_up(message)
        return Look(Found.ABSENT, catalogue.sentence("look.no_draft")) if look.found is Found.ABSENT else look

    def _token(self, message: Claimed) -> TokenSource:
        return self.plain.tokens.source(message.mailbox)


def _ended(answer: Answer) -> Report | None:
    """What an attempt comes to before it begins, as the one before it may have sent the draft. None: it is unsent.

    A second send of a draft is a second mail, if Microsoft takes it. Pure; `answer` is what it says of the draft.
    """
    copy = mail.copy_in(answer)
    if answer.status == 404:
        return Report(_gone(answer))
    if copy is None:
        look = sent_items.failed(sent_items.said(answer))
        cure = Cause.UNCLEAR.entry.cure
        return Report(Outcome(Cause.UNCLEAR, code=LOOK_FAILED, text=look.note, cure=cure))
    if not copy.is_draft:
        return Report(Outcome(Cause.ACCEPTED), (catalogue.sentence("look.draft_sent"),))
    return None


def _is_lost(answer: Answer, mailbox: Mailbox) -> bool:
    """Whether Microsoft does not show us a draft any more, and that is as somebody wants it: no time mends it."""
    return answer.status == 403 and mailbox.mode != "draft"


def _gone(answer: Answer) -> Outcome:
    error = PillarboxError("draft.gone")
    return Outcome(
        Cause.DRAFT_GONE,
        code=answer.error()[0],
        text=error.sentence,
        cure=error.cure,
        http_status=answer.status,
        request_id=answer.request_id,
    )


def not_made(reason: str) -> Outcome:
    """There is no draft. Whatever became of the draft: nothing was sent, so that it can be tried again soon."""
    error = PillarboxError("draft.not_made", reason=reason)
    return Outcome(Cause.UNREACHABLE, code=error.code, text=error.sentence, cure=error.cure)
