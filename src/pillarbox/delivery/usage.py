"""What is used of Microsoft's limits: counted in memory with each attempt, and from the attempts again at a start.

So a message costs no write here.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.governor import DAY, MINUTE, REQUESTS_SPAN, Governor, Limits, Load
from pillarbox.delivery.line import Line
from pillarbox.delivery.transports import Report
from pillarbox.store import limits as store
from pillarbox.store.limits import LimitStore, Pause
from pillarbox.store.messages import Claimed

_ONE: Final = Load(messages=1, recipients=1, bytes=1)
_DAY_SLOT: Final = DAY / 60


class Usage:
    """The governor of every mailbox, the line of every app registration, and what did not fit into what they have left.

    Both are made when somebody asks for them first.
    """

    def __init__(self, mailbox_limits: Limits, app_limits: Limits) -> None:
        self._mailbox_limits = mailbox_limits
        self._app_limits = app_limits
        self._governors: dict[int, Governor] = {}
        self._lines: dict[int, Line] = {}
        self._heads: dict[int, float] = {}
        """When a mailbox is to be looked at again, where the last message that was claimed did not fit."""
        self._fits_at: dict[int, float] = {}
        """When that one fits."""

    async def recount(self, limit_store: LimitStore) -> None:
        """Count again what was used before the restart."""
        for used in await limit_store.used(REQUESTS_SPAN, MINUTE / 60):
            self._count(used, Load(messages=used.messages, bytes=_sent_bytes(used.bytes), requests=used.requests))
        for used in await limit_store.used(DAY, _DAY_SLOT):
            self._count(used, Load(recipients=used.recipients, requests=0))

    def _count(self, used: store.Used, load: Load) -> None:
        self.of(used.mailbox_id).take(used.at, load)
        self.line(used.app_id).governor.take(used.at, load)

    def of(self, mailbox_id: int) -> Governor:
        """The governor of a mailbox."""
        if mailbox_id not in self._governors:
            self._governors[mailbox_id] = Governor(self._mailbox_limits)
        return self._governors[mailbox_id]

    def line(self, app_id: int) -> Line:
        """The line of an app registration, with its governor."""
        if app_id not in self._lines:
            self._lines[app_id] = Line(Governor(self._app_limits))
        return self._lines[app_id]

    def both(self, mailbox: Mailbox) -> tuple[Governor, Governor]:
        """The governors of a mailbox and of its app registration."""
        return self.of(mailbox.id), self.line(mailbox.app.id).governor

    @property
    def mailbox_ids(self) -> Collection[int]:
        """The mailboxes that have a governor."""
        return self._governors.keys()

    @property
    def lines(self) -> Collection[Line]:
        """The lines of all app registrations."""
        return self._lines.values()

    # ---- what goes

    def book(self, mailbox: Mailbox, count: int) -> None:
        """So many more, or fewer, go at the same time."""
        for one in self.both(mailbox):
            one.concurrency.busy += count

    def take_request(self, mailbox: Mailbox, now: float) -> None:
        """A request goes that is no message."""
        for one in self.both(mailbox):
            one.take(now, Load())

    def fits(self, message: Claimed, now: float) -> bool:
        """Take what a claimed message needs; where that is more than is left, its mailbox waits."""
        load, both = _load(message), self.both(message.mailbox)
        wait = max(one.wait(now, load) for one in both)
        if wait > 0:
            # Not for as long as that: it may be canceled, or something more urgent come.
            self._heads[message.mailbox.id] = now + min(wait, MINUTE)
            self._fits_at[message.mailbox.id] = now + wait
            return False
        for one in both:
            one.take(now, load)
        return True

    def correct(self, message: Claimed, report: Report, now: float) -> None:
        """Count what the attempt really took."""
        further = report.requests - 1
        for governor in self.both(message.mailbox):
            if report.outcome.verdict not in (Verdict.SENT, Verdict.UNCERTAIN):
                governor.give_back(now, replace(_load(message), bytes=0, requests=0))
            governor.take(now, Load(requests=max(0, further)))
            governor.give_back(now, Load(requests=max(0, -further)))

    # ---- who waits for it

    def looks_again_at(self, mailbox_id: int, now: float) -> float:
        """When a mailbox is to be looked at again whose next message did not fit; 0: now."""
        opens_at = self._heads.get(mailbox_id, 0.0)
        # Longer than a minute nothing waits: the clock went back.
        if not now < opens_at <= now + MINUTE:
            self._heads.pop(mailbox_id, None)
            self._fits_at.pop(mailbox_id, None)
            return 0.0
        return opens_at

    def frees_at(self, mailbox: Mailbox, now: float) -> float:
        """When a message may go where none may now; infinite where only a place that is given back makes it so."""
        own, app = self.both(mailbox)
        wait = max(own.wait(now, _ONE), app.wait(now, _ONE))
        return now + (wait or min(own.concurrency.grows_in(now), app.concurrency.grows_in(now)))

    def waits(self, mailbox: Mailbox, now: float) -> list[Pause]:
        """The limit that a mailbox waits for, if it does, as people are to see it."""
        own, app = self.both(mailbox)
        mine, of_app = own.wait(now, _ONE), app.wait(now, _ONE)
        until = now + max(mine, of_app)
        if self.looks_again_at(mailbox.id, now):
            until = max(until, self._fits_at[mailbox.id])
        if until <= now:
            return []
        scope = store.app_scope(mailbox.app.id) if of_app > mine else store.mailbox_scope(mailbox.id)
        return [Pause(scope, Cause.QUOTA, until, catalogue.sentence("outbox.waits_for_limit"), now)]


def _load(message: Claimed) -> Load:
    return Load(messages=1, recipients=len(message.envelope.recipients), bytes=_sent_bytes(message.size), requests=1)


def _sent_bytes(size: int) -> int:
    """Bytes on the way: base64 makes 4 of 3."""
    return size * 4 // 3
