"""What became of sent messages afterwards, as Exchange reports it."""

import json
from collections.abc import Collection, Sequence

from pillarbox.store.database import Database, Row, statement


class Returns:
    """The column `delivery` of the outbox: empty, or bounced."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sent(self, mailbox_id: int, message_ids: Collection[str], since: str) -> Sequence[Row]:
        """The id and message_id of sent messages of a mailbox with these Message-IDs, from the queue id `since` on."""
        return await self._database.read(
            "returns_sent", mailbox_id=mailbox_id, message_ids=json.dumps(list(message_ids)), since=since
        )

    async def bounced(self, queue_id: str, text: str) -> bool:
        """Exchange could not deliver a sent message, and said this; False where that is known already."""
        (rows,) = await self._database.write(statement("returns_bounced", id=queue_id, text=text))
        return bool(rows)
