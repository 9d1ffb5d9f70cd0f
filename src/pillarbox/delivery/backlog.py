"""How much may wait for one mailbox. Counted in memory as messages come in, and in the store where that seems full."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Clock
from pillarbox.store.outbox import Waiting

_FRESH: Final = 1.0
"""Seconds that a count of the store is believed; what leaves in between is not counted off."""


@dataclass(slots=True)
class _Count:
    messages: int = 0
    size: int = 0


class Backlog:
    """What waits for each mailbox. `waiting` counts it in the store.

    While a mailbox is not near its limits nothing is asked: only what comes in is counted, until that reaches them.
    """

    def __init__(
        self,
        waiting: Callable[[], Awaitable[Mapping[int, Waiting]]],
        clock: Clock,
        most_messages: int,
        most_bytes: int,
    ) -> None:
        self._waiting = waiting
        self._clock = clock
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._counts: dict[int, _Count] = {}
        self._counted_at: float | None = None

    def check(self, mailbox: Mailbox, size: int) -> None:
        """Whether a message of so many bytes (0: not known) may come, as far as memory knows.

        Raises Unavailable `mail.backlog_full` where the store has just said so; otherwise `take` will ask it.
        """
        if self._is_fresh() and not self._has_room(mailbox, size):
            raise self._refusal(mailbox)

    async def take(self, mailbox: Mailbox, size: int) -> None:
        """Count a message that comes in. Raises Unavailable `mail.backlog_full`."""
        if self._counted_at is None or (not self._has_room(mailbox, size) and not self._is_fresh()):
            await self._count()
        if not self._has_room(mailbox, size):
            raise self._refusal(mailbox)
        count = self._counts.setdefault(mailbox.id, _Count())
        count.messages += 1
        count.size += size

    async def _count(self) -> None:
        # Two at the same time harm nobody.
        found = await self._waiting()
        self._counts = {mailbox_id: _Count(one.messages, one.size) for mailbox_id, one in found.items()}
        self._counted_at = self._clock()

    def _is_fresh(self) -> bool:
        return self._counted_at is not None and 0 <= self._clock() - self._counted_at < _FRESH

    def _has_room(self, mailbox: Mailbox, size: int) -> bool:
        count = self._counts.get(mailbox.id) or _Count()
        return count.messages < self._most_messages and count.size + size <= self._most_bytes

    def _refusal(self, mailbox: Mailbox) -> Unavailable:
        return Unavailable("mail.backlog_full", mailbox=mailbox.address)
