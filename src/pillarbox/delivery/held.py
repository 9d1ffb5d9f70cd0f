"""What is held until a probe is taken, and when one is due: each mailbox that has such mail is tried again."""

from collections.abc import Collection
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.delivery.findings import HELD
from pillarbox.delivery.pauses import SOON, Pauses, lasts
from pillarbox.delivery.ways import Ways
from pillarbox.store import limits as store
from pillarbox.store.limits import LimitStore, Pause

_NOTHING: Final[Collection[Cause]] = ()


class Held:
    """The mailboxes of which something is held, and for which causes, as the store was last seen."""

    def __init__(self, limit_store: LimitStore, pauses: Pauses, ways: Ways) -> None:
        self._store = limit_store
        self._pauses = pauses
        self._ways = ways
        self._causes: dict[int, list[Cause]] = {}
        self._vain: dict[int, float] = {}
        """When what is held is looked at again, where it had no probe for what was due."""
        self._ended = self._ended_before = 0
        """Pauses that ended so far, and until `look` began."""

    async def look(self) -> Collection[int]:
        """Look which mailboxes have something held."""
        ended_before = self._ended
        self._causes, self._ended_before = await self._store.held(HELD), ended_before
        return self._causes

    @property
    def mailbox_ids(self) -> Collection[int]:
        """The mailboxes that have something held."""
        return self._causes.keys()

    def causes(self, mailbox_id: int) -> Collection[Cause]:
        """Causes for which something of a mailbox is held."""
        return self._causes.get(mailbox_id, _NOTHING)

    def due(self, mailbox: Mailbox, now: float) -> float:
        """When what is held of a mailbox may be the probe.

        What is held and has no pause, as its mailbox has another app registration or host by now, gets one that is
        over: else nothing would let it go again. Not where one has ended since `look` began: that one let it go.
        """
        causes = self.causes(mailbox.id)
        pauses = self._ways.concerning(mailbox) + self._ways.elsewhere(mailbox)
        for cause in causes:
            if self._ended == self._ended_before and not any(one.cause == cause for one in pauses):
                pauses.append(self._probe_now(mailbox, cause, now))
        ends = [(one.until or 0.0) if lasts(one, now) else 0.0 for one in pauses if one.cause in causes]
        vain = self._vain.get(mailbox.id, 0.0)
        return max(min(ends, default=0.0), vain if vain <= now + SOON else 0.0)

    def moved(self, mailbox: Mailbox, now: float) -> None:
        """It sends by other tokens now: what is held is probed at once, where its cause has no pause of these.

        A pause of another way for the same cause is no reason to wait: what is held for that would go first.
        """
        there = {one.cause for one in self._ways.concerning(mailbox)}
        for cause in self.causes(mailbox.id):
            if cause not in there:
                self._probe_now(mailbox, cause, now)

    def _probe_now(self, mailbox: Mailbox, cause: Cause, now: float) -> Pause:
        return self._pauses.put(Pause(store.mailbox_scope(mailbox.id), cause, now, "", now))

    def had_no_probe(self, mailbox_id: int, now: float) -> None:
        """A mailbox was to be the probe, and nothing of it could: not again for a while."""
        self._vain[mailbox_id] = now + SOON

    def look_again(self, mailbox_id: int | None = None) -> None:
        """What a mailbox holds (None: all of them) may be a probe by now."""
        if mailbox_id is None:
            self._vain.clear()
        else:
            self._vain.pop(mailbox_id, None)

    def pause_ended(self) -> None:
        """A pause is over, so that what was held for it goes: what `look` has found may be held no more."""
        self._ended += 1
