"""What is not kept for ever: bodies of what was sent, messages that came to their end, the room that they took."""

import json
from collections.abc import Sequence
from typing import Final

from pillarbox.core.cause import DOUBTS
from pillarbox.store.database import Database, Row, statement

BATCH: Final = 200
"""Messages of one transaction: short enough that a message that comes in meanwhile need not wait."""
_DOUBTS: Final = json.dumps(DOUBTS)
"""Of what is sent with one of these causes a person said so, who may be wrong: it is the last copy."""


class Retention:
    """Drops in batches. Times are seconds since 1970; each returns how many messages it was about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def drop_bodies(self, since: float) -> int:
        """Of messages that Microsoft took before this time, keep no more than the header."""
        return await self.drop_bodies_of(await self.over(since))

    async def remove(self, since: float, before: str, copies_since: float) -> int:
        """Remove messages that came to their end before `since`, and whose queue ids are below `before`.

        Those of which a copy or a draft may lie in the mailbox came to it before `copies_since` too.
        """
        return await self.remove_of(await self.old(since, before, copies_since), since, copies_since)

    # ---- in two steps: between them a person may bring a message back

    async def over(self, since: float) -> Sequence[int]:
        """Up to a batch of messages whose bodies may go."""
        return _seqs(await self._database.read("retention_over", since=since, limit=BATCH, doubts=_DOUBTS))

    async def drop_bodies_of(self, seqs: Sequence[int]) -> int:
        """Drop the bodies of these messages, as far as they are still sent."""
        if not seqs:
            return 0
        among = json.dumps(seqs)
        marked, *_ = await self._database.write(
            statement("retention_mark_over", seqs=among),
            statement("retention_keep_header", seqs=among),
            statement("retention_drop_rest", seqs=among),
        )
        return len(marked)

    async def old(self, since: float, before: str, copies_since: float) -> Sequence[int]:
        """Up to a batch of messages that may go."""
        return _seqs(
            await self._database.read(
                "retention_old", since=since, before=before, copies_since=copies_since, limit=BATCH
            )
        )

    async def remove_of(self, seqs: Sequence[int], since: float, copies_since: float) -> int:
        """Remove these messages, as far as they are still at their end."""
        if not seqs:
            return 0
        among = json.dumps(seqs)
        marked, *_ = await self._database.write(
            statement("retention_mark_old", seqs=among, since=since, copies_since=copies_since),
            statement("retention_unlink", seqs=among),
            statement("retention_remove_attempts", seqs=among),
            statement("retention_remove_bodies", seqs=among),
            statement("retention_remove", seqs=among),
        )
        return len(marked)

    async def room(self) -> tuple[int, int]:
        """Pages of the store that hold nothing, and all pages."""
        (row,) = await self._database.read("retention_free")
        return row["free"], row["whole"]

    async def give_back(self) -> None:
        """Give some of the empty pages back to the disk."""
        await self._database.write(statement("retention_give_back"))


def _seqs(rows: Sequence[Row]) -> list[int]:
    return [row["seq"] for row in rows]
