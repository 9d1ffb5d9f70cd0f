"""What is not kept for ever: bodies of what was sent, messages that came to their end, the room that they took."""

import json
from collections.abc import Sequence
from typing import Final

from pillarbox.store.database import Database, Row, statement

BATCH: Final = 200
"""Messages of one transaction: short enough that a message that comes in meanwhile need not wait."""


class Retention:
    """Drops in batches. Times are seconds since 1970; each returns how many messages it was about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def drop_bodies(self, since: float) -> int:
        """Of messages that were sent before this time, keep no more than the header."""
        seqs = _seqs(await self._database.read("retention_over", since=since, limit=BATCH))
        if seqs:
            among = json.dumps(seqs)
            await self._database.write(
                statement("retention_keep_header", seqs=among),
                statement("retention_drop_rest", seqs=among),
                statement("retention_mark", seqs=among),
            )
        return len(seqs)

    async def remove(self, since: float, before: str) -> int:
        """Remove messages that came to their end before `since`, and whose queue ids are below `before`."""
        seqs = _seqs(await self._database.read("retention_old", since=since, before=before, limit=BATCH))
        if seqs:
            among = json.dumps(seqs)
            await self._database.write(
                statement("retention_unlink", seqs=among),
                statement("retention_remove_attempts", seqs=among),
                statement("retention_remove_bodies", seqs=among),
                statement("retention_remove", seqs=among),
            )
        return len(seqs)

    async def room(self) -> tuple[int, int]:
        """Pages of the store that hold nothing, and all pages."""
        (row,) = await self._database.read("retention_free")
        return row["free"], row["whole"]

    async def give_back(self) -> None:
        """Give some of the empty pages back to the disk."""
        await self._database.write(statement("retention_give_back"))


def _seqs(rows: Sequence[Row]) -> list[int]:
    return [row["seq"] for row in rows]
