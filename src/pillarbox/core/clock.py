"""A clock that knows whether it was set, whoever looked at it meanwhile."""

import math
from typing import Final

from pillarbox.core.mail import Clock

_JUMP: Final = 60.0
"""Seconds by which a clock that was set differs from one that runs on."""


class Watched:
    """A clock in seconds since 1970; all who write times down are to look at this one.

    `running` counts seconds from anywhere, and is set by nobody (CLOCK_MONOTONIC). It need not count while the machine
    sleeps: nobody has lived that time.
    """

    def __init__(self, clock: Clock, running: Clock) -> None:
        self._clock = clock
        self._running = running
        self._latest = -math.inf
        self._ahead: float | None = None
        self.jumped_at = -math.inf
        """What it showed when it was first seen after a jump, ahead or back."""

    def __call__(self) -> float:
        """The time."""
        now = self._clock()
        ahead = now - self._running()
        if self._ahead is not None and abs(ahead - self._ahead) > _JUMP:
            self.jumped_at = now
        self._ahead = ahead
        self._latest = max(self._latest, now)
        return now

    def went_back(self) -> bool:
        """Whether it shows less than it has shown to anybody since this was asked last."""
        before, self._latest = self._latest, -math.inf
        return self() < before
