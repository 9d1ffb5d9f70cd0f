"""What is told once, such as a password that was just made.

The form that makes it leads on to the page that tells it: whoever loads that page anew makes no second one. It is good
for a minute, and lies in memory until the page is looked at, or any page once the minute is over.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

LIFE: Final = 60.0
"""Seconds, in which a browser goes on to the page."""
_MOST: Final = 1000


@dataclass
class Once:
    """Keeps it, by the visitor whom it is for (a session's form token) and the path of the page that tells it."""

    clock: Callable[[], float] = time.monotonic
    _kept: OrderedDict[tuple[str, str], tuple[Mapping[str, Any], float]] = field(default_factory=OrderedDict)

    def keep(self, visitor: str, path: str, told: Mapping[str, Any]) -> None:
        """Have the page at this path tell it."""
        if not visitor:
            return  # Whoever is signed in no more shares their token with all strangers.
        self._forget_late()
        self._kept[visitor, unquote(path)] = told, self.clock() + LIFE
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def take(self, visitor: str, path: str) -> Mapping[str, Any]:
        """What this page, by its decoded path, is to tell now; nothing where that was told, or is too long ago."""
        self._forget_late()
        told, _ = self._kept.pop((visitor, path), ({}, 0.0))
        return told

    def _forget_late(self) -> None:
        now = self.clock()
        for key in [key for key, (_, until) in self._kept.items() if until <= now]:
            del self._kept[key]
