"""The governors of all mailboxes and app registrations: whoever calls Microsoft asks here first.

The way of a turn, which is places among what goes at the same time:
1. `reserve`, before the worker claims: no pause holds the mailbox (pauses.py, ways.py), something is left of its limits
   (usage.py), and its app registration has a place for it (line.py). Who gets none is woken when there may be one.
2. Where a pause is to be probed it is one place, for the mailbox whose turn that is (probes.py, held.py).
3. `fits`, for each claimed message: takes what that needs of the limits, or the mailbox waits for it.
4. `told`, when its attempt has ended: the pauses that begin and end (breaker.py), to be written with it; `written`.
5. `release`: the place is free again, and who waits for it is woken. Look-ups do all that by `request` (requests.py).
6. Whatever a person does to the pauses (by_hand.py) wakes everybody.
"""

import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.governor import MINUTE, Limits, Load, Used
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.delivery.breaker import Breaker, Shown
from pillarbox.delivery.by_hand import ByHand
from pillarbox.delivery.findings import HELD
from pillarbox.delivery.held import Held
from pillarbox.delivery.line import Line
from pillarbox.delivery.pauses import PROBED, Gate, Pauses
from pillarbox.delivery.probes import Probes
from pillarbox.delivery.requests import Requests
from pillarbox.delivery.transports import Report
from pillarbox.delivery.turn import Turn
from pillarbox.delivery.usage import Usage
from pillarbox.delivery.ways import Ways
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.messages import Claimed, Next


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
        self._wake = wake
        self._pauses = Pauses()
        self._ways = Ways(self._pauses, hosts_of)
        self._usage = Usage(mailbox_limits, app_limits)
        self._probes = Probes(self._pauses, self._ways)
        self._held = Held(limit_store, self._pauses, self._ways)
        self._breaker = Breaker(self._pauses, self._ways, self._held, self._usage, clock, log)
        self._by_hand = ByHand(limit_store, self._pauses, self._ways, clock)
        self._requests = Requests()
        self._seen: dict[int, Mailbox] = {}
        self._refused: set[int] = set()
        """Mailboxes that were told that nothing may go."""

    async def load(self) -> None:
        """Know the pauses again that there were before the restart."""
        for pause in await self._store.pauses(PROBED):
            self._pauses.put(pause)

    async def recount(self) -> None:
        """Count again what was used of the limits before the restart."""
        await self._usage.recount(self._store)

    # ---- what may go

    def opens_at(self, mailbox_id: int) -> float:
        """When something of this mailbox may go, as far as is known; infinite: when `wake` says so."""
        mailbox = self._seen.get(mailbox_id)
        if mailbox is None:
            return 0.0
        count, opens_at, probes = self._places(mailbox)
        if self._better_probe(mailbox, probes) is not None:
            return math.inf
        if not count and self.is_open(mailbox) and mailbox_id not in self._usage.line(mailbox.app.id).waiting:
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
        line = self._usage.line(mailbox.app.id)
        if first is not None:
            self._probes.give_way(mailbox.id)
            self._wake(first)
        elif self.is_open(mailbox):
            line.waiting.setdefault(mailbox.id)
        elif not self._requests.are_waiting(mailbox.id):
            self._leave(line, mailbox.id)
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
        its = self._usage.line(mailbox.app.id)
        for line in self._usage.lines:
            if line is not its:
                self._leave(line, mailbox.id)

    def _leave(self, line: Line, mailbox_id: int) -> None:
        """It waits for no place of an app registration any more: who was behind it is next."""
        if mailbox_id in line.waiting:
            del line.waiting[mailbox_id]
            self._wake_waiting(line)

    def reserve(self, mailbox: Mailbox, most: int) -> Turn:
        """Places for up to `most` messages, which are to be released; none where nothing may go now."""
        free, probes = self._may_go(mailbox)
        if not free:
            return Turn(mailbox, 0)
        turn = self._probes.begin(mailbox, probes) if probes else Turn(mailbox, min(free, most))
        self._usage.line(mailbox.app.id).waiting.pop(mailbox.id, None)
        self._refused.discard(mailbox.id)
        self._usage.book(mailbox, turn.count)
        return turn

    def release(self, turn: Turn, count: int) -> None:
        """Give back `count` places, and wake who was refused for want of them."""
        if not count:
            return
        self._pauses.end_probe(turn.probe)
        self._usage.book(turn.mailbox, -count)
        self._requests.wake(turn.mailbox.id)
        # Whoever has waited longest goes first; behind a probe everybody may have waited.
        self._wake_waiting(self._usage.line(turn.mailbox.app.id))
        for mailbox_id in self._probes.in_turn(self._refused) if turn.probes else (turn.mailbox.id,):
            if mailbox_id in self._refused:
                self._wake(mailbox_id)

    def are_due(self, mailbox_ids: Iterable[int], waited: Iterable[int]) -> list[int]:
        """Something of these is due now, and of no other; the mailboxes in the order in which they are to be woken.

        What `waited` in a line before that was known, and has nothing by now, waits there no more.
        """
        due = self._probes.are_due(mailbox_ids)
        for mailbox_id in waited:
            if mailbox_id not in due and not self._requests.are_waiting(mailbox_id):
                for line in self._usage.lines:
                    self._leave(line, mailbox_id)
        return list(due)

    def in_line(self) -> set[int]:
        """Mailboxes that wait for a place of their app registration."""
        return {mailbox_id for line in self._usage.lines for mailbox_id in line.waiting}

    def _takes_place(self, mailbox_id: int) -> bool:
        """Whether a mailbox in a line would take its place now: no other waits for one that may not go itself."""
        mailbox = self._seen.get(mailbox_id)
        if mailbox is None:
            return False
        return self.is_open(mailbox) or (
            self._requests.are_waiting(mailbox_id) and not self._request_wait_of_its_own(mailbox, self._clock())
        )

    def _better_probe(self, mailbox: Mailbox, probes: Collection[Pause]) -> int | None:
        """Who is to be the probe in place of this mailbox."""
        return self._probes.better(mailbox.id, probes, self._would_probe)

    def _would_probe(self, mailbox_id: int) -> Collection[Pause]:
        """The pauses of which a mailbox would be the probe, if it went now."""
        mailbox = self._seen.get(mailbox_id)
        count, _, probes = self._places(mailbox) if mailbox is not None else (0, 0.0, ())
        return probes if count else ()

    def _wake_waiting(self, line: Line) -> None:
        for mailbox_id in line.first(self._clock(), self._takes_place):
            # First, as they leave the place in the line to the next message when they have theirs.
            self._requests.wake(mailbox_id)
            self._wake(mailbox_id)

    def nothing_to_send(self, mailbox: Mailbox, *, was_probe: bool = False) -> None:
        """It waits for no place any more, but for look-ups: others need not let it go first."""
        if was_probe:
            self._held.had_no_probe(mailbox.id, self._clock())
        self._refused.discard(mailbox.id)
        if not self._requests.are_waiting(mailbox.id):
            self._leave(self._usage.line(mailbox.app.id), mailbox.id)
        for mailbox_id in self._probes.nothing_to_send(mailbox.id):
            self._wake(mailbox_id)

    def fits(self, message: Claimed) -> bool:
        """Take of the limits what a claimed message needs; where that is more than is left, its mailbox waits."""
        return self._usage.fits(message, self._clock())

    # ---- requests that are no messages

    @asynccontextmanager
    async def request(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """One request that is no message, such as a look-up, when there is a place for it.

        It waits while Microsoft has asked us to, but not for a person's pause, nor for a probe.
        """
        self.see(mailbox)
        while (wait := self._request_wait(mailbox)) > 0:
            await self._woken(mailbox, min(wait, MINUTE))
        self._usage.line(mailbox.app.id).waiting.pop(mailbox.id, None)
        self._usage.take_request(mailbox, self._clock())
        self._usage.book(mailbox, 1)
        try:
            yield
        finally:
            self.release(Turn(mailbox, 1), 1)

    async def _woken(self, mailbox: Mailbox, most: float) -> None:
        """A request waits for its place, of the mailbox or in the line of the app registration."""
        own = not self._usage.of(mailbox.id).concurrency.free(self._clock())
        try:
            await self._requests.wait(mailbox.id, most, own=own)
        finally:
            if own and mailbox.id in self._refused:
                self._wake(mailbox.id)

    def _request_wait(self, mailbox: Mailbox) -> float:
        now, line = self._clock(), self._usage.line(mailbox.app.id)
        wait = self._request_wait_of_its_own(mailbox, now)
        if wait > 0 and not self.is_open(mailbox):
            # Its place is for who is behind it, whom nobody else may wake.
            self._leave(line, mailbox.id)
        wait = max(wait, line.governor.wait(now, Load()))
        if wait > 0 or line.room(mailbox.id, now, self._takes_place):
            return wait
        line.waiting.setdefault(mailbox.id)
        return MINUTE

    def _request_wait_of_its_own(self, mailbox: Mailbox, now: float) -> float:
        """Seconds that a request waits, were it not for the app registration."""
        governor = self._usage.of(mailbox.id)
        paused = self._pauses.gate(self._ways.concerning(mailbox), now, (Cause.THROTTLED,)).opens_at - now
        wait = max(paused, governor.wait(now, Load()))
        return wait if wait > 0 or governor.concurrency.free(now) else MINUTE

    # ---- what that depends on

    def _places(self, mailbox: Mailbox) -> tuple[int, float, tuple[Pause, ...]]:
        """How many messages may go now; when one may, if none; and the pauses of which it would be the probe."""
        now = self._clock()
        gate = self._pauses_and_head(mailbox, now)
        if gate.opens_at > now:
            return 0, gate.opens_at, ()
        line = self._usage.line(mailbox.app.id)
        count = min(self._most(mailbox.id, now), line.room(mailbox.id, now, self._takes_place))
        if count:
            return (1 if gate.probes else count), 0.0, gate.probes
        return 0, self._usage.frees_at(mailbox, now), ()

    def _most(self, mailbox_id: int, now: float) -> int:
        """Messages that may begin now by the mailbox's own limits; look-ups that wait for a place come first."""
        return max(0, self._usage.of(mailbox_id).most(now) - self._requests.places(mailbox_id))

    def _pauses_and_head(self, mailbox: Mailbox, now: float) -> Gate:
        head = self._usage.looks_again_at(mailbox.id, now)
        if not self._pauses:
            return Gate(head)
        gate = self._ways.gate(mailbox, now, self._held.causes(mailbox.id))
        return Gate(max(gate.opens_at, head), gate.probes)

    # ---- what an attempt tells, and what is held

    def told(self, turn: Turn, message: Claimed, report: Report, following: Next) -> Shown:
        """An attempt has ended. What it has shown; call `written` when that is committed."""
        return self._breaker.told(turn, message, report, following)

    def written(self, shown: Shown) -> None:
        """What an attempt has shown is committed."""
        self._breaker.written(shown)

    async def held(self) -> Collection[int]:
        """Look which mailboxes have something held that goes by a probe."""
        return await self._held.look()

    def probes(self) -> dict[int, float]:
        """Mailboxes of which something is held that goes by a probe, and when one is due."""
        return {mailbox_id: self._probe_due(mailbox_id) for mailbox_id in self._held.mailbox_ids}

    def _probe_due(self, mailbox_id: int) -> float:
        mailbox = self._seen.get(mailbox_id)
        return self._held.due(mailbox, self._clock()) if mailbox is not None else 0.0  # else its lane finds out

    # ---- by hand

    async def pause(self, scope: str, reason: str, until: float | None = None) -> None:
        """A person wants nothing of this scope to be sent, until they resume it or until then."""
        await self._by_hand.pause(scope, reason, until)

    async def resume(self, scope: str) -> bool:
        """End a person's pause; of a broken account a probe goes at once. Whether there was anything of it.

        What Microsoft has asked us to wait stays: to send sooner makes it longer.
        """
        there = await self._by_hand.resume(scope)
        self._wake_all()
        return there

    def is_broken(self, mailbox: Mailbox) -> bool:
        """Whether it waits for somebody to mend the account, and for no probe: when one is due, a message is wanted."""
        now = self._clock()
        return self._pauses.gate(self._ways.concerning(mailbox), now, HELD).opens_at > now

    def paused(self, mailbox: Mailbox) -> list[Pause]:
        """Why nothing of a mailbox goes now; the pause that ends last comes first."""
        return self._pauses.shown(self._ways.concerning(mailbox), self._clock())

    def pauses(self) -> list[Pause]:
        """All pauses that there are now, whatever they are for."""
        return self._pauses.shown(self._pauses, self._clock())

    def waits(self, mailbox: Mailbox) -> list[Pause]:
        """As `paused`, and the limit that it waits for."""
        return [*self.paused(mailbox), *self._usage.waits(mailbox, self._clock())]

    def used(self, mailbox: Mailbox) -> list[Used]:
        """How much of each of its limits a mailbox has used."""
        return self._usage.of(mailbox.id).used(self._clock())

    def paused_elsewhere(self, mailbox: Mailbox) -> list[Pause]:
        """As `paused`, of the ways that little of its mail takes: the rest of it goes all the same."""
        return self._pauses.shown(self._ways.elsewhere(mailbox), self._clock())

    def mended(self, holder: AppRegistration | Mailbox) -> None:
        """A credential, a sign-in or a test gives reason to try again: the next probes go at once."""
        self._by_hand.mended(holder)
        known = self._seen.get(holder.id) if isinstance(holder, Mailbox) else None
        if isinstance(holder, Mailbox) and known is not None and _sends_as(known) != _sends_as(holder):
            self._held.moved(holder, self._clock())
        self._seen = {key: box for key, box in self._seen.items() if isinstance(holder, Mailbox) and key != holder.id}
        self._wake_all(holder)

    def retried(self, mailbox_id: int) -> None:
        """A person wants something of this mailbox to be tried now: where a probe is due, it is of the queue."""
        if self._by_hand.retried(mailbox_id, self._seen.get(mailbox_id)):
            self._probes.ask_for(mailbox_id)
        self._held.look_again(mailbox_id)
        self._wake(mailbox_id)

    async def close(self) -> None:
        """Until all is written."""
        await self._by_hand.close()

    def _wake_all(self, holder: AppRegistration | Mailbox | None = None) -> None:
        self._held.look_again()
        for mailbox_id in {
            *self._usage.mailbox_ids,
            *self._seen,
            *self._probes.due,
            *([holder.id] if isinstance(holder, Mailbox) else []),
        }:
            self._wake(mailbox_id)


def _sends_as(mailbox: Mailbox) -> tuple[int, bool]:
    """Whose tokens it sends by: what is wrong with another one's is over when that changes."""
    return mailbox.app.id, mailbox.sign_in is None
