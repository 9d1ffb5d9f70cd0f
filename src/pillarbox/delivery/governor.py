"""The governors of all mailboxes and app registrations: whoever calls Microsoft asks here first.

What may go now is a `Turn`: places among what goes at the same time. The worker takes one before it claims, gives back
what it does not need, and tells how each attempt ended; look-ups take one by `request`. What was used is counted again
from the attempts at a start, so that a message costs no write here; pauses are written with the attempt that tells of
them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.governor import DAY, MINUTE, REQUESTS_SPAN, Governor, Limits, Load
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome, State
from pillarbox.delivery.pauses import PROBED, Gate, Pauses
from pillarbox.store import limits as store
from pillarbox.store.database import Statement
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.outbox import Claimed, Next

_ONE: Final = Load(messages=1, recipients=1, bytes=1)
_HELD: Final = (Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED, Cause.UNTRUSTED)
"""Causes that hold messages, which go again when a probe was taken."""
_OF_THE_HOST: Final = (Cause.UNTRUSTED, Cause.UNREACHABLE)
_STRIKES: Final = 5
"""Attempts in succession that did not reach a host, after which it is probed."""
_MOST_ASKED: Final = 3600.0
"""Seconds for which Microsoft can pause a mailbox at once."""
_DAY_SLOT: Final = DAY / 60


@dataclass(frozen=True, slots=True)
class Turn:
    """Places for `count` messages of a mailbox. With `probes` it is one: it shows whether these pauses are over."""

    mailbox: Mailbox
    count: int
    probes: tuple[Pause, ...] = ()
    asked_for: bool = False
    """A person has asked for what is in the queue."""

    @property
    def held(self) -> tuple[Cause, ...]:
        """Causes for which messages are held, of which the probe is best taken."""
        return () if self.asked_for else tuple(Cause(one.cause) for one in self.probes if one.cause in _HELD)


NONE: Final = Turn(Mailbox(0, "", AppRegistration(0, "", "", "")), 0)
"""No places."""


@dataclass(slots=True)
class _App:
    """An app registration's governor, and the mailboxes that wait for a place of its: who came first is first."""

    governor: Governor
    waiting: dict[int, None] = field(default_factory=dict)

    def room(self, mailbox_id: int, now: float) -> int:
        """Places for this mailbox: those that are left when each that was before it has one."""
        most = self.governor.most(now)
        ahead = list(self.waiting).index(mailbox_id) if mailbox_id in self.waiting else len(self.waiting)
        return max(0, most - ahead)


class Governors:
    """What may go now, of every mailbox. `wake` is called with a mailbox for which something may go that had to wait.

    `host_of` says to which host a mailbox's mail goes. Call `load` and `recount` before the first message goes.
    """

    def __init__(
        self,
        limit_store: LimitStore,
        clock: Clock,
        log: Logger,
        wake: Callable[[int], None],
        mailbox_limits: Limits,
        app_limits: Limits,
        host_of: Callable[[Mailbox], str],
    ) -> None:
        self._store = limit_store
        self._clock = clock
        self._log = log
        self._wake = wake
        self._mailbox_limits = mailbox_limits
        self._app_limits = app_limits
        self._host_of = host_of
        self._pauses = Pauses()
        self._governors: dict[int, Governor] = {}
        self._apps: dict[int, _App] = {}
        self._seen: dict[int, Mailbox] = {}
        self._refused: set[int] = set()
        """Mailboxes that were told that nothing may go."""
        self._asked_for: set[int] = set()
        """Mailboxes for which a person has asked for a try."""
        self._heads: dict[int, float] = {}
        """When the next message of a mailbox fits, where the last one that was claimed did not."""
        self._strikes: dict[str, int] = {}
        self._requests: dict[int, list[asyncio.Event]] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Know the pauses again that there were before the restart."""
        for pause in await self._store.pauses(PROBED):
            self._pauses.put(pause)

    async def recount(self) -> None:
        """Count again what was used of the limits before the restart."""
        for used in await self._store.used(REQUESTS_SPAN, MINUTE / 60):
            load = Load(messages=used.messages, bytes=_sent_bytes(used.bytes), requests=used.requests)
            self._count(used, load)
        for used in await self._store.used(DAY, _DAY_SLOT):
            self._count(used, Load(recipients=used.recipients, requests=0))

    def _count(self, used: store.Used, load: Load) -> None:
        self._governor(used.mailbox_id).take(used.at, load)
        self._app(used.app_id).governor.take(used.at, load)

    # ---- what may go

    def opens_at(self, mailbox_id: int) -> float:
        """When something of this mailbox may go, as far as is known; infinite: when `wake` says so."""
        mailbox = self._seen.get(mailbox_id)
        return self._look(mailbox)[1] if mailbox is not None else 0.0

    def may_send(self, mailbox: Mailbox) -> bool:
        """Whether a message may go now. If not, `wake` or `opens_at` tells when."""
        self._seen[mailbox.id] = mailbox
        if self._look(mailbox)[0]:
            return True
        self._refused.add(mailbox.id)
        now, app = self._clock(), self._app(mailbox.app.id)
        if self._pauses_and_head(mailbox, now).opens_at <= now and self._governor(mailbox.id).most(now):
            app.waiting.setdefault(mailbox.id)
        elif mailbox.id in app.waiting:
            del app.waiting[mailbox.id]
            self._wake_waiting(app)
        return False

    def reserve(self, mailbox: Mailbox, most: int) -> Turn:
        """Places for up to `most` messages, which are to be released; none where nothing may go now."""
        if not self.may_send(mailbox):
            return Turn(mailbox, 0)
        count, _, probes = self._look(mailbox)
        count = min(count, most)
        self._app(mailbox.app.id).waiting.pop(mailbox.id, None)
        self._refused.discard(mailbox.id)
        self._pauses.begin_probe(probes)
        self._book(mailbox, count)
        asked_for = mailbox.id in self._asked_for
        self._asked_for.discard(mailbox.id)
        return Turn(mailbox, count, probes, asked_for)

    def release(self, turn: Turn, count: int) -> None:
        """Give back `count` places, and wake who was refused for want of them."""
        if not count:
            return
        self._pauses.end_probe(turn.probes)
        self._book(turn.mailbox, -count)
        for event in self._requests.get(turn.mailbox.id, ()):
            event.set()
        # Whoever has waited longest goes first; behind a probe everybody may have waited.
        self._wake_waiting(self._app(turn.mailbox.app.id))
        for mailbox_id in tuple(self._refused) if turn.probes else (turn.mailbox.id,):
            if mailbox_id in self._refused:
                self._wake(mailbox_id)

    def _wake_waiting(self, app: _App) -> None:
        for mailbox_id in tuple(islice(app.waiting, app.governor.most(self._clock()))):
            self._wake(mailbox_id)

    def nothing_to_send(self, mailbox: Mailbox) -> None:
        """It waits for no place any more: others need not let it go first."""
        self._refused.discard(mailbox.id)
        self._app(mailbox.app.id).waiting.pop(mailbox.id, None)

    def fits(self, message: Claimed) -> bool:
        """Take of the limits what a claimed message needs; where that is more than is left, its mailbox waits."""
        now, load = self._clock(), _load(message)
        both = (self._governor(message.mailbox.id), self._app(message.mailbox.app.id).governor)
        wait = max(one.wait(now, load) for one in both)
        if wait > 0:
            self._heads[message.mailbox.id] = now + wait
            return False
        for one in both:
            one.take(now, load)
        return True

    @asynccontextmanager
    async def request(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """One request that is no message, such as a look-up, when there is a place for it.

        It waits while Microsoft has asked us to, but not for a person's pause, nor for a probe.
        """
        self._seen.setdefault(mailbox.id, mailbox)
        while (wait := self._request_wait(mailbox)) > 0:
            event = asyncio.Event()
            self._requests.setdefault(mailbox.id, []).append(event)
            try:
                await asyncio.wait_for(event.wait(), min(wait, MINUTE))
            except TimeoutError:
                pass
            finally:
                self._requests[mailbox.id].remove(event)
        self._governor(mailbox.id).take(self._clock(), Load())
        self._book(mailbox, 1)
        try:
            yield
        finally:
            self.release(Turn(mailbox, 1), 1)

    def count(self, mailbox: Mailbox, requests: int, size: int = 0) -> None:
        """A message took further requests, such as the parts of an upload, with so many bytes in them."""
        load = Load(requests=requests, bytes=size)
        self._governor(mailbox.id).take(self._clock(), load)
        self._app(mailbox.app.id).governor.take(self._clock(), load)

    def _request_wait(self, mailbox: Mailbox) -> float:
        now = self._clock()
        governor, app = self._governor(mailbox.id), self._app(mailbox.app.id).governor
        paused = self._pauses.gate(self._scopes(mailbox), now, (Cause.THROTTLED,)).opens_at - now
        wait = max(paused, governor.wait(now, Load()), app.wait(now, Load()))
        free = min(governor.concurrency.free(now), app.concurrency.free(now))
        return wait if wait > 0 or free else MINUTE

    def _look(self, mailbox: Mailbox) -> tuple[int, float, tuple[Pause, ...]]:
        """How many messages may go now; when one may, if none; and the pauses of which it would be the probe."""
        now = self._clock()
        gate = self._pauses_and_head(mailbox, now)
        if gate.opens_at > now:
            return 0, gate.opens_at, ()
        governor, app = self._governor(mailbox.id), self._app(mailbox.app.id)
        count = min(governor.most(now), app.room(mailbox.id, now))
        if count:
            return (1 if gate.probes else count), 0.0, gate.probes
        wait = max(governor.wait(now, _ONE), app.governor.wait(now, _ONE))
        grows_in = min(governor.concurrency.grows_in(now), app.governor.concurrency.grows_in(now))
        return 0, now + (wait or grows_in), ()

    def _pauses_and_head(self, mailbox: Mailbox, now: float) -> Gate:
        gate = self._pauses.gate(self._scopes(mailbox), now)
        return replace(gate, opens_at=max(gate.opens_at, self._head(mailbox.id, now)))

    def _head(self, mailbox_id: int, now: float) -> float:
        opens_at = self._heads.get(mailbox_id, 0.0)
        # Longer than a day nothing waits: the clock went back.
        if not now < opens_at <= now + 2 * DAY:
            self._heads.pop(mailbox_id, None)
            return 0.0
        return opens_at

    def _book(self, mailbox: Mailbox, count: int) -> None:
        self._governor(mailbox.id).concurrency.busy += count
        self._app(mailbox.app.id).governor.concurrency.busy += count

    def _governor(self, mailbox_id: int) -> Governor:
        if mailbox_id not in self._governors:
            self._governors[mailbox_id] = Governor(self._mailbox_limits)
        return self._governors[mailbox_id]

    def _app(self, app_id: int) -> _App:
        if app_id not in self._apps:
            self._apps[app_id] = _App(Governor(self._app_limits))
        return self._apps[app_id]

    def _scopes(self, mailbox: Mailbox) -> tuple[str, ...]:
        return (
            store.mailbox_scope(mailbox.id),
            store.app_scope(mailbox.app.id),
            store.host_scope(self._host_of(mailbox)),
            store.EVERYTHING,
        )

    # ---- what an attempt tells

    def told(self, turn: Turn, message: Claimed, outcome: Outcome, following: Next) -> list[Statement]:
        """An attempt has ended. What is to be written with it: pauses that begin or end, and what is held for them."""
        now, mailbox = self._clock(), message.mailbox
        if outcome.verdict not in (Verdict.SENT, Verdict.UNCERTAIN):
            untaken = replace(_load(message), bytes=0, requests=0)
            self._governor(mailbox.id).give_back(now, untaken)
            self._app(mailbox.app.id).governor.give_back(now, untaken)
        if outcome.cause is Cause.CONCURRENCY:
            self._governor(mailbox.id).concurrency.halve(now, message.started_at)
            self._log.warning(
                "mailbox.slowed", mailbox=mailbox.address, at_once=self._governor(mailbox.id).concurrency.allowed(now)
            )
        begun = self._begun(turn, mailbox, outcome, following, now)
        statements = [store.begin(pause) for pause in begun]
        if outcome.verdict is Verdict.SENT:
            for pause in turn.probes:
                statements += self._ended(pause, mailbox, now)
        return statements

    def _begun(self, turn: Turn, mailbox: Mailbox, outcome: Outcome, following: Next, now: float) -> list[Pause]:
        """The pauses that begin, or begin again, by this outcome."""
        wanted: dict[tuple[str, str], Pause] = {}
        if outcome.verdict is not Verdict.SENT:
            # What a probe came to is no answer to what it was for, unless it was taken.
            for pause in turn.probes:
                wanted[pause.scope, pause.cause] = replace(pause, until=now + PROBED[pause.cause], at=now)
        if (until := self._pause_until(mailbox, outcome, following, now)) is not None:
            host = store.host_scope(self._host_of(mailbox))
            scope = host if outcome.cause in _OF_THE_HOST else store.mailbox_scope(mailbox.id)
            cause = Cause.THROTTLED if outcome.cause is Cause.ACCEPTED else outcome.cause
            wanted[scope, cause] = Pause(scope, cause, until, outcome.text, now)
        for pause in wanted.values():
            self._log.warning(
                "mailbox.paused",
                mailbox=mailbox.address,
                scope=pause.scope,
                cause=str(pause.cause),
                seconds=round((pause.until or now) - now, 3),
            )
        return [self._pauses.put(pause) for pause in wanted.values()]

    def _pause_until(self, mailbox: Mailbox, outcome: Outcome, following: Next, now: float) -> float | None:
        host = self._host_of(mailbox)
        self._strikes[host] = self._strikes.get(host, 0) + 1 if outcome.cause is Cause.UNREACHABLE else 0
        if outcome.cause is Cause.UNREACHABLE and self._strikes[host] < _STRIKES:
            return None
        if outcome.cause in PROBED:
            return now + PROBED[outcome.cause]
        asked = min(outcome.retry_after or 0.0, _MOST_ASKED)
        if outcome.cause in (Cause.THROTTLED, Cause.QUOTA) and following.state is State.DEFERRED:
            return max(following.due_at, now + asked)
        if outcome.cause in (Cause.THROTTLED, Cause.ACCEPTED) and asked:
            return now + asked
        return None

    def _ended(self, pause: Pause, mailbox: Mailbox, now: float) -> list[Statement]:
        self._pauses.drop(pause.scope, pause.cause)
        self._log.info("mailbox.resumed", mailbox=mailbox.address, scope=pause.scope, cause=str(pause.cause))
        if pause.cause not in _HELD:
            return [store.end(pause)]
        cause = Cause(pause.cause)
        released = (
            store.release_everywhere(cause, now) if cause in _OF_THE_HOST else store.release(mailbox.id, cause, now)
        )
        return [store.end(pause), released]

    async def probes(self) -> list[int]:
        """Mailboxes of which something is held for a pause that a probe can end, at the time that `opens_at` tells."""
        scopes = [pause.scope for pause in self._pauses if pause.cause in _HELD]
        if not scopes:
            return []
        held = await self._store.held(_HELD)
        return [
            mailbox_id
            for mailbox_id, causes in held.items()
            if store.mailbox_scope(mailbox_id) in scopes or Cause.UNTRUSTED in causes
        ]

    # ---- by hand

    async def pause(self, scope: str, reason: str, until: float | None = None) -> None:
        """A person wants nothing of this scope to be sent, until they resume it or until then."""
        pause = Pause(scope, store.OPERATOR, until, reason, self._clock())
        await self._store.pause(pause)
        self._pauses.drop(scope, store.OPERATOR)
        self._pauses.put(pause)

    async def resume(self, scope: str) -> list[str]:
        """End a person's pause and those that Microsoft asked for; of a broken account a probe goes at once.

        The causes of what was there; empty: it was not paused.
        """
        probed = self._pauses.probe_now([scope], self._clock())
        causes = await self._store.resume(scope)
        self._pauses.drop(scope)
        for pause in probed:
            self._pauses.put(pause)
        await self._store.pause(*probed)
        self._wake_all()
        return causes

    def paused(self, mailbox: Mailbox) -> Pause | None:
        """Why nothing of a mailbox goes now: the pause that ends last, or None."""
        return self._pauses.shown(self._scopes(mailbox), self._clock())

    def mended(self, holder: AppRegistration | Mailbox) -> None:
        """A credential, a sign-in or a test gives reason to try again: the next probes go at once."""
        # Which mailboxes an app registration has is not known here: one probe too many harms nobody.
        scopes = [store.mailbox_scope(holder.id)] if isinstance(holder, Mailbox) else None
        changed = self._pauses.probe_now(scopes, self._clock())
        if changed:
            # In the queue of the store before any message is, whose attempt may end them.
            task = asyncio.create_task(self._store.pause(*changed))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        self._seen = {key: box for key, box in self._seen.items() if isinstance(holder, Mailbox) and key != holder.id}
        self._wake_all(holder)

    def retried(self, mailbox_id: int) -> None:
        """A person wants something of this mailbox to be tried now: where a probe is due, it is of the queue."""
        mailbox = self._seen.get(mailbox_id)
        scopes = self._scopes(mailbox) if mailbox is not None else (store.mailbox_scope(mailbox_id),)
        if self._pauses.probe_now(scopes, self._clock()):
            self._asked_for.add(mailbox_id)
        self._wake(mailbox_id)

    async def close(self) -> None:
        """Until all is written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _wake_all(self, holder: AppRegistration | Mailbox | None = None) -> None:
        for mailbox_id in {*self._governors, *([holder.id] if isinstance(holder, Mailbox) else [])}:
            self._wake(mailbox_id)


def _load(message: Claimed) -> Load:
    return Load(messages=1, recipients=len(message.envelope.recipients), bytes=_sent_bytes(message.size), requests=1)


def _sent_bytes(size: int) -> int:
    """Bytes on the way: base64 makes 4 of 3."""
    return size * 4 // 3
