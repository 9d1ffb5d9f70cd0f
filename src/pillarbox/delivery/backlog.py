"""How much may wait for one mailbox. Counted in memory as messages come in, and in the store where that seems full."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Clock
from pillarbox.store.messages import Waiting

_FRESH: Final = 1.0
"""Seconds that a count of the store is believed; what leaves in between is not counted off."""
_NOTHING: Final = Waiting(0, 0)


@dataclass(slots=True)
class _Count:
    """One mailbox: what has come in since the start, what of that was being written no more, and what waits besides."""

    came: Waiting = _NOTHING
    written: Waiting = _NOTHING
    besides: Waiting = _NOTHING


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
        self._counts: defaultdict[int, _Count] = defaultdict(_Count)
        self._counting = asyncio.Lock()
        self._counted_at = -math.inf
        self._doubts = 0
        self._settled = -1

    def check(self, mailbox: Mailbox, size: int) -> None:
        """Whether a message of so many bytes (0: not known) may come, as far as memory knows.

        Raises Unavailable `mail.backlog_full` where the store has just said so; otherwise `taking` will ask it.
        """
        if self._is_fresh() and not self._has_room(mailbox, size):
            raise self._refusal(mailbox)

    def doubt(self) -> None:
        """Something waits again that did not come in here: the store is asked before the next message is taken."""
        self._doubts += 1

    @asynccontextmanager
    async def taking(self, mailbox: Mailbox, size: int) -> AsyncIterator[None]:
        """Count a message that is written meanwhile; what goes wrong inside does not count.

        Raises Unavailable `mail.backlog_full`.
        """
        if self._settled != self._doubts or (not self._has_room(mailbox, size) and not self._is_fresh()):
            await self._count()
        if not self._has_room(mailbox, size):
            raise self._refusal(mailbox)
        count, one = self._counts[mailbox.id], Waiting(1, size)
        count.came = _sum(count.came, one)
        try:
            yield
        except Exception:
            # Not when it is canceled: then the store may take it all the same.
            count.besides = _less(count.besides, one)
            raise
        finally:
            count.written = _sum(count.written, one)

    async def _count(self) -> None:
        async with self._counting:
            if self._settled == self._doubts and self._is_fresh():
                return  # Somebody else has counted while we waited.
            doubts = self._doubts
            # What is written while the store counts may be in its count or not: it is held to be not.
            written = {mailbox_id: count.written for mailbox_id, count in self._counts.items()}
            found = await self._waiting()
            for mailbox_id in {*self._counts, *found}:
                known = found.get(mailbox_id, _NOTHING)
                self._counts[mailbox_id].besides = _less(known, written.get(mailbox_id, _NOTHING))
            self._counted_at, self._settled = self._clock(), doubts

    def _is_fresh(self) -> bool:
        return 0 <= self._clock() - self._counted_at < _FRESH

    def _has_room(self, mailbox: Mailbox, size: int) -> bool:
        count = self._counts.get(mailbox.id, _Count())
        waits = _sum(count.came, count.besides)
        return waits.messages < self._most_messages and waits.size + size <= self._most_bytes

    def _refusal(self, mailbox: Mailbox) -> Unavailable:
        return Unavailable("mail.backlog_full", mailbox=mailbox.address)


def _sum(one: Waiting, other: Waiting) -> Waiting:
    return Waiting(one.messages + other.messages, one.size + other.size)


def _less(one: Waiting, other: Waiting) -> Waiting:
    return Waiting(one.messages - other.messages, one.size - other.size)
