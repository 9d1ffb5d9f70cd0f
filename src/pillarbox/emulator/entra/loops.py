"""Loop detection: the same token request too often within a minute is refused with 50196 (facts 2.1)."""

from collections import Counter
from collections.abc import Hashable

from pillarbox.emulator.entra.aadsts import EntraError

WINDOW = 60


class Loops:
    """Counts equal requests within the running minute of the clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._seen: Counter[Hashable] = Counter()

    def count(self, request: Hashable, limit: int, now: float) -> None:
        """Note a request; from the one after the `limit`th on it is refused until the minute ends."""
        minute = int(now // WINDOW)
        if minute != self._minute:
            self._minute = minute
            self._seen.clear()
        self._seen[request] += 1
        if self._seen[request] > limit:
            raise EntraError(50196)
