"""The worker: takes due messages out of the outbox, mailbox by mailbox, and sends them.

Each mailbox with something to do has a lane of its own: at most `per_mailbox` messages at a time, oldest first; lanes
run beside each other. A lane ends when its mailbox has nothing due, and begins again when a message is accepted,
retried, or comes due.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger, tell_final
from pillarbox.core.mail import Clock, Outcome, State, Verdict
from pillarbox.delivery import policy
from pillarbox.delivery.transports import Transport
from pillarbox.store.accounts import Accounts
from pillarbox.store.outbox import Claimed, Outbox

_T = TypeVar("_T")
_LOOK_AGAIN: Final = 60.0
"""Seconds after which the outbox is looked through even if nothing was heard of."""


class Worker:
    """Sends what the outbox holds. `run` it as a task; `stop` finishes what is in flight.

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
        store_pause: float = 5.0,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._transport = transport
        self._clock = clock
        self._log = log
        self._per_mailbox = per_mailbox
        self._store_pause = store_pause
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._woken: dict[int, asyncio.Event] = {}
        self._paused_until: dict[int, float] = {}
        self._due_changed = asyncio.Event()
        self._stopping = False
        # As if the clock had gone back while we were not there: it may have.
        self._looked_at = math.inf
        self.sent = 0

    def wake(self, mailbox_id: int) -> None:
        """Something of this mailbox is due."""
        if self._stopping:
            return
        self._woken.setdefault(mailbox_id, asyncio.Event()).set()
        lane = self._lanes.get(mailbox_id)
        if lane is None or lane.done():
            self._lanes[mailbox_id] = asyncio.create_task(self._lane(mailbox_id), name=f"lane-{mailbox_id}")

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
        for event in self._woken.values():
            event.set()
        lanes = [lane for lane in self._lanes.values() if not lane.done()]
        if lanes:
            _, late = await asyncio.wait(lanes, timeout=grace)
            for lane in late:
                lane.cancel()
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
            at = max(at, self._paused_until.get(mailbox_id, 0.0))
            if at <= now:
                self.wake(mailbox_id)
            else:
                wait = min(wait, at - now)
        return wait

    # ---- one mailbox

    async def _lane(self, mailbox_id: int) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            await self._send_due(mailbox_id, running)
        except Exception:
            # `run` begins the lane anew while something of the mailbox is due.
            self._log.exception("unexpected", where=f"lane of mailbox {mailbox_id}")
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _send_due(self, mailbox_id: int, running: set[asyncio.Task[None]]) -> None:
        woken = self._woken[mailbox_id]
        more = True
        while True:
            if more or woken.is_set():
                woken.clear()
                free = self._per_mailbox - len(running)
                claimed = await self._claim(mailbox_id, free)
                # Fewer than there was room for: the rest comes by `wake`, and there is no need to ask.
                more = len(claimed) == free
                running |= {asyncio.create_task(self._deliver(message)) for message in claimed}
            if not running:
                if not woken.is_set():
                    return
                continue
            listening = {asyncio.create_task(woken.wait())} if len(running) < self._per_mailbox else set()
            try:
                done, _ = await asyncio.wait(running | listening, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in listening:
                    task.cancel()
            for ended in running & done:
                running.remove(ended)
                if error := ended.exception():
                    self._log.error("unexpected", where=f"delivery of mailbox {mailbox_id}", exc_info=error)

    async def _claim(self, mailbox_id: int, free: int) -> list[Claimed]:
        if self._stopping or free <= 0 or self._paused_until.get(mailbox_id, 0.0) > self._clock():
            return []
        try:
            mailbox = await self._accounts.mailbox_by_id(mailbox_id)
            # Before "about to send": what is cut off while it waits for a token has certainly not been sent.
            await self._transport.ready(mailbox)
            return [] if self._stopping else await self._outbox.claim(mailbox, free)
        except PillarboxError as error:
            self._log.error("store.unusable", where="claim", code=error.code, reason=error.sentence)
            self._paused_until[mailbox_id] = self._clock() + self._store_pause
            self._due_changed.set()
            return []

    async def _deliver(self, message: Claimed) -> None:
        """One attempt, from "about to send" to the committed result."""
        began = time.perf_counter()
        try:
            report = await self._transport.send(message, message.mailbox, self._outbox.body(message))
        except Exception as error:
            # A mistake of ours must neither lose the message nor stop its mailbox. Microsoft may have taken it.
            self._log.exception("unexpected", id=message.id)
            cure = catalogue.entry("microsoft.uncertain").cure
            outcome = Outcome(Verdict.UNCERTAIN, code="internal", text=repr(error), cure=cure)
            notes: tuple[str, ...] = ()
        else:
            outcome, notes = report.outcome, report.notes
        following = policy.after(outcome, message.attempt, self._clock())
        await self._persist(lambda: self._outbox.finish(message, outcome, following, notes))
        self._pause(message.mailbox, outcome)
        self._tell(message, outcome, following.state, time.perf_counter() - began)
        if following.state is State.DEFERRED:
            self._due_changed.set()

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

    def _pause(self, mailbox: Mailbox, outcome: Outcome) -> None:
        if outcome.pauses_mailbox and outcome.retry_after:
            until = self._clock() + outcome.retry_after
            self._paused_until[mailbox.id] = max(until, self._paused_until.get(mailbox.id, 0.0))
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
