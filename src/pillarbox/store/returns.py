"""What became of sent messages afterwards, as Exchange reports it."""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pillarbox.store.database import Database, Row, statement


class Sent(NamedTuple):
    """A sent message of which not all is known; its last attempt began at `began_at`."""

    id: str
    mailbox_id: int
    message_id: str
    recipients: Sequence[str]
    began_at: float


class Returns:
    """The column `delivery` of the outbox: empty; delivered or failed, by the trace; bounced, by a report."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sent(self, mailbox_id: int, message_ids: Collection[str], since: str) -> Sequence[Row]:
        """Id, message_id and delivery of messages of a mailbox with these Message-IDs, from the queue id `since` on.

        Of those that Exchange has, or may have.
        """
        return await self._database.read(
            "returns_sent", mailbox_id=mailbox_id, message_ids=json.dumps(list(message_ids)), since=since
        )

    async def bounced(self, queue_id: str, text: str) -> bool:
        """Exchange could not deliver a sent message, and said this; False where that is known already."""
        (rows,) = await self._database.write(statement("returns_bounced", id=queue_id, text=text))
        return bool(rows)

    async def untold(
        self, mailboxes: Collection[int], since: str, earliest: float, latest: float, firm: float, limit: int
    ) -> list[Sent]:
        """Up to `limit` sent messages of these mailboxes of which nothing is known, the newest first.

        From the queue id `since` on, their attempt begun from `earliest` to `latest`; then those that were delivered,
        their attempt begun from `firm` on.
        """
        rows = await self._database.read(
            "returns_untold",
            mailboxes=json.dumps(list(mailboxes)),
            since=since,
            earliest=earliest,
            latest=latest,
            firm=firm,
            limit=limit,
        )
        return [Sent(**{**row, "recipients": json.loads(row["recipients"])}) for row in rows]

    async def traced(self, queue_id: str, delivery: str, text: str) -> bool:
        """The trace tells `delivered` or `failed` of a sent message; False where that is known, or something worse."""
        (rows,) = await self._database.write(statement("returns_traced", id=queue_id, delivery=delivery, text=text))
        return bool(rows)
