"""What a person does with messages in the outbox. Each act is in the log, and as a sentence in the message's trace.

Who asks twice gets the same answer: what has come to the wanted state already is shown as it is.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pillarbox.core import catalogue
from pillarbox.core.caller import LOCAL, Caller
from pillarbox.core.cause import DOUBTS
from pillarbox.core.errors import Conflict, Forbidden, NotFound, PillarboxError
from pillarbox.core.log import Logger, tell_final
from pillarbox.core.mail import Approval, Clock, State
from pillarbox.store.database import Row
from pillarbox.store.outbox import Outbox

Act = Literal["retry", "cancel", "resolve", "approve", "reject"]
"""What a person may do with a message."""

_RETRIED: Final = (State.HELD, State.UNCERTAIN, State.DEFERRED, State.FAILED, State.BOUNCED, State.CANCELED)
_CANCELED: Final = (State.QUEUED, State.DEFERRED, State.HELD, State.UNCERTAIN, State.FAILED)
_RESOLVED: Final = (State.HELD, State.CANCELED)
"""States of which a message is said to be sent if its last attempt left a doubt."""


def acts(message: Row) -> list[Act]:
    """What a person may do with a message now, as the statements of the outbox have it. Pure."""
    state, approval = message["state"], message["approval"]
    if state == State.HELD and approval == Approval.WANTED:
        return ["approve", "reject"]
    found: list[Act] = []
    decided = approval in (Approval.NEEDLESS, Approval.GIVEN)
    held_again = state == State.CANCELED and approval == Approval.WANTED
    if (held_again or (decided and state in _RETRIED)) and message["kept"] == "whole":
        found.append("retry")
    if decided and (state == State.UNCERTAIN or (state in _RESOLVED and message["cause"] in DOUBTS)):
        found.append("resolve")
    if state in _CANCELED:
        found.append("cancel")
    return found


async def get(outbox: Outbox, queue_id: str, caller: Caller = LOCAL) -> Row:
    """A message. Raises NotFound, the same for one of a mailbox that the caller does not know of."""
    message = await outbox.get(queue_id)
    if message is None or not caller.knows(message["mailbox_id"]):
        raise NotFound("outbox.not_found", id=queue_id)
    return message


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a person decides. All raise NotFound, and Conflict `outbox.wrong_state`. `caller` is whoever asks."""

    outbox: Outbox
    wake: Callable[[int], None]
    clock: Clock
    log: Logger
    caller: Caller = LOCAL

    def of(self, caller: Caller) -> "Desk":
        """The desk as this caller has it before them: with the messages of the mailboxes that they know of."""
        return replace(self, caller=caller)

    async def decide(self, act: Act, queue_id: str, reason: str = "") -> Row:
        """Do this act with a message; the `reason` is of those that are rejected."""
        match act:
            case "retry":
                return await self.retry(queue_id)
            case "cancel":
                return await self.cancel(queue_id)
            case "resolve":
                return await self.resolve(queue_id)
            case "approve":
                return await self.approve(queue_id)
            case "reject":
                return await self.reject(queue_id, reason)

    async def decide_all(self, act: Act, queue_ids: Sequence[str], reason: str = "") -> list[Row | PillarboxError]:
        """Do this act with each of these, and say what came of it, in their order.

        Each mailbox is woken once, when all is done: of what a person asks for at once, one is the probe.
        """
        woken: dict[int, None] = {}
        desk = replace(self, wake=lambda mailbox_id: woken.update({mailbox_id: None}))

        async def one(queue_id: str) -> Row | PillarboxError:
            try:
                return await desk.decide(act, queue_id, reason)
            except PillarboxError as error:
                return error

        try:
            # At once, as the store commits together what comes together.
            return await asyncio.gather(*map(one, queue_ids))
        finally:
            for mailbox_id in woken:
                self.wake(mailbox_id)

    async def retry(self, queue_id: str) -> Row:
        """Send a message again, now; one that is queued or being sent stays so.

        What was canceled while it waited for an approval waits for it again.
        """
        message = await get(self.outbox, queue_id, self.caller)
        note = self._note("outbox.note_retried", former=message["state"])
        queued = await self.outbox.retry(queue_id, note) or await self.outbox.hold_again(queue_id, note)
        if queued is None:
            return await self._as_it_is(queue_id, "outbox.may_retry", State.QUEUED, State.SENDING)
        self.log.info("mail.retried", id=queue_id, by=self.caller.name, former=message["state"])
        self.wake(queued["mailbox_id"])
        return queued

    async def cancel(self, queue_id: str) -> Row:
        """Do not send a message any more."""
        former, message = await self._end(
            queue_id, self.outbox.cancel, "outbox.note_canceled", "outbox.may_cancel", State.CANCELED
        )
        if former is not message:
            self.log.info(
                "mail.canceled", id=queue_id, by=self.caller.name, former=former["state"], reason=former["reason"]
            )
        return message

    async def resolve(self, queue_id: str) -> Row:
        """A person has seen that an uncertain message was sent."""
        former, message = await self._end(
            queue_id, self.outbox.resolve, "outbox.note_resolved", "outbox.may_resolve", State.SENT
        )
        if former is not message:
            self.log.info(
                "mail.resolved", id=queue_id, by=self.caller.name, former=former["state"], reason=former["reason"]
            )
        return message

    async def approve(self, queue_id: str) -> Row:
        """Let a message go that waits for an approval. Raises Forbidden `outbox.own_approval` for a key's own."""
        message = await get(self.outbox, queue_id, self.caller)
        if self.caller.kind == "key" and message["submitter"] == self.caller.sender:
            raise Forbidden("outbox.own_approval", id=queue_id)
        approved = await self.outbox.approve(queue_id, self._note("outbox.note_approved"))
        if approved is None:
            return await self._decided(queue_id, Approval.GIVEN)
        self.log.info("mail.approved", id=queue_id, by=self.caller.name)
        self.wake(approved["mailbox_id"])
        return approved

    async def reject(self, queue_id: str, reason: str = "") -> Row:
        """Do not let a message go that waits for an approval; the `reason` is for the trace."""
        await get(self.outbox, queue_id, self.caller)
        note = self._note("outbox.note_rejected_for", reason=reason) if reason else self._note("outbox.note_rejected")
        rejected = await self.outbox.reject(queue_id, note)
        if rejected is None:
            return await self._decided(queue_id, Approval.REFUSED)
        self.log.info("mail.rejected", id=queue_id, by=self.caller.name, reason=reason)
        tell_final(self.log, rejected, rejected["state"], rejected["finished_at"])
        return rejected

    async def _end(
        self, queue_id: str, act: Callable[[str, str], Awaitable[Row | None]], note: str, when: str, state: State
    ) -> tuple[Row, Row]:
        """The message as it was, and as it is now; twice the same where it has come to that state before."""
        message = await get(self.outbox, queue_id, self.caller)
        ended = await act(queue_id, self._note(note, former=message["state"]))
        if ended is None:
            same = await self._as_it_is(queue_id, when, state)
            return same, same
        tell_final(self.log, ended, ended["state"], ended["finished_at"])
        return message, ended

    async def _as_it_is(self, queue_id: str, when: str, *wanted: State) -> Row:
        """The message, if it is in a state that was wanted. Raises Conflict; `when` is the code of what can be."""
        message = await get(self.outbox, queue_id, self.caller)
        if message["state"] in wanted:
            return message
        hint = catalogue.sentence("outbox.was_rejected" if message["approval"] == Approval.REFUSED else when)
        if message["approval"] == Approval.WANTED:
            hint = catalogue.entry("outbox.needs_approval").cure
        raise Conflict("outbox.wrong_state", id=queue_id, state=message["state"], hint=hint)

    async def _decided(self, queue_id: str, wanted: Approval) -> Row:
        """The message, if it was decided on so and no other decision came after. Raises Conflict."""
        message = await get(self.outbox, queue_id, self.caller)
        is_canceled = message["state"] == State.CANCELED
        if message["approval"] == wanted and is_canceled == (wanted is Approval.REFUSED):
            return message
        raise Conflict(
            "outbox.wrong_state", id=queue_id, state=message["state"], hint=catalogue.sentence("outbox.may_decide")
        )

    @property
    def _by(self) -> str:
        """Who decides, in words. Whoever may open the local socket has no name here; the audit log has the user."""
        match self.caller.kind:
            case "local":
                return catalogue.sentence("outbox.by_somebody")
            case "key":
                return catalogue.sentence("outbox.by_key", name=self.caller.name)
            case "person":
                return self.caller.name

    def _note(self, code: str, **params: object) -> str:
        moment = datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).isoformat(timespec="seconds")
        return catalogue.sentence(code, moment=moment, by=self._by, **params)
