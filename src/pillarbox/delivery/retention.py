"""What was sent need not stay: a small task that drops bodies and old messages, a batch at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.delivery.queue_id import first_of
from pillarbox.delivery.sent_items import LONG_BEFORE
from pillarbox.store.idempotency import IdempotencyKeys
from pillarbox.store.retention import BATCH, Retention

_COPIES: Final = LONG_BEFORE
"""Seconds after its end for which a message says whose a copy in Sent Items is: an older copy is nobody's who comes."""
_PAUSE: Final = 10.0
"""Seconds between two rounds."""
_BREATH: Final = 0.05
"""Seconds between two batches, in which others write."""
_MOST_EMPTY: Final = 4
"""A store of which one page in so many is empty gives some back; fewer are filled again soon."""
_FEW: Final = 10_000
"""Empty pages that are never given back."""
_ROOM_AT_ONCE: Final = 10
"""Times that some pages are given back in one round."""


class Dropped(NamedTuple):
    """What a round came to, in messages."""

    bodies: int
    messages: int


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Keeps the store small. `sent_bodies` and `messages` are seconds after their end, as in the settings."""

    retention: Retention
    keys: IdempotencyKeys
    clock: Clock
    log: Logger
    sent_bodies: float
    messages: float
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep
    also: Sequence[Callable[[int], Awaitable[int]]] = ()
    """What else is forgotten after a time of its own: each drops up to so many, and says how many there were."""

    async def run(self) -> None:
        """Go round until canceled."""
        while True:
            try:
                dropped = await self.round()
                if dropped.messages:
                    self.log.info("outbox.purged", messages=dropped.messages)
                await self._give_back()
            except PillarboxError as error:
                self.log.error("store.unusable", where="retention", code=error.code, reason=error.sentence)
            await self.wait(_PAUSE)

    async def round(self, messages: float | None = None) -> Dropped:
        """Drop all that may go: messages that ended `messages` seconds ago (None: as the settings say)."""
        now = self.clock()
        ended = now - (self.messages if messages is None else messages)
        bodies = await self._in_batches(lambda: self.retention.drop_bodies(now - self.sent_bodies))
        removed = await self._in_batches(lambda: self.retention.remove(ended, first_of(ended + 0.001), now - _COPIES))
        await self._in_batches(lambda: self.keys.forget(BATCH))
        for forget in self.also:
            await self._in_batches(partial(forget, BATCH))
        return Dropped(bodies, removed)

    async def _in_batches(self, drop: Callable[[], Awaitable[int]]) -> int:
        whole = 0
        while dropped := await drop():
            whole += dropped
            await self.wait(_BREATH)
        return whole

    async def _give_back(self) -> None:
        for _ in range(_ROOM_AT_ONCE):
            free, whole = await self.retention.room()
            if free < _FEW or free * _MOST_EMPTY < whole:
                return
            await self.retention.give_back()
            await self.wait(_BREATH)
