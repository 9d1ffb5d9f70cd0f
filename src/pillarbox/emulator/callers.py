"""Who came back before the time that Retry-After named: the rule that clients break most."""

import math
from collections.abc import Hashable, Mapping
from email.utils import parsedate_to_datetime

from pillarbox.emulator.faults import Traits
from pillarbox.emulator.ledger import EarlyReturn, Ledger

MAX_WAITING = 10_000


class Callers:
    """Remembers until when an app was told to keep away from a mailbox (from a path where there is no mailbox)."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._until: dict[tuple[str | None, Hashable], float] = {}

    def told(self, traits: Traits, headers: Mapping[str, str], date: float, now: float) -> None:
        """Note an answer that leaves at `now`; it was written by a clock that showed `date`."""
        wait = seconds(next((text for name, text in headers.items() if name.lower() == "retry-after"), ""), date)
        if not wait:
            return
        if len(self._until) >= MAX_WAITING:
            self._until = {key: until for key, until in self._until.items() if until > now}
        if len(self._until) < MAX_WAITING:
            self._until[_key(traits)] = max(now + wait, self._until.get(_key(traits), now))

    def seen(self, traits: Traits, now: float) -> None:
        """Note a request, in the ledger too if it came too early."""
        if not self._until:
            return
        until = self._until.get(_key(traits))
        if until is None:
            return
        if until <= now:
            del self._until[_key(traits)]
            return
        mailbox = min(traits.mailbox, key=lambda name: ("@" not in name, name), default=None)
        self._ledger.note_early(EarlyReturn(now, traits.app, mailbox, traits.method, traits.path, until - now))

    def clear(self) -> None:
        """Let everybody come back."""
        self._until.clear()


def seconds(retry_after: str, date: float) -> float:
    """The wait that a Retry-After means at that date: seconds, also in decimals, or an HTTP date; 0 for nonsense."""
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - date
        except ValueError:
            return 0.0
    return max(0.0, wait) if math.isfinite(wait) else 0.0


def _key(traits: Traits) -> tuple[str | None, Hashable]:
    return traits.app, traits.mailbox or traits.path.lower()
