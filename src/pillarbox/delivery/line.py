"""The line of an app registration: where it has fewer places than its mailboxes want, they take turns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from pillarbox.core.governor import Governor


@dataclass(slots=True)
class Line:
    """An app registration's governor, and the mailboxes that wait for a place of its: who came first is first."""

    governor: Governor
    waiting: dict[int, None] = field(default_factory=dict)

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

    def first(self, now: float, takes: Callable[[int], bool]) -> tuple[int, ...]:
        """Who comes next, of those that take a place now: as many as there are places."""
        return tuple(islice(filter(takes, self.waiting), self.governor.most(now)))
