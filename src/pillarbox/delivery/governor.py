"""The governors of all mailboxes and app registrations: whoever calls Microsoft asks here first.

What may go now is a `Turn`: places among what goes at the same time. The worker takes one before it claims, gives back
what it does not need, and tells how each attempt ended; look-ups take one by `request`. What was used is counted again
from the attempts at a start, so that a message costs no write here; pauses are written with the attempt that tells of
them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable
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
from pillarbox.delivery.transports import Report
from pillarbox.store import limits as store
from pillarbox.store.database import Statement
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.outbox import Claimed, Next

_ONE: Final = Load(messages=1, recipients=1, bytes=1)
_HELD: Final = (Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED, Cause.UNTRUSTED)
"""Causes that hold messages, which go again when a probe was taken."""
_OF_THE_HOST: Final = (Cause.UNTRUSTED, Cause.UNREACHABLE, Cause.UNKNOWN_HOST)
_STRUCK: Final = (Cause.UNREACHABLE, Cause.TOKEN_UNAVAILABLE)
_STRIKES: Final = 5
"""Attempts in succession that did not reach a host, or got no token, after which that is probed."""
_CROWD: Final = 3
"""Mailboxes of an app registration that are slowed within a minute, with nothing taken between: the app is meant."""
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
    slowed: dict[int, float] = field(default_factory=dict)
    """Mailboxes that Microsoft has slowed since it took something of the app's, and when."""

    def room(self, mailbox_id: int, now: float) -> int:
        """Places for this mailbox: those that are left when each that was before it has one."""
        most = self.governor.most(now)
        ahead = list(self.waiting).index(mailbox_id) if mailbox_id in self.waiting else len(self.waiting)
        return max(0, most - ahead)

    def is_slowed(self, mailbox_id: int, now: float) -> bool:
        """Whether it is all of the app that Microsoft slows, now that it has slowed this mailbox."""
        recent = {key: at for key, at in self.slowed.items() if now - MINUTE < at <= now}
        self.slowed = {**recent, mailbox_id: now}
        return len(self.slowed) >= _CROWD


class Governors:
    """What may go now, of every mailbox. `wake` is called with a mailbox for which something may go that had to wait.

    `hosts_of` says to which hosts a mailbox's mail goes, mostly to the first. Call `load` and `recount` before the
    first message goes.
    """

    def __init__(
        self,
        limit_store: LimitStore,
        clock: Clock,
        log: Logger,
        wake: Callable[[int], None],
        mailbox_limits: Limits,
        app_limits: Limits,
        hosts_of: Callable[[Mailbox], tuple[str, ...]],
    ) -> None:
        self._store = limit_store
        self._clock = clock
        self._log = log
        self._wake = wake
        self._mailbox_limits = mailbox_limits
        self._app_limits = app_limits
        self._hosts_of = hosts_of
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
        """Attempts in succession that ended so that this scope may be at fault."""
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
        if self._pauses_and_head(mailbox, now).opens_at <= now and self._most(mailbox.id, now):
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
        now, load, both = self._clock(), _load(message), self._both(message.mailbox)
        wait = max(one.wait(now, load) for one in both)
        if wait > 0:
            # Not for as long as that: it may be canceled, or something more urgent come.
            self._heads[message.mailbox.id] = now + min(wait, MINUTE)
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
        for one in self._both(mailbox):
            one.take(self._clock(), Load())
        self._book(mailbox, 1)
        try:
            yield
        finally:
            self.release(Turn(mailbox, 1), 1)

    def _request_wait(self, mailbox: Mailbox) -> float:
        now = self._clock()
        governor, app = self._both(mailbox)
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
        count = min(self._most(mailbox.id, now), app.room(mailbox.id, now))
        if count:
            return (1 if gate.probes else count), 0.0, gate.probes
        wait = max(governor.wait(now, _ONE), app.governor.wait(now, _ONE))
        grows_in = min(governor.concurrency.grows_in(now), app.governor.concurrency.grows_in(now))
        return 0, now + (wait or grows_in), ()

    def _most(self, mailbox_id: int, now: float) -> int:
        """Messages that may begin now by the mailbox's own limits; look-ups that wait for a place come first."""
        return max(0, self._governor(mailbox_id).most(now) - len(self._requests.get(mailbox_id, ())))

    def _pauses_and_head(self, mailbox: Mailbox, now: float) -> Gate:
        gate = self._pauses.gate(self._scopes(mailbox), now)
        # A pause of a host where little of its mail goes does not stop the mailbox: what is held for it is its probe.
        others = self._pauses.gate(self._other_hosts(mailbox), now, (Cause.UNTRUSTED,))
        return Gate(max(gate.opens_at, self._head(mailbox.id, now)), gate.probes + others.probes)

    def _head(self, mailbox_id: int, now: float) -> float:
        opens_at = self._heads.get(mailbox_id, 0.0)
        # Longer than a minute nothing waits: the clock went back.
        if not now < opens_at <= now + MINUTE:
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

    def _both(self, mailbox: Mailbox) -> tuple[Governor, Governor]:
        """The governors of a mailbox and of its app registration."""
        return self._governor(mailbox.id), self._app(mailbox.app.id).governor

    def _scopes(self, mailbox: Mailbox) -> tuple[str, ...]:
        return (
            store.mailbox_scope(mailbox.id),
            store.app_scope(mailbox.app.id),
            store.host_scope(self._hosts_of(mailbox)[0]),
            store.EVERYTHING,
        )

    def _other_hosts(self, mailbox: Mailbox) -> tuple[str, ...]:
        """Scopes of the hosts where some of a mailbox's mail goes."""
        return tuple(map(store.host_scope, self._hosts_of(mailbox)[1:]))

    # ---- what an attempt tells

    def told(self, turn: Turn, message: Claimed, report: Report, following: Next) -> list[Statement]:
        """An attempt has ended. What is to be written with it: pauses that begin or end, and what is held for them."""
        now, mailbox, outcome = self._clock(), message.mailbox, report.outcome
        self._correct(message, report, now)
        host = store.host_scope(report.host or self._hosts_of(mailbox)[0])
        scope = self._scope_of(outcome, mailbox, host, now)
        if outcome.cause is Cause.CONCURRENCY:
            self._slow(mailbox, message.started_at, now, app_wide=scope == store.app_scope(mailbox.app.id))
        self._strike(outcome, scope, (host, store.app_scope(mailbox.app.id)))
        over = self._over(turn, message, host) if outcome.verdict is Verdict.SENT else []
        # What a probe came to is no answer to what it was for, unless it was taken.
        still = [replace(one, until=now + PROBED[one.cause], at=now) for one in turn.probes if one not in over]
        statements = [store.begin(pause) for pause in self._begun(mailbox, outcome, following, scope, now, still)]
        if outcome.verdict is Verdict.SENT:
            self._app(mailbox.app.id).slowed.clear()
        for pause in over:
            statements += self._ended(pause, mailbox, now)
        return statements

    def _correct(self, message: Claimed, report: Report, now: float) -> None:
        """Count what the attempt really took of the limits."""
        further = report.requests - 1
        for governor in self._both(message.mailbox):
            if report.outcome.verdict not in (Verdict.SENT, Verdict.UNCERTAIN):
                governor.give_back(now, replace(_load(message), bytes=0, requests=0))
            governor.take(now, Load(requests=max(0, further)))
            governor.give_back(now, Load(requests=max(0, -further)))

    def _slow(self, mailbox: Mailbox, began: float, now: float, *, app_wide: bool) -> None:
        """Fewer at a time: of the mailbox, and of the app registration too where it is told of several mailboxes."""
        own, app = self._both(mailbox)
        own.concurrency.halve(now, began)
        if app_wide:
            app.concurrency.halve(now, began)
        self._log.warning("mailbox.slowed", mailbox=mailbox.address, at_once=own.concurrency.allowed(now))

    def _scope_of(self, outcome: Outcome, mailbox: Mailbox, host: str, now: float) -> str:
        """What an outcome is about: the host, the app registration, or the mailbox alone."""
        slows = outcome.cause in (Cause.THROTTLED, Cause.CONCURRENCY)
        app_wide = outcome.app_wide or (slows and self._app(mailbox.app.id).is_slowed(mailbox.id, now))
        if outcome.cause in _OF_THE_HOST:
            return host
        if app_wide or outcome.cause is Cause.TOKEN_UNAVAILABLE:
            return store.app_scope(mailbox.app.id)
        return store.mailbox_scope(mailbox.id)

    def _strike(self, outcome: Outcome, scope: str, tried: tuple[str, str]) -> None:
        """Count how often in succession the host was not reached, or the app registration got no token."""
        for one in tried:
            if one == scope and outcome.cause in _STRUCK:
                self._strikes[one] = self._strikes.get(one, 0) + 1
            elif outcome.cause is not Cause.TOKEN_UNAVAILABLE:
                self._strikes.pop(one, None)

    def _begun(
        self, mailbox: Mailbox, outcome: Outcome, following: Next, scope: str, now: float, still: Iterable[Pause]
    ) -> list[Pause]:
        """The pauses that begin, or begin again, by this outcome; `still` do in any case."""
        wanted = {(pause.scope, pause.cause): pause for pause in still}
        if (until := self._pause_until(outcome, following, scope, now)) is not None:
            cause = Cause.THROTTLED if outcome.cause in (Cause.ACCEPTED, Cause.UNCLEAR) else outcome.cause
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

    def _pause_until(self, outcome: Outcome, following: Next, scope: str, now: float) -> float | None:
        if outcome.cause in _STRUCK and self._strikes[scope] < _STRIKES:
            return None
        asked = min(outcome.retry_after or 0.0, _MOST_ASKED)
        if outcome.cause in PROBED:
            return now + max(PROBED[outcome.cause], asked)
        if outcome.cause in (Cause.THROTTLED, Cause.QUOTA) and following.state is State.DEFERRED:
            return max(following.due_at, now + asked)
        if outcome.cause in (Cause.THROTTLED, Cause.ACCEPTED, Cause.UNCLEAR) and asked:
            return now + asked
        return None

    def _over(self, turn: Turn, message: Claimed, host: str) -> list[Pause]:
        """The pauses that a message that was taken has shown to be over."""
        # By another way it tells nothing of the host that the probe was for.
        probed = [one for one in turn.probes if one.scope == host or not one.scope.startswith(store.host_scope(""))]
        # What goes to a host now and then does not wait for it.
        by_the_way = (one for one in self._pauses if one.scope == host and one.at < message.started_at)
        return probed + [one for one in by_the_way if one not in probed]

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

    async def probes(self) -> dict[int, float]:
        """Mailboxes of which something is held for a pause that a probe can end, and when one is due."""
        if not any(pause.cause in _HELD for pause in self._pauses):
            return {}
        held = await self._store.held(_HELD)
        due = ((mailbox_id, self._probe_due(mailbox_id, causes)) for mailbox_id, causes in held.items())
        return {mailbox_id: at for mailbox_id, at in due if at < math.inf}

    def _probe_due(self, mailbox_id: int, causes: Collection[Cause]) -> float:
        """When what is held for one of these causes may be the probe; infinite where no pause is for it."""
        mailbox = self._seen.get(mailbox_id)
        if mailbox is None:
            return 0.0  # its lane finds out
        scopes = self._scopes(mailbox) + self._other_hosts(mailbox)
        pauses = [one for one in self._pauses if one.scope in scopes and one.cause in causes]
        # One that has not begun yet is over: the clock went back.
        return min((one.until or 0.0 if one.at <= self._clock() else 0.0 for one in pauses), default=math.inf)

    # ---- by hand

    async def pause(self, scope: str, reason: str, until: float | None = None) -> None:
        """A person wants nothing of this scope to be sent, until they resume it or until then."""
        pause = Pause(scope, store.OPERATOR, until, reason, self._clock())
        await self._store.pause(pause)
        self._pauses.drop(scope, store.OPERATOR)
        self._pauses.put(pause)

    async def resume(self, scope: str) -> bool:
        """End a person's pause; of a broken account a probe goes at once. Whether there was anything of it.

        What Microsoft has asked us to wait stays: to send sooner makes it longer.
        """
        there = await self._store.resume(scope)
        self._pauses.drop(scope, store.OPERATOR)
        probed = self._pauses.probe_now([scope], self._clock())
        await self._store.pause(*probed)
        self._wake_all()
        return there or bool(probed)

    def is_broken(self, mailbox: Mailbox) -> bool:
        """Whether it waits for somebody to mend the account, and for no probe: when one is due, a message is wanted."""
        now = self._clock()
        return self._pauses.gate(self._scopes(mailbox), now, _HELD).opens_at > now

    def paused(self, mailbox: Mailbox) -> list[Pause]:
        """Why nothing of a mailbox goes now; the pause that ends last comes first."""
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
        scopes: tuple[str, ...] = (store.mailbox_scope(mailbox_id),)
        if mailbox is not None:
            scopes = self._scopes(mailbox) + self._other_hosts(mailbox)
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
