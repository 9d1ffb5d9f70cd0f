"""Who waits long for a message to leave is told so, once, whatever holds it up: attempts that fail, or none being made.

A warning tells of an age, not of an attempt: a mailbox that is paused has none. So the outbox is looked through, each
time for what has come to that age since the last one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome
from pillarbox.delivery.notices import Notices
from pillarbox.delivery.queue_id import first_of
from pillarbox.store.messages import Claimed, Late
from pillarbox.store.outbox import Outbox

_PAUSE: Final = 60.0
"""Seconds between two rounds."""
_BATCH: Final = 200
_TICK: Final = 0.001
"""Seconds that a queue id tells apart."""


@dataclass(slots=True)
class Delays:
    """Warns of messages that are older than `age` seconds and still wait; 0: of none.

    `is_paused` says whether nothing of a mailbox goes now.
    """

    outbox: Outbox
    notices: Notices
    is_paused: Callable[[Mailbox], bool]
    clock: Clock
    log: Logger
    age: float
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep
    _since: float = field(default=0.0, init=False)
    """What was accepted, or was to go, before this moment has been looked at."""

    async def run(self) -> None:
        """Go round until canceled."""
        while self.age:
            try:
                await self.round()
            except PillarboxError as error:
                self.log.error("store.unusable", where="delays", code=error.code, reason=error.sentence)
            await self.wait(_PAUSE)

    async def round(self) -> None:
        """Warn of what has come to that age since the last round."""
        until = self.clock() - self.age
        since = self._since
        looked_at = until
        after, before = first_of(since), first_of(until + _TICK)
        while found := await self.outbox.late(after, before, _BATCH):
            for late in found:
                looked_at = min(looked_at, await self._warn(late, late.message.created_at - _PAUSE))
            after = found[-1].message.id + "~"
        for late in await self.outbox.late_for_their_time(since, until, _BATCH):
            looked_at = min(looked_at, await self._warn(late, since))
        # Also where that is earlier than before: the clock went back.
        self._since = looked_at

    async def _warn(self, late: Late, moment: float) -> float:
        """Warn of one, unless it is being sent just now: then `moment` comes back, from which to look again."""
        if late.is_sent_now:
            return moment
        try:
            message = late.message
            can_send = not self.is_paused(message.mailbox)
            notice = await self.notices.delayed(message, await self._last(message), can_send=can_send)
            if notice is not None and await self.outbox.tell(notice):
                self.notices.written(message, (notice,))
        except PillarboxError:
            raise
        except Exception:
            # A mistake of ours costs the warning, and not those of others.
            self.log.exception("unexpected", where="delay", id=late.message.id)
        return float("inf")

    async def _last(self, message: Claimed) -> Outcome | None:
        """What its last attempt came to."""
        attempts = await self.outbox.attempts(message.seq)
        if not attempts or attempts[-1]["cause"] not in list(Cause):
            return None
        last = attempts[-1]
        return Outcome(
            Cause(last["cause"]),
            last["code"],
            last["reason"],
            http_status=last["http_status"],
            request_id=last["request_id"],
        )
