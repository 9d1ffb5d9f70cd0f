"""The governors of all mailboxes and app registrations: whoever calls Microsoft asks here first.

What may go now is a `Turn`: places among what goes at the same time. The worker takes one before it claims, gives back
what it does not need, and tells how each attempt ended; look-ups take one by `request`. What was used is counted again
from the attempts at a start, so that a message costs no write here; pauses are written with the attempt that tells of
them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.governor import DAY, MINUTE, REQUESTS_SPAN, Governor, Limits, Load
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome
from pillarbox.delivery import findings
from pillarbox.delivery.findings import HELD
from pillarbox.delivery.pauses import PROBED, SOON, Gate, Pauses, lasts, probed_again, shows_over
from pillarbox.delivery.strikes import Strikes, Tried
from pillarbox.delivery.transports import Report
from pillarbox.store import limits as store
from pillarbox.store.database import Statement
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.outbox import Claimed, Next

_ONE: Final = Load(messages=1, recipients=1, bytes=1)
_CROWD: Final = 3
"""Mailboxes of an app registration that are slowed within a minute, with nothing taken between: the app is meant."""
_DAY_SLOT: Final = DAY / 60


@dataclass(frozen=True, slots=True)
class Turn:
    """Places for `count` messages of a mailbox. With `probes` it is one: it shows whether these pauses are over."""

    mailbox: Mailbox
    count: int
    probes: tuple[Pause, ...] = ()
    probe: int = 0
    """The probe's number."""
    held: tuple[Cause, ...] = ()
    """Causes for which messages are held, of which the probe is best taken, before the queue."""
    elsewhere: tuple[str, ...] = ()
    """But not of what was held at these hosts: it does not show what is to be shown."""
    held_elsewhere: tuple[Cause, ...] = ()
    """Causes for which messages are held of which the probe is taken where there is no other."""


NONE: Final = Turn(Mailbox(0, "", AppRegistration(0, "", "", "")), 0)
"""No places."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an attempt has shown: what is to be written with it, and the pauses that are over when that is."""

    mailbox: Mailbox
    statements: Sequence[Statement]
    over: Sequence[Pause]


@dataclass(slots=True)
class _App:
    """An app registration's governor, and the mailboxes that wait for a place of its: who came first is first."""

    governor: Governor
    waiting: dict[int, None] = field(default_factory=dict)
    slowed: dict[int, float] = field(default_factory=dict)
    """Mailboxes that Microsoft has slowed since it took something of the app's, and when."""

    def room(self, mailbox_id: int, now: float, takes: Callable[[int], bool]) -> int:
        """Places for this mailbox: when its turn has come one, and those that are left when each other has one.

        Each that waits and `takes` it now: places come several at a time, and who is first may not have them all.
        """
        left, least = self.governor.most(now), 0
        for other in self.waiting:
            if left <= least:
                break
            if other == mailbox_id:
                least = 1
            else:
                left -= takes(other)
        return max(0, left)

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
        self._due: dict[int, None] = {}
        """Mailboxes of which something is due, as far as is known: the last one that was a probe comes last."""
        self._gave_way: set[int] = set()
        """Mailboxes that let another one be the probe."""
        self._held: dict[int, list[Cause]] = {}
        """Mailboxes of which something is held, and for which causes, as the store was last seen."""
        self._vain: dict[int, float] = {}
        """When what is held is looked at again, where it had no probe for what was due."""
        self._heads: dict[int, float] = {}
        """When a mailbox is to be looked at again, where the last message that was claimed did not fit."""
        self._fits_at: dict[int, float] = {}
        """When that one fits."""
        self._strikes = Strikes()
        self._probed_last: dict[int, int] = {}
        """The number of the last probe of each mailbox."""
        self._requests: dict[int, dict[asyncio.Event, bool]] = {}
        """Look-ups that wait; whether it is the mailbox itself that has no place for them."""
        self._writing: set[asyncio.Task[None]] = set()
        self._ended = self._ended_before = 0
        """Pauses that ended so far, and until `held` began to look."""

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
        if mailbox is None:
            return 0.0
        count, opens_at, probes = self._places(mailbox)
        if self._better_probe(mailbox, probes) is not None:
            return math.inf
        if not count and self.is_open(mailbox) and mailbox_id not in self._app(mailbox.app.id).waiting:
            return 0.0  # its lane has to come for a place in the line
        return opens_at

    def is_open(self, mailbox: Mailbox) -> bool:
        """Whether a message may go as far as the mailbox is concerned. It has no place in any line by that."""
        now = self._clock()
        return self._pauses_and_head(mailbox, now).opens_at <= now and self._most(mailbox.id, now) > 0

    def may_send(self, mailbox: Mailbox) -> bool:
        """Whether a message may go now. If not, `wake` or `opens_at` tells when."""
        return self._may_go(mailbox)[0] > 0

    def _may_go(self, mailbox: Mailbox) -> tuple[int, tuple[Pause, ...]]:
        """How many messages may go now, and the pauses of which one would be the probe; none: it waits to be woken."""
        self.see(mailbox)
        count, _, probes = self._places(mailbox)
        first = self._better_probe(mailbox, probes)
        if count and first is None:
            return count, probes
        self._refused.add(mailbox.id)
        app = self._app(mailbox.app.id)
        if first is not None:
            self._gave_way.add(mailbox.id)
            self._wake(first)
        elif self.is_open(mailbox):
            app.waiting.setdefault(mailbox.id)
        elif not self._requests.get(mailbox.id):
            self._leave(app, mailbox.id)
        return 0, ()

    def is_seen(self, mailbox_id: int) -> bool:
        """Whether it is known what the mailbox is."""
        return mailbox_id in self._seen

    def see(self, mailbox: Mailbox) -> None:
        """It may have another app registration by now: for a place of the former it waits no more."""
        known = self._seen.get(mailbox.id)
        self._seen[mailbox.id] = mailbox
        if known is not None and known.app.id == mailbox.app.id:
            return
        for app_id, app in self._apps.items():
            if app_id != mailbox.app.id and mailbox.id in app.waiting:
                self._leave(app, mailbox.id)

    def _leave(self, app: _App, mailbox_id: int) -> None:
        """It waits for no place of an app registration any more: who was behind it is next."""
        if mailbox_id in app.waiting:
            del app.waiting[mailbox_id]
            self._wake_waiting(app)

    def reserve(self, mailbox: Mailbox, most: int) -> Turn:
        """Places for up to `most` messages, which are to be released; none where nothing may go now."""
        free, probes = self._may_go(mailbox)
        if not free:
            return Turn(mailbox, 0)
        count = min(free, most)
        self._app(mailbox.app.id).waiting.pop(mailbox.id, None)
        self._refused.discard(mailbox.id)
        self._book(mailbox, count)
        if not probes:
            return Turn(mailbox, count)
        number = self._probed_last[mailbox.id] = self._pauses.begin_probe(probes)
        if mailbox.id in self._due:
            del self._due[mailbox.id]
            self._due[mailbox.id] = None
        self._gave_way.clear()  # they are woken as all who were refused
        of_others = set(self._other_ways(mailbox))
        theirs = {one.cause for one in self._pauses.within(of_others)}
        first = tuple(one for one in probes if one.scope not in of_others)
        # What was held there when that was the first way has no pause of its own.
        others = _held_for(one for one in probes if one.scope in of_others or one.cause not in theirs)
        if mailbox.id in self._asked_for:
            self._asked_for.discard(mailbox.id)
            return Turn(mailbox, count, probes, number)
        if not first:
            return Turn(mailbox, count, probes, number, others)
        return Turn(mailbox, count, probes, number, _held_for(first), self._other_hosts(mailbox), others)

    def release(self, turn: Turn, count: int) -> None:
        """Give back `count` places, and wake who was refused for want of them."""
        if not count:
            return
        self._pauses.end_probe(turn.probe)
        self._book(turn.mailbox, -count)
        self._wake_requests(turn.mailbox.id)
        # Whoever has waited longest goes first; behind a probe everybody may have waited.
        self._wake_waiting(self._app(turn.mailbox.app.id))
        for mailbox_id in self.in_turn(self._refused) if turn.probes else (turn.mailbox.id,):
            if mailbox_id in self._refused:
                self._wake(mailbox_id)

    def in_turn(self, mailbox_ids: Iterable[int]) -> list[int]:
        """Mailboxes in the order in which they are to be woken: the last one that was a probe comes last."""
        return sorted(mailbox_ids, key=lambda mailbox_id: self._probed_last.get(mailbox_id, 0))

    def are_due(self, mailbox_ids: Iterable[int], waited: Iterable[int]) -> list[int]:
        """Something of these is due now, and of no other; the mailboxes `in_turn`.

        What `waited` in a line before that was known, and has nothing by now, waits there no more.
        """
        self._due = dict.fromkeys(self.in_turn(mailbox_ids))
        for mailbox_id in waited:
            if mailbox_id not in self._due and not self._requests.get(mailbox_id):
                for app in self._apps.values():
                    self._leave(app, mailbox_id)
        return list(self._due)

    def in_line(self) -> set[int]:
        """Mailboxes that wait for a place of their app registration."""
        return {mailbox_id for app in self._apps.values() for mailbox_id in app.waiting}

    def _takes_place(self, mailbox_id: int) -> bool:
        """Whether a mailbox in a line would take its place now: no other waits for one that may not go itself."""
        mailbox = self._seen.get(mailbox_id)
        if mailbox is None:
            return False
        return self.is_open(mailbox) or (
            bool(self._requests.get(mailbox_id)) and not self._request_wait_of_its_own(mailbox, self._clock())
        )

    def _better_probe(self, mailbox: Mailbox, probes: Collection[Pause]) -> int | None:
        """Who is to be the probe in place of this mailbox: one that waits for the same, and was none for longer."""
        if not probes or mailbox.id in self._asked_for:
            return None
        mine = self._probed_last.get(mailbox.id, 0)
        for other_id in self._due:
            if self._probed_last.get(other_id, 0) >= mine:
                return None
            other = self._seen.get(other_id)
            if other is not None:
                count, _, its = self._places(other)
                if count and any(one in probes for one in its):
                    return other_id
        return None

    def _wake_waiting(self, app: _App) -> None:
        for mailbox_id in tuple(islice(filter(self._takes_place, app.waiting), app.governor.most(self._clock()))):
            # First, as they leave the place in the line to the next message when they have theirs.
            self._wake_requests(mailbox_id)
            self._wake(mailbox_id)

    def _wake_requests(self, mailbox_id: int) -> None:
        for event in self._requests.get(mailbox_id, ()):
            event.set()

    def nothing_to_send(self, mailbox: Mailbox, *, was_probe: bool = False) -> None:
        """It waits for no place any more, but for look-ups: others need not let it go first."""
        if was_probe:
            self._vain[mailbox.id] = self._clock() + SOON
        self._refused.discard(mailbox.id)
        self._due.pop(mailbox.id, None)
        if not self._requests.get(mailbox.id):
            self._leave(self._app(mailbox.app.id), mailbox.id)
        waiting, self._gave_way = self.in_turn(self._gave_way - {mailbox.id}), set()
        for mailbox_id in waiting:
            self._wake(mailbox_id)

    def fits(self, message: Claimed) -> bool:
        """Take of the limits what a claimed message needs; where that is more than is left, its mailbox waits."""
        now, load, both = self._clock(), _load(message), self._both(message.mailbox)
        wait = max(one.wait(now, load) for one in both)
        if wait > 0:
            # Not for as long as that: it may be canceled, or something more urgent come.
            self._heads[message.mailbox.id] = now + min(wait, MINUTE)
            self._fits_at[message.mailbox.id] = now + wait
            return False
        for one in both:
            one.take(now, load)
        return True

    @asynccontextmanager
    async def request(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """One request that is no message, such as a look-up, when there is a place for it.

        It waits while Microsoft has asked us to, but not for a person's pause, nor for a probe.
        """
        self.see(mailbox)
        while (wait := self._request_wait(mailbox)) > 0:
            await self._woken(mailbox, min(wait, MINUTE))
        self._app(mailbox.app.id).waiting.pop(mailbox.id, None)
        for one in self._both(mailbox):
            one.take(self._clock(), Load())
        self._book(mailbox, 1)
        try:
            yield
        finally:
            self.release(Turn(mailbox, 1), 1)

    async def _woken(self, mailbox: Mailbox, most: float) -> None:
        """A request waits for its place, of the mailbox or in the line of the app registration."""
        event, waiting = asyncio.Event(), self._requests.setdefault(mailbox.id, {})
        own = waiting[event] = not self._governor(mailbox.id).concurrency.free(self._clock())
        try:
            async with asyncio.timeout(most):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            del waiting[event]
            if own and mailbox.id in self._refused:
                self._wake(mailbox.id)

    def _request_wait(self, mailbox: Mailbox) -> float:
        now, app = self._clock(), self._app(mailbox.app.id)
        wait = self._request_wait_of_its_own(mailbox, now)
        if wait > 0 and not self.is_open(mailbox):
            # Its place is for who is behind it, whom nobody else may wake.
            self._leave(app, mailbox.id)
        wait = max(wait, app.governor.wait(now, Load()))
        if wait > 0 or app.room(mailbox.id, now, self._takes_place):
            return wait
        app.waiting.setdefault(mailbox.id)
        return MINUTE

    def _request_wait_of_its_own(self, mailbox: Mailbox, now: float) -> float:
        """Seconds that a request waits, were it not for the app registration."""
        governor = self._governor(mailbox.id)
        paused = self._pauses.gate(self._concerning(mailbox), now, (Cause.THROTTLED,)).opens_at - now
        wait = max(paused, governor.wait(now, Load()))
        return wait if wait > 0 or governor.concurrency.free(now) else MINUTE

    def _places(self, mailbox: Mailbox) -> tuple[int, float, tuple[Pause, ...]]:
        """How many messages may go now; when one may, if none; and the pauses of which it would be the probe."""
        now = self._clock()
        gate = self._pauses_and_head(mailbox, now)
        if gate.opens_at > now:
            return 0, gate.opens_at, ()
        governor, app = self._governor(mailbox.id), self._app(mailbox.app.id)
        count = min(self._most(mailbox.id, now), app.room(mailbox.id, now, self._takes_place))
        if count:
            return (1 if gate.probes else count), 0.0, gate.probes
        wait = max(governor.wait(now, _ONE), app.governor.wait(now, _ONE))
        grows_in = min(governor.concurrency.grows_in(now), app.governor.concurrency.grows_in(now))
        return 0, now + (wait or grows_in), ()

    def _most(self, mailbox_id: int, now: float) -> int:
        """Messages that may begin now by the mailbox's own limits; look-ups that wait for a place come first."""
        return max(0, self._governor(mailbox_id).most(now) - sum(self._requests.get(mailbox_id, {}).values()))

    def _pauses_and_head(self, mailbox: Mailbox, now: float) -> Gate:
        if not self._pauses:
            return Gate(self._head(mailbox.id, now))
        gate = self._pauses.gate(self._concerning(mailbox), now)
        # A pause of a way that little of its mail takes does not stop the mailbox: what is held for it is its probe.
        held = self._held.get(mailbox.id, ())
        others = self._pauses.gate(self._pauses.within(self._other_ways(mailbox)), now, held)
        return Gate(max(gate.opens_at, self._head(mailbox.id, now)), gate.probes + others.probes)

    def _head(self, mailbox_id: int, now: float) -> float:
        opens_at = self._heads.get(mailbox_id, 0.0)
        # Longer than a minute nothing waits: the clock went back.
        if not now < opens_at <= now + MINUTE:
            self._heads.pop(mailbox_id, None)
            self._fits_at.pop(mailbox_id, None)
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

    def _concerning(self, mailbox: Mailbox) -> list[Pause]:
        """The pauses of all that a mailbox uses, but for ways that little of its mail takes."""
        return [one for one in self._pauses.within(self._scopes(mailbox)) if findings.concerns(one, mailbox)]

    def _other_ways(self, mailbox: Mailbox) -> list[str]:
        """Scopes of the hosts where some of a mailbox's mail goes, and of the mailbox there."""
        others = self._other_hosts(mailbox)
        return [scope for host in others for scope in (store.host_scope(host), store.way_scope(mailbox.id, host))]

    def _other_hosts(self, mailbox: Mailbox) -> tuple[str, ...]:
        """Where some of a mailbox's mail goes, but little of it."""
        first, *others = self._hosts_of(mailbox)
        return tuple(host for host in others if host != first)

    # ---- what an attempt tells

    def told(self, turn: Turn, message: Claimed, report: Report, following: Next) -> Shown:
        """An attempt has ended. What it has shown; call `written` when that is committed."""
        now, mailbox, outcome = self._clock(), message.mailbox, report.outcome
        self._correct(message, report, now)
        host = report.host or self._hosts_of(mailbox)[0]
        is_other = host in self._other_hosts(mailbox)
        scopes = (store.mailbox_scope(mailbox.id), store.app_scope(mailbox.app.id), store.host_scope(host))
        used = (*scopes, store.way_scope(mailbox.id, host))
        struck = self._strikes.struck(Tried(*scopes, message.started_at, now, outcome))
        guessed = self._guessed(outcome, mailbox, now)
        if outcome.cause is Cause.CONCURRENCY:
            self._slow(mailbox, message.started_at, now, app_wide=guessed or outcome.app_wide)
        over = self._over(turn, message, outcome, used)
        # What a probe came to is no answer to what it was for, unless it shows that.
        still = [
            probed_again(one, now, outcome, is_used=findings.is_used(one, mailbox, host, is_other=is_other))
            for one in turn.probes
            if one not in over and self._pauses.is_there(one)
        ]
        begun = [
            *still,
            *findings.asked_for(outcome, following, mailbox, now, guessed=guessed),
            *findings.broken(outcome, mailbox, host, now, is_other=is_other),
            # One that is there already ends by its own probe.
            *(one for one in findings.struck_out(outcome, struck, now) if not self._pauses.of(one.scope, one.cause)),
        ]
        statements = self._begin(mailbox, begun)
        if outcome.verdict is Verdict.SENT:
            self._app(mailbox.app.id).slowed.clear()
        for pause in over:
            statements += findings.ending(pause, mailbox, now)
        return Shown(mailbox, statements, over)

    def written(self, shown: Shown) -> None:
        """What an attempt has shown is committed."""
        for pause in shown.over:
            if self._pauses.is_there(pause):
                self._ended += 1
                self._pauses.drop(pause.scope, pause.cause)
                self._log.info(
                    "mailbox.resumed",
                    mailbox=shown.mailbox.address,
                    scope=findings.name_of(pause.scope, shown.mailbox),
                    cause=str(pause.cause),
                )

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

    def _guessed(self, outcome: Outcome, mailbox: Mailbox, now: float) -> bool:
        """Whether the app registration may be meant, though no header says so: many of its mailboxes are slowed."""
        slows = outcome.cause in (Cause.THROTTLED, Cause.CONCURRENCY) and not outcome.app_wide
        return slows and self._app(mailbox.app.id).is_slowed(mailbox.id, now)

    def _begin(self, mailbox: Mailbox, pauses: Iterable[Pause]) -> list[Statement]:
        for pause in pauses:
            self._log.warning(
                "mailbox.paused",
                mailbox=mailbox.address,
                scope=findings.name_of(pause.scope, mailbox),
                cause=str(pause.cause),
                seconds=round((pause.until or pause.at) - pause.at, 3),
            )
        return [store.begin(self._pauses.put(pause)) for pause in pauses]

    def _over(self, turn: Turn, message: Claimed, outcome: Outcome, used: tuple[str, ...]) -> list[Pause]:
        """The pauses that an attempt has shown to be over, of what it used."""
        app = store.app_scope(message.mailbox.app.id)
        return [
            one
            for one in self._pauses.within(used)
            if one.cause in PROBED
            and findings.concerns(one, message.mailbox)
            # What was under way before it began tells nothing. What goes to a host now and then does not wait for it.
            and (one in turn.probes or one.at < message.started_at)
            and shows_over(outcome, one.cause, of_app=one.scope == app)
        ]

    async def held(self) -> Collection[int]:
        """Look which mailboxes have something held that goes by a probe."""
        ended_before = self._ended
        self._held, self._ended_before = await self._store.held(HELD), ended_before
        return self._held

    def probes(self) -> dict[int, float]:
        """Mailboxes of which something is held that goes by a probe, and when one is due."""
        return {mailbox_id: self._probe_due(mailbox_id, causes) for mailbox_id, causes in self._held.items()}

    def _probe_due(self, mailbox_id: int, causes: Collection[Cause]) -> float:
        """When what is held for one of these causes may be the probe.

        What is held and has no pause, as its mailbox has another app registration or host by now, gets one that is
        over: else nothing would let it go again. Not where one has ended since `held` looked: that one let it go.
        """
        mailbox = self._seen.get(mailbox_id)
        if mailbox is None:
            return 0.0  # its lane finds out
        now = self._clock()
        pauses = self._concerning(mailbox) + self._pauses.within(self._other_ways(mailbox))
        for cause in causes:
            if self._ended == self._ended_before and not any(one.cause == cause for one in pauses):
                pauses.append(self._pauses.put(Pause(store.mailbox_scope(mailbox_id), cause, now, "", now)))
        ends = [(one.until or 0.0) if lasts(one, now) else 0.0 for one in pauses if one.cause in causes]
        vain = self._vain.get(mailbox_id, 0.0)
        return max(min(ends, default=0.0), vain if vain <= now + SOON else 0.0)

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
        ways = {one.scope for one in self._pauses if one.scope.startswith(f"{scope}/")}
        probed = self._pauses.probe_now([scope, *ways], self._clock())
        await self._store.pause(*probed)
        self._wake_all()
        return there or bool(probed)

    def is_broken(self, mailbox: Mailbox) -> bool:
        """Whether it waits for somebody to mend the account, and for no probe: when one is due, a message is wanted."""
        now = self._clock()
        return self._pauses.gate(self._concerning(mailbox), now, HELD).opens_at > now

    def paused(self, mailbox: Mailbox) -> list[Pause]:
        """Why nothing of a mailbox goes now; the pause that ends last comes first."""
        return self._pauses.shown(self._concerning(mailbox), self._clock())

    def waits(self, mailbox: Mailbox) -> list[Pause]:
        """As `paused`, and the limit that it waits for."""
        now, (own, app) = self._clock(), self._both(mailbox)
        mine, of_app = own.wait(now, _ONE), app.wait(now, _ONE)
        until = now + max(mine, of_app)
        if self._head(mailbox.id, now):
            until = max(until, self._fits_at[mailbox.id])
        if until <= now:
            return self.paused(mailbox)
        scope = store.app_scope(mailbox.app.id) if of_app > mine else store.mailbox_scope(mailbox.id)
        limit = Pause(scope, Cause.QUOTA, until, catalogue.sentence("outbox.waits_for_limit"), now)
        return [*self.paused(mailbox), limit]

    def paused_elsewhere(self, mailbox: Mailbox) -> list[Pause]:
        """As `paused`, of the ways that little of its mail takes: the rest of it goes all the same."""
        return self._pauses.shown(self._pauses.within(self._other_ways(mailbox)), self._clock())

    def mended(self, holder: AppRegistration | Mailbox) -> None:
        """A credential, a sign-in or a test gives reason to try again: the next probes go at once."""
        # Which mailboxes an app registration has is not known here: one probe too many harms nobody.
        scopes = None
        if isinstance(holder, Mailbox):
            scopes = [store.mailbox_scope(holder.id), store.app_scope(holder.app.id), *self._other_ways(holder)]
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
            scopes = (*self._scopes(mailbox), *self._other_ways(mailbox))
        if self._pauses.probe_now(scopes, self._clock()):
            self._asked_for.add(mailbox_id)
        self._vain.pop(mailbox_id, None)
        self._wake(mailbox_id)

    async def close(self) -> None:
        """Until all is written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _wake_all(self, holder: AppRegistration | Mailbox | None = None) -> None:
        self._vain.clear()
        for mailbox_id in {
            *self._governors,
            *self._seen,
            *self._due,
            *([holder.id] if isinstance(holder, Mailbox) else []),
        }:
            self._wake(mailbox_id)


def _held_for(pauses: Iterable[Pause]) -> tuple[Cause, ...]:
    return tuple(Cause(one.cause) for one in pauses if one.cause in HELD)


def _load(message: Claimed) -> Load:
    return Load(messages=1, recipients=len(message.envelope.recipients), bytes=_sent_bytes(message.size), requests=1)


def _sent_bytes(size: int) -> int:
    """Bytes on the way: base64 makes 4 of 3."""
    return size * 4 // 3
