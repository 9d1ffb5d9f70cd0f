"""Idempotency keys: what came of a request is kept with the message that it made, in one transaction."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, Statement, statement

KEPT: Final = 48 * 3600.0
"""Seconds that a key is kept: longer than a client tries again."""
_SET: Final = 60.0
"""Seconds by which a clock that was set differs from one that runs on."""


class Answered(NamedTuple):
    """What came of a request: the SHA-256 of what was asked, in hexadecimal digits, and the id of the message."""

    digest: str
    queue_id: str


class IdempotencyKeys:
    """The keys in a database. `scope` is who asks, and where: the same key of another one is another key.

    `running` counts seconds from anywhere, and is set by nobody: a clock that jumps ahead makes no key older.
    """

    def __init__(self, database: Database, clock: Clock, running: Clock) -> None:
        self._database = database
        self._clock = clock
        self._running = running
        self._ahead = clock() - running()
        self._known_since = clock() - KEPT
        self._set_at = -math.inf

    async def find(self, scope: str, key: str) -> Answered | None:
        """What came of this key, or None."""
        rows = await self._database.read("idempotency_find", scope=scope, key=key, since=self._since())
        return Answered(**rows[0]) if rows else None

    def keeping(self, scope: str, key: str, answered: Answered) -> Sequence[Statement]:
        """What keeps a key, for the transaction of its message; that fails where the key is there by now."""
        return (
            statement("idempotency_forget_one", scope=scope, key=key, since=self._since()),
            statement(
                "idempotency_keep",
                expect=1,
                scope=scope,
                key=key,
                digest=answered.digest,
                queue_id=answered.queue_id,
                now=self._clock(),
            ),
        )

    async def forget(self, limit: int) -> int:
        """Forget up to `limit` keys that were kept long enough; how many there were."""
        (rows,) = await self._database.write(statement("idempotency_forget", since=self._since(), limit=limit))
        return len(rows)

    def _since(self) -> float:
        """When the oldest keys were made that are still known: KEPT ago, but none is forgotten so long after a jump."""
        now, running = self._clock(), self._running()
        if now - running > self._ahead + _SET:
            self._set_at = running
        self._ahead = now - running
        if running > self._set_at + KEPT:
            self._known_since = now - KEPT
        return min(self._known_since, now - KEPT)
