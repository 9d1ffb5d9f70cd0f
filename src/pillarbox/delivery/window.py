"""The duplicate window: a client that never saw our 250 hands the same message in again, and it is the same message.

Only where the first connection ended before the client went on after our 250. A repeated alarm, a deliberate resend and
a mailing list's split recipients come over connections that went on, or differ: they are new messages
(docs/explanation/bytes.md).
"""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Clock, Envelope, State
from pillarbox.delivery.queue_id import first_of
from pillarbox.store.outbox import Outbox

if TYPE_CHECKING:
    from hashlib import _Hash

LENGTH: Final = 3600.0
"""Seconds after which the same message is a new one."""
_MOST: Final = 100_000
"""Messages that are remembered; the oldest are forgotten first."""
_OVER: Final = (State.FAILED, State.BOUNCED, State.CANCELED)
_DIGITS: Final = 32


def digest(submitter: str, envelope: Envelope) -> "_Hash":
    """What the fingerprint of a message begins with; the bytes of the message follow."""
    who = [submitter, envelope.sender, sorted(set(envelope.recipients))]
    return hashlib.sha256(json.dumps(who).encode("ascii"))


def fingerprint(finished: "_Hash") -> str:
    """By what the same message is known: 128 bits of a digest."""
    return finished.hexdigest()[:_DIGITS]


class Handover:
    """One message on one connection. Its door says how the connection went on, once."""

    __slots__ = ("_of", "is_lost")

    def __init__(self) -> None:
        self.is_lost = False
        self._of: tuple[Window, _Entry] | None = None

    def heard(self) -> None:
        """The client went on after our 250: it has seen it."""
        if self._of is not None:
            window, entry = self._of
            window._forget(entry)

    def lost(self) -> None:
        """The connection ended before that, perhaps before there was a 250."""
        self.is_lost = True

    def _belongs_to(self, window: "Window", entry: "_Entry") -> None:
        self._of = (window, entry)


class _Entry:
    """A message whose client may not have seen our 250."""

    __slots__ = ("at", "fingerprint", "handover", "id", "settled")

    def __init__(self, queue_id: str, fingerprint: str, at: float, handover: Handover) -> None:
        self.id = queue_id
        self.fingerprint = fingerprint
        self.at = at
        self.handover = handover
        self.settled: asyncio.Event | None = asyncio.Event()
        """Set when the store has taken the message, or has not; None from then on, as there may be many."""

    def settle(self) -> None:
        if self.settled is not None:
            self.settled.set()
            self.settled = None


class Window:
    """The messages of the last hour whose clients have not been heard since. They are in memory; `load` after a crash.

    `clock` is that of the outbox; how long ago something was in this process is told by `monotonic`, so that a clock
    that is set neither opens nor closes the window.
    """

    def __init__(self, outbox: Outbox, clock: Clock, monotonic: Clock = time.monotonic) -> None:
        self._outbox = outbox
        self._clock = clock
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._by_fingerprint: dict[str, list[_Entry]] = {}

    async def load(self) -> None:
        """Remember what the last process accepted: of what it has not marked, nobody knows whether it was heard."""
        now, here = self._clock(), self._monotonic()
        for one in reversed(await self._outbox.unheard(first_of(now - LENGTH), _MOST)):
            # A clock that went back: what comes from the future was just now.
            age = max(0.0, now - one.created_at)
            gone = Handover()
            gone.lost()
            self._remember(_Entry(one.id, one.fingerprint, here - age, gone)).settle()

    async def save(self) -> None:
        """At a clean stop: mark all others as heard."""
        try:
            await self._outbox.mark_heard(first_of(self._clock() - LENGTH), self._entries)
        except Unavailable:
            pass  # Then the next process knows as little as after a crash.

    async def former(self, fingerprint: str, handover: Handover) -> str:
        """The queue id of the message that this is once more; empty where it is a new one.

        One that is still being written is waited for. When this returns nothing, begin `writing` without an await
        between.
        """
        self._expire()
        looked_at: set[str] = set()
        while entry := self._lost(fingerprint, looked_at):
            looked_at.add(entry.id)
            if entry.settled is not None:
                await entry.settled.wait()
            row = await self._outbox.get(entry.id)
            if row is not None and row["state"] not in _OVER:
                handover._belongs_to(self, entry)
                return entry.id
        return ""

    @contextmanager
    def writing(self, queue_id: str, fingerprint: str, handover: Handover | None) -> Iterator[None]:
        """While it lasts, this message is being written; what goes wrong inside, it never was."""
        if handover is None or not fingerprint:
            yield
            return
        entry = self._remember(_Entry(queue_id, fingerprint, self._monotonic(), handover))
        handover._belongs_to(self, entry)
        try:
            yield
        except Exception:
            # Not when it is canceled: then the store may take it all the same.
            self._forget(entry)
            raise
        finally:
            entry.settle()

    def _lost(self, fingerprint: str, but: set[str]) -> _Entry | None:
        entries = self._by_fingerprint.get(fingerprint, ())
        return next((one for one in entries if one.handover.is_lost and one.id not in but), None)

    def _remember(self, entry: _Entry) -> _Entry:
        self._expire()
        self._entries[entry.id] = entry
        self._by_fingerprint.setdefault(entry.fingerprint, []).append(entry)
        return entry

    def _forget(self, entry: _Entry) -> None:
        if self._entries.pop(entry.id, None) is None:
            return
        entries = self._by_fingerprint[entry.fingerprint]
        entries.remove(entry)
        if not entries:
            del self._by_fingerprint[entry.fingerprint]

    def _expire(self) -> None:
        oldest = self._monotonic() - LENGTH
        while self._entries:
            entry = next(iter(self._entries.values()))
            if entry.at >= oldest and len(self._entries) < _MOST:
                return
            self._forget(entry)
