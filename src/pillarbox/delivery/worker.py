"""The worker: takes due messages out of the outbox, mailbox by mailbox, and sends them.

Each mailbox with something to do has a lane of its own: at most `per_mailbox` messages at a time, oldest first; lanes
run beside each other. A lane ends when its mailbox has nothing due, and begins again when a message is accepted,
retried, or comes due.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger, tell_final
from pillarbox.core.mail import Clock, Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.transports import Transport
from pillarbox.store.accounts import Accounts
from pillarbox.store.outbox import Claimed, Outbox

_T = TypeVar("_T")
_LOOK_AGAIN: Final = 60.0
"""Seconds after which the outbox is looked through even if nothing was heard of."""


@dataclass(slots=True)
class _Lane:
    """One mailbox: whether something of it may be due, and what of it is being sent; `changed` wakes who looks."""

    due: bool = False
    sending: set[asyncio.Task[None]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Worker:
    """Sends what the outbox holds. `run` it as a task; `stop` finishes what is in flight.

    `settle` is as in the policy; `doubted` is called when a message has become uncertain.
    `store_pause` is how many seconds it waits when the store cannot be used.
    """

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        transport: Transport,
        clock: Clock,
        log: Logger,
        per_mailbox: int,
        settle: policy.Settle,
        doubted: Callable[[], None],
        store_pause: float = 5.0,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._transport = transport
        self._clock = clock
        self._log = log
        self._per_mailbox = per_mailbox
        self._settle = settle
        self._doubted = doubted
        self._store_pause = store_pause
        self._lanes: dict[int, _Lane] = {}
        self._pauses: dict[int, tuple[float, float]] = {}
        """Beginning and end."""
        self._seen: dict[int, Mailbox] = {}
        """Mailboxes as the last claim saw them: good enough to have a token ready, and no more."""
        self._due_changed = asyncio.Event()
        self._stopping = False
        # As if the clock had gone back while we were not there: it may have.
        self._looked_at = math.inf
        self.sent = 0

    def wake(self, mailbox_id: int) -> None:
        """Something of this mailbox is due."""
        if self._stopping:
            return
        lane = self._lanes.setdefault(mailbox_id, _Lane())
        lane.due = True
        lane.changed.set()
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run_lane(mailbox_id, lane), name=f"lane-{mailbox_id}")

    def forget(self) -> None:
        """Mailboxes or their app registrations were changed: what was seen of them does not count."""
        self._seen.clear()

    async def run(self) -> None:
        """Wake the lanes of mailboxes whose messages come due, until canceled."""
        while True:
            self._due_changed.clear()
            wait = await self._wake_due()
            try:
                await asyncio.wait_for(self._due_changed.wait(), wait)
            except TimeoutError:
                pass

    async def stop(self, grace: float) -> None:
        """Begin nothing more, and wait up to `grace` seconds for what is in flight."""
        self._stopping = True
        for lane in self._lanes.values():
            lane.changed.set()
        tasks = [lane.task for lane in self._lanes.values() if lane.task and not lane.task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            # What is cut off here stays `sending` in the outbox: the next start knows what that means.
            await asyncio.gather(*late, return_exceptions=True)

    async def _wake_due(self) -> float:
        """Wake what is due; return the seconds until the next message is."""
        try:
            if self._clock() < self._looked_at:
                await self._outbox.clock_went_back()
            self._looked_at = self._clock()
            due: Mapping[int, float] = await self._outbox.due()
        except PillarboxError as error:
            self._log.error("store.unusable", where="worker", code=error.code, reason=error.sentence)
            return self._store_pause
        now, wait = self._clock(), _LOOK_AGAIN
        for mailbox_id, at in due.items():
            at = max(at, self._paused_until(mailbox_id))
            if at <= now:
                self.wake(mailbox_id)
            else:
                wait = min(wait, at - now)
        return wait

    # ---- one mailbox

    async def _run_lane(self, mailbox_id: int, lane: _Lane) -> None:
        try:
            await self._send_due(mailbox_id, lane)
        finally:
            # Empty, but where `stop` has waited long enough.
            for task in lane.sending:
                task.cancel()
            await asyncio.gather(*lane.sending, return_exceptions=True)

    async def _send_due(self, mailbox_id: int, lane: _Lane) -> None:
        while lane.due or lane.sending:
            lane.changed.clear()
            free = self._per_mailbox - len(lane.sending)
            if lane.due and free:
                lane.due = False
                claimed = await self._claim(mailbox_id, free)
                # As many as there was room for: there may be more. Otherwise `wake` tells of the next one.
                lane.due |= len(claimed) == free
                for message in claimed:
                    task = asyncio.create_task(self._deliver(message))
                    lane.sending.add(task)
                    task.add_done_callback(lambda task: self._ended(mailbox_id, lane, task))
            else:
                await lane.changed.wait()

    def _ended(self, mailbox_id: int, lane: _Lane, task: asyncio.Task[None]) -> None:
        lane.sending.discard(task)
        lane.changed.set()
        if not task.cancelled() and (error := task.exception()):
            self._log.error("unexpected", where=f"delivery of mailbox {mailbox_id}", exc_info=error)

    async def _claim(self, mailbox_id: int, free: int) -> list[Claimed]:
        if not self._may_send(mailbox_id):
            return []
        try:
            # Before "about to send": what is cut off while it waits for a token has certainly not been sent.
            await self._transport.ready(self._seen.get(mailbox_id) or await self._accounts.mailbox_by_id(mailbox_id))
            claimed = await self._outbox.claim(mailbox_id, free) if self._may_send(mailbox_id) else []
        except PillarboxError as error:
            self._log.error("store.unusable", where="claim", code=error.code, reason=error.sentence)
        except Exception:
            # A mistake of ours must not cut off what is in flight.
            self._log.exception("unexpected", where=f"lane of mailbox {mailbox_id}")
        else:
            if claimed:
                self._seen[mailbox_id] = claimed[0].mailbox
            return claimed
        self._pause(mailbox_id, self._store_pause)
        self._due_changed.set()
        return []

    def _may_send(self, mailbox_id: int) -> bool:
        return not self._stopping and self._paused_until(mailbox_id) <= self._clock()

    def _paused_until(self, mailbox_id: int) -> float:
        """When its pause ends. One that has not begun yet is over: the clock went back, perhaps by years."""
        began, until = self._pauses.get(mailbox_id, (0.0, 0.0))
        return until if began <= self._clock() else 0.0

    def _pause(self, mailbox_id: int, seconds: float) -> None:
        now = self._clock()
        self._pauses[mailbox_id] = (now, max(now + seconds, self._paused_until(mailbox_id)))

    async def _deliver(self, message: Claimed) -> None:
        """One attempt, from "about to send" to the committed result."""
        began = time.perf_counter()
        try:
            report = await self._transport.send(
                message, self._outbox.body(message), partial(self._outbox.keep_draft, message)
            )
        except Exception as error:
            # A mistake of ours must neither lose the message nor stop its mailbox. Microsoft may have taken it.
            self._log.exception("unexpected", id=message.id)
            cure = catalogue.entry("microsoft.uncertain").cure
            outcome = Outcome(Cause.INTERNAL, code="internal", text=repr(error), cure=cure)
            notes: tuple[str, ...] = ()
        else:
            outcome, notes = report.outcome, report.notes
        following = policy.after(outcome, message, self._settle, self._clock())
        await self._persist(lambda: self._outbox.finish(message, outcome, following, notes))
        self._heed(message.mailbox, outcome)
        self._tell(message, outcome, following.state, time.perf_counter() - began)
        match following.state:
            case State.DEFERRED:
                self._due_changed.set()
            case State.UNCERTAIN:
                self._doubted()

    async def _persist(self, write: Callable[[], Awaitable[_T]]) -> _T:
        """Write a change of state, and again until the store takes it: on a full disk nothing may be forgotten.

        Should the service end first, the next start finds the message `sending` and knows what that means.
        """
        while True:
            try:
                return await write()
            except Unavailable as error:
                self._log.error("store.unusable", where="state", code=error.code, reason=error.sentence)
                await asyncio.sleep(self._store_pause)

    def _heed(self, mailbox: Mailbox, outcome: Outcome) -> None:
        if outcome.cause is Cause.THROTTLED and outcome.retry_after:
            self._pause(mailbox.id, outcome.retry_after)
            self._log.warning("mailbox.paused", mailbox=mailbox.address, seconds=outcome.retry_after)

    def _tell(self, message: Claimed, outcome: Outcome, state: State, seconds: float) -> None:
        self._log.info(
            "mail.attempt",
            id=message.id,
            number=message.attempt,
            mailbox=message.mailbox.address,
            verdict=outcome.verdict.value,
            reply=_reply(outcome),
            request_id=outcome.request_id,
            seconds=round(seconds, 3),
        )
        if state is State.DEFERRED:
            return
        self.sent += state is State.SENT
        told = {
            "id": message.id,
            "submitter": message.submitter,
            "sender": message.envelope.sender,
            "recipients": message.envelope.recipients,
            "size": message.size,
            "created_at": message.created_at,
        }
        tell_final(self._log, told, state.value, self._clock(), reply=_reply(outcome), request_id=outcome.request_id)


def _reply(outcome: Outcome) -> str:
    """What Microsoft said, on one line: status, code, text."""
    return " ".join(str(word) for word in (outcome.http_status, outcome.code, outcome.text) if word)
