"""Who is the next probe, and of which messages it is taken.

Of those that wait for the same pause one goes. They take turns: who was none for longest is next.
"""

from collections.abc import Callable, Collection, Iterable

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.delivery.findings import HELD
from pillarbox.delivery.pauses import Pauses
from pillarbox.delivery.turn import Turn
from pillarbox.delivery.ways import Ways
from pillarbox.store.limits import Pause


class Probes:
    """Which mailbox was the probe, when, and which ones wait for it to be their turn."""

    def __init__(self, pauses: Pauses, ways: Ways) -> None:
        self._pauses = pauses
        self._ways = ways
        self._last: dict[int, int] = {}
        """The number of the last probe of each mailbox."""
        self._due: dict[int, None] = {}
        """Mailboxes of which something is due, as far as is known: the last one that was a probe comes last."""
        self._gave_way: set[int] = set()
        """Mailboxes that let another one be the probe."""
        self._asked_for: set[int] = set()
        """Mailboxes for which a person has asked for a try."""

    def in_turn(self, mailbox_ids: Iterable[int]) -> list[int]:
        """Mailboxes in the order in which they are to be woken: the last one that was a probe comes last."""
        return sorted(mailbox_ids, key=lambda mailbox_id: self._last.get(mailbox_id, 0))

    @property
    def due(self) -> Collection[int]:
        """Mailboxes of which something is due, as far as is known, `in_turn`."""
        return self._due.keys()

    def are_due(self, mailbox_ids: Iterable[int]) -> Collection[int]:
        """Something of these is due now, and of no other; they `in_turn`."""
        self._due = dict.fromkeys(self.in_turn(mailbox_ids))
        return self.due

    def better(
        self, mailbox_id: int, probes: Collection[Pause], probes_of: Callable[[int], Collection[Pause]]
    ) -> int | None:
        """Who is to be the probe in place of this mailbox: one that waits for the same, and was none for longer.

        `probes_of` says of which pauses another one would be the probe if it went now.
        """
        if not probes or mailbox_id in self._asked_for:
            return None
        mine = self._last.get(mailbox_id, 0)
        for other in self._due:
            if self._last.get(other, 0) >= mine:
                return None
            if any(one in probes for one in probes_of(other)):
                return other
        return None

    def give_way(self, mailbox_id: int) -> None:
        """It lets another one be the probe, until that one was or has nothing to send."""
        self._gave_way.add(mailbox_id)

    def nothing_to_send(self, mailbox_id: int) -> list[int]:
        """It can be no probe now; the mailboxes that let another one go first and need not wait for it, `in_turn`."""
        self._due.pop(mailbox_id, None)
        waiting, self._gave_way = self.in_turn(self._gave_way - {mailbox_id}), set()
        return waiting

    def ask_for(self, mailbox_id: int) -> None:
        """A person wants a probe of this mailbox now: it gives way to nobody, and is of the queue."""
        self._asked_for.add(mailbox_id)

    def begin(self, mailbox: Mailbox, probes: tuple[Pause, ...]) -> Turn:
        """A message of this mailbox is the probe for these pauses; of which it is best taken."""
        number = self._last[mailbox.id] = self._pauses.begin_probe(probes)
        if mailbox.id in self._due:
            del self._due[mailbox.id]
            self._due[mailbox.id] = None
        self._gave_way.clear()  # they are woken as all who were refused
        if mailbox.id in self._asked_for:
            self._asked_for.discard(mailbox.id)
            return Turn(mailbox, 1, probes, number)
        of_others = set(self._ways.other_scopes(mailbox))
        theirs = {one.cause for one in self._pauses.within(of_others)}
        first = tuple(one for one in probes if one.scope not in of_others)
        # What was held there when that was the first way has no pause of its own.
        others = _held_for(one for one in probes if one.scope in of_others or one.cause not in theirs)
        if not first:
            return Turn(mailbox, 1, probes, number, others)
        return Turn(mailbox, 1, probes, number, _held_for(first), self._ways.other_hosts(mailbox), others)


def _held_for(pauses: Iterable[Pause]) -> tuple[Cause, ...]:
    return tuple(Cause(one.cause) for one in pauses if one.cause in HELD)
