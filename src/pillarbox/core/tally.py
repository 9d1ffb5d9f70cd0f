"""What is counted while the service runs, for /metrics: numbers in memory, added to wherever something happens.

Much happens in the log already, so its events are counted as they pass (`heard`), also those below its level; Graph,
Entra ID, the SMTP door and the HTTP listener add by themselves. What each name means: endpoints/metrics.py.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds at which the buckets of a histogram end; the last one has no end."""
_OF_LOG: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "mail.accepted": ("accepted", ()),
        "mail.attempt": ("attempts", ("verdict", "cause")),
        "mail.final": ("final", ("state",)),
        "mailbox.paused": ("pauses", ("cause",)),
        "login.banned": ("bans", ()),
    }
)
"""Events of the log that have a counter of their own: its name, and the values that are its labels."""
_EVENTS: Final = "log_events"
"""The counter of all events of the log, by name and level."""


@dataclass(slots=True)
class Timing:
    """How often something took how long: the buckets of BOUNDS, and all seconds together."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class Tally:
    """The counts, by name and the values of their labels. Threads may add to it."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.timings: dict[tuple[str, ...], Timing] = {}
        self._lock = threading.Lock()

    def add(self, name: str, *labels: str) -> None:
        """One more."""
        with self._lock:
            self.counts[name, *labels] += 1

    def time(self, seconds: float, name: str, *labels: str) -> None:
        """One more, which took so long."""
        with self._lock:
            timing = self.timings.setdefault((name, *labels), Timing())
            timing.buckets[bisect_left(BOUNDS, seconds)] += 1
            timing.seconds += seconds

    def heard(self, level: str, event: Mapping[str, Any]) -> None:
        """An event of the log."""
        name = event["event"]
        self.add(_EVENTS, name, level)
        if name in _OF_LOG:
            counter, labels = _OF_LOG[name]
            self.add(counter, *(str(event.get(label, "")) for label in labels))
