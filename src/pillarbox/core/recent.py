"""How attempts ended of late: counted in memory as the log tells of them, by minute for an hour, by hour for a day.

So it costs nothing to look at, however many messages there are, and a message costs no write. What was before the start
is counted from the attempts that are kept (`add`).
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.mail import Clock, State

MINUTE: Final = 60.0
HOUR: Final = 3600.0
MINUTES: Final = 60
"""Minutes that are kept, with the one that is under way."""
HOURS: Final = 24
"""Hours that are kept, with the one that is under way."""


class Ring:
    """Counts by slots of `span` seconds, of which the last `slots` are kept."""

    def __init__(self, span: float, slots: int) -> None:
        self.span = span
        self.slots = slots
        self._kept: dict[int, Counter[str]] = {}

    def add(self, at: float, now: float, name: str, count: int) -> None:
        """So many more at this time; what is longer ago than the slots reach counts no more."""
        slot, shown = int(at // self.span), self._shown(now)
        if slot not in shown:
            return
        if slot not in self._kept:
            # Also what a clock that jumped has left in the future.
            self._kept = {one: kept for one, kept in self._kept.items() if one in shown}
            self._kept[slot] = Counter()
        self._kept[slot][name] += count

    def read(self, now: float) -> list[Mapping[str, int]]:
        """The counts of each slot, oldest first; the last one is under way."""
        return [self._kept.get(slot, Counter()) for slot in self._shown(now)]

    def _shown(self, now: float) -> range:
        last = int(now // self.span)
        return range(last - self.slots + 1, last + 1)


class Recent:
    """What attempts came to. Threads may tell of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minutes = Ring(MINUTE, MINUTES)
        self._hours = Ring(HOUR, HOURS)
        self._lock = threading.Lock()

    def heard(self, _level: str, event: Mapping[str, Any]) -> None:
        """An event of the log. A message that a look-up finds is sent too, so that is not told by its attempt."""
        match event["event"]:
            case "mail.final" if event.get("state") == State.SENT:
                self.add(self._clock(), Cause.ACCEPTED)
            case "mail.attempt" if event.get("verdict") != Verdict.SENT:
                self.add(self._clock(), str(event.get("cause")))

    def add(self, at: float, cause: str, count: int = 1) -> None:
        """So many attempts ended so; ACCEPTED: the message is sent."""
        now = self._clock()
        with self._lock:
            self._minutes.add(at, now, cause, count)
            self._hours.add(at, now, cause, count)

    def sent_by_minute(self) -> list[int]:
        """Messages that were sent in each of the last minutes, oldest first; the last one is under way."""
        return self._sent(self._minutes)

    def sent_by_hour(self) -> list[int]:
        """The same by hours."""
        return self._sent(self._hours)

    def unsent(self) -> Mapping[str, int]:
        """Attempts of the last day that did not end in a sent message, by cause, most first."""
        with self._lock:
            total = sum((Counter(each) for each in self._hours.read(self._clock())), Counter[str]())
        return {cause: count for cause, count in total.most_common() if cause != Cause.ACCEPTED}

    def _sent(self, ring: Ring) -> list[int]:
        with self._lock:
            return [each.get(Cause.ACCEPTED, 0) for each in ring.read(self._clock())]
