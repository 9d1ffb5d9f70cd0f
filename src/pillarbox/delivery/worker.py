"""The worker: takes due messages out of the outbox, mailbox by mailbox, and sends them.

Each mailbox with something to do has a lane of its own, which sends as much as its governor lets go, oldest first;
lanes run beside each other. A lane ends when its mailbox has nothing due, and begins again when a message is accepted,
retried, or comes due.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Final, TypeVar

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.clock import Watched
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger, tell_final
from pillarbox.core.mail import Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.crash_points import Reached, unheeded
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.notices import Notices, Told
from pillarbox.delivery.transports import Report, Transport
from pillarbox.delivery.turn import NONE, Turn
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import ExpectationFailed
from pillarbox.store.messages import Claimed, Next
from pillarbox.store.outbox import Outbox

_T = TypeVar("_T")
_MOST_AT_ONCE: Final = 50
"""Messages that are claimed together at the most, where no limit is set."""
_LOOK_AGAIN: Final = 60.0
"""Seconds after which the outbox is looked through even if nothing was heard of."""


@dataclass(slots=True)
class _Lane:
    """One mailbox: whether something of it may be due, and what of it is being sent; `changed` wakes who looks."""

    due: bool = False
    sending: dict[asyncio.Task[None], Claimed] = field(default_factory=dict)
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
        clock: Watched,
        log: Logger,
        governors: Governors,
        settle: policy.Settle,
        doubted: Callable[[], None],
        store_pause: float = 5.0,
        reached: Reached = unheeded,
        chance: Callable[[], float] = random.random,
        notices: Notices | None = None,
    ) -> None:
        self._notices = notices
        self._outbox = outbox
        self._accounts = accounts
        self._transport = transport
        self._clock = clock
        self._log = log
        self._governors = governors
        self._settle = settle
        self._doubted = doubted
        self._store_pause = store_pause
        self._reached = reached
        self._chance = chance
        self._lanes: dict[int, _Lane] = {}
        self._pauses: dict[int, tuple[float, float]] = {}
        """Beginning and end."""
        self._seen: dict[int, Mailbox] = {}
        """Mailboxes as the last claim saw them: good enough to have a token ready, and no more."""
        self._due_changed = asyncio.Event()
        self._stopping = False
        # While we were not there it may have.
        self._clock_went_back = True
        self.sent = 0

    def sending(self) -> list[Claimed]:
        """The messages that are on their way just now."""
        return [message for lane in self._lanes.values() for message in lane.sending.values()]

    def wake(self, mailbox_id: int) -> None:
        """Something of this mailbox is due."""
        if self._stopping:
            return
        lane = self._lanes.setdefault(mailbox_id, _Lane())
        lane.due = True
        lane.changed.set()
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._run_lane(mailbox_id, lane), name=f"lane-{mailbox_id}")

    def look_again(self) -> None:
        """Something will be due earlier than was known."""
        self._due_changed.set()

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
            self._clock_went_back |= self._clock.went_back()
            if self._clock_went_back:
                await self._outbox.clock_went_back(self._settle[-1], policy.longest_look(self._settle))
                self._clock_went_back = False
            in_line = self._governors.in_line()
            waiting = await self._outbox.due()
            due = {mailbox_id: at.first for mailbox_id, at in waiting.items()}
            for mailbox_id in {*due, *await self._governors.held()}:
                await self._see(mailbox_id)
            for mailbox_id, at in self._governors.probes().items():
                due[mailbox_id] = min(at, due.get(mailbox_id, at))
        except PillarboxError as error:
            self._log.error("store.unusable", where="worker", code=error.code, reason=error.sentence)
            return self._store_pause
        now, wait = self._clock(), _LOOK_AGAIN
        due = {mailbox_id: max(at, self._paused_until(mailbox_id)) for mailbox_id, at in due.items()}
        ready = self._governors.are_due((mailbox_id for mailbox_id, at in due.items() if at <= now), in_line)
        opens = [self._governors.opens_at(mailbox_id) for mailbox_id in ready]
        later = []
        for mailbox_id, at in zip(ready, opens, strict=True):
            if at <= now:
                self.wake(mailbox_id)
                # Its lane takes what is due by then: nobody else will think of what comes due behind that.
                later += [waiting[mailbox_id].later] if mailbox_id in waiting else []
        return min(wait, *(at - now for at in (*opens, *due.values(), *later) if at > now), wait)

    async def _see(self, mailbox_id: int) -> None:
        """The governors know what it is before its lane begins, and who is to be a probe. Its lane tells the faults."""
        if self._governors.is_seen(mailbox_id):
            return
        try:
            self._governors.see(await self._accounts.mailbox_by_id(mailbox_id))
        except Exception:
            self._log.exception("unexpected", where=f"mailbox {mailbox_id}")

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
            if lane.due:
                lane.due = False
                turn, claimed = await self._claim(mailbox_id)
                # As many as there was room for: there may be more. Otherwise `wake` tells of the next one.
                lane.due |= 0 < len(claimed) == turn.count
                for message in claimed:
                    task = asyncio.create_task(self._use(turn, message))
                    lane.sending[task] = message
                    task.add_done_callback(lambda task: self._ended(mailbox_id, lane, task))
            else:
                await lane.changed.wait()

    def _ended(self, mailbox_id: int, lane: _Lane, task: asyncio.Task[None]) -> None:
        lane.sending.pop(task, None)
        lane.changed.set()
        if not task.cancelled() and (error := task.exception()):
            self._log.error("unexpected", where=f"delivery of mailbox {mailbox_id}", exc_info=error)

    async def _claim(self, mailbox_id: int) -> tuple[Turn, list[Claimed]]:
        """Take what may go now: the places that it has, and the messages, which have begun."""
        turn = NONE
        try:
            mailbox = self._seen.get(mailbox_id) or await self._accounts.mailbox_still(mailbox_id)
            if mailbox is None:
                return NONE, []  # removed, as nothing in the outbox names it; the governors may still
            if self._is_ready(mailbox) and self._governors.is_open(mailbox):
                # Before "about to send": what is cut off while it waits for a token has certainly not been sent.
                await self._transport.ready(mailbox)
            turn = self._reserved(mailbox)
            if turn.count:
                fitting = await self._fitting(await self._take(turn))
                self._governors.release(turn, turn.count - len(fitting))
                return turn, fitting
        except PillarboxError as error:
            self._log.error("store.unusable", where="claim", code=error.code, reason=error.sentence)
        except Exception:
            # A mistake of ours must not cut off what is in flight.
            self._log.exception("unexpected", where=f"lane of mailbox {mailbox_id}")
        else:
            if math.isfinite(self._governors.opens_at(mailbox_id)):
                self._due_changed.set()
            return NONE, []
        self._pause(mailbox_id, self._store_pause)
        self._governors.release(turn, turn.count)
        self._due_changed.set()
        return NONE, []

    async def _take(self, turn: Turn) -> list[Claimed]:
        mailbox_id = turn.mailbox.id
        claimed = await self._outbox.claim_held(mailbox_id, turn.held, turn.elsewhere) if turn.held else []
        claimed = claimed or await self._outbox.claim(mailbox_id, turn.count)
        if not claimed and turn.held_elsewhere:
            claimed = await self._outbox.claim_held(mailbox_id, turn.held_elsewhere)
        if claimed:
            self._reached("after_claim")
            self._seen[mailbox_id] = claimed[0].mailbox
        else:
            self._governors.nothing_to_send(turn.mailbox, was_probe=bool(turn.probes))
        return claimed

    async def _fitting(self, claimed: list[Claimed]) -> list[Claimed]:
        """Those of them for which there is enough left of every limit; the others are given back.

        All are where that cannot be told for a mistake of ours: what is claimed must not stay so.
        """
        fitting: list[Claimed] = []
        try:
            fitting = list(takewhile(self._governors.fits, claimed))
        finally:
            for message in reversed(claimed[len(fitting) :]):
                await self._persist(partial(self._outbox.give_back, message))
                self._due_changed.set()
        return fitting

    async def _use(self, turn: Turn, message: Claimed) -> None:
        try:
            await self._deliver(turn, message)
        except Exception as error:
            self._log.exception("unexpected", id=message.id)
            await self._doubt(message, error)
        finally:
            self._governors.release(turn, 1)
            if message.cause == Cause.INTERRUPTED:
                # Another one that a crash cut off had to wait for it.
                self._due_changed.set()

    async def _doubt(self, message: Claimed, error: Exception) -> None:
        """What became of it could not be written: Microsoft may have it, and it must not stay `sending`."""
        outcome = _mistake(error)
        repeats = message.repeats + 1 if message.cause == outcome.cause else 1
        due_at = self._clock() + policy.first_look(message.mailbox, self._settle, repeats)
        following = Next(State.UNCERTAIN, due_at, outcome.cause, repeats)
        try:
            await self._persist(lambda: self._outbox.finish(message, outcome, following))
        except ExpectationFailed:
            # It was written after all.
            return
        self._doubted()

    def _reserved(self, mailbox: Mailbox) -> Turn:
        if self._is_ready(mailbox):
            return self._governors.reserve(mailbox, _MOST_AT_ONCE)
        self._governors.nothing_to_send(mailbox)  # others need not wait for it meanwhile
        return NONE

    def _is_ready(self, mailbox: Mailbox) -> bool:
        return not self._stopping and self._paused_until(mailbox.id) <= self._clock()

    def _paused_until(self, mailbox_id: int) -> float:
        """When the pause for an unusable store ends. One that has not begun is over: the clock went back."""
        began, until = self._pauses.get(mailbox_id, (0.0, 0.0))
        return until if began <= self._clock() else 0.0

    def _pause(self, mailbox_id: int, seconds: float) -> None:
        now = self._clock()
        self._pauses[mailbox_id] = (now, max(now + seconds, self._paused_until(mailbox_id)))

    async def _deliver(self, turn: Turn, message: Claimed) -> None:
        """One attempt, from "about to send" to the committed result."""
        began = time.perf_counter()
        try:
            report = await self._transport.send(
                message, self._outbox.body(message), partial(self._outbox.keep_draft, message)
            )
        except Exception as error:
            # A mistake of ours must neither lose the message nor stop its mailbox. Microsoft may have taken it.
            self._log.exception("unexpected", id=message.id)
            report = Report(_mistake(error))
        outcome = report.outcome
        self._reached("before_finish")
        now = self._clock()
        following = policy.after(outcome, message, self._settle, now, self._chance(), self._clock.jumped_at)
        try:
            told = await self._finish(turn, message, report, following)
        except Exception:
            # What Microsoft said must not be lost for a mistake of ours in what else is to be written.
            self._log.exception("unexpected", id=message.id)
            told = Told(following)
            await self._persist(
                lambda: self._outbox.finish(
                    message,
                    outcome,
                    following,
                    report.notes,
                    requests=report.requests,
                    host=report.host,
                )
            )
        following = told.following
        self._reached("after_finish")
        if turn.probes:
            # What was held for it may be queued now, or waits for the next probe.
            self._due_changed.set()
        if self._notices is not None:
            self._notices.written(message, told.notices)
        self._tell(message, outcome, following.state, time.perf_counter() - began)
        match following.state:
            case State.DEFERRED:
                self._due_changed.set()
            case State.UNCERTAIN:
                self._doubted()

    async def _finish(self, turn: Turn, message: Claimed, report: Report, following: Next) -> Told:
        """Write the result of an attempt, with all that it comes to for others."""
        told = await self._told(message, report.outcome, following)
        shown = self._governors.told(turn, message, report, told.following)
        notes = (*report.notes, *told.notes)
        await self._persist(
            lambda: self._outbox.finish(
                message,
                report.outcome,
                told.following,
                notes,
                told.notices,
                shown.statements,
                report.requests,
                report.host,
            )
        )
        self._governors.written(shown)
        if shown.over:
            # What was held or put off for it is due.
            self._due_changed.set()
        return told

    async def _told(self, message: Claimed, outcome: Outcome, following: Next) -> Told:
        """What follows, with the notices about it."""
        if (notices := self._notices) is None:
            return Told(following)
        return await self._persist(lambda: notices.about(message, outcome, following))

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

    def _tell(self, message: Claimed, outcome: Outcome, state: State, seconds: float) -> None:
        self._log.info(
            "mail.attempt",
            id=message.id,
            number=message.attempt,
            mailbox=message.mailbox.address,
            verdict=outcome.verdict.value,
            cause=outcome.cause.value,
            reply=_reply(outcome),
            request_id=outcome.request_id,
            seconds=round(seconds, 3),
        )
        if state is State.DEFERRED:
            return
        self.sent += state is State.SENT
        reply, request_id = _reply(outcome), outcome.request_id
        tell_final(self._log, message.told, state.value, self._clock(), reply=reply, request_id=request_id)


def _mistake(error: Exception) -> Outcome:
    """What an attempt comes to that a mistake of ours has ended."""
    return Outcome(Cause.INTERNAL, "internal", repr(error), Cause.INTERNAL.entry.cure)


def _reply(outcome: Outcome) -> str:
    """What Microsoft said, on one line: status, code, text."""
    return " ".join(str(word) for word in (outcome.http_status, outcome.code, outcome.text) if word)
