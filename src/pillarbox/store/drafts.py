"""Drafts that were left behind: of messages that came to their end by another way than being sent as that draft."""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pillarbox.store.database import Database, statement


class LeftDraft(NamedTuple):
    """A draft at Microsoft that nothing will send. `draft_id` is its immutable id, `id` its message's queue id."""

    seq: int
    id: str
    draft_id: str


class Drafts:
    """The drafts that the outbox knows of. Times are seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mailboxes(self, since: float) -> Sequence[int]:
        """The mailboxes in which such drafts lie, of messages that ended before this time."""
        return [row["mailbox_id"] for row in await self._database.read("drafts_mailboxes", since=since)]

    async def left(self, mailbox_id: int, since: float, limit: int) -> Sequence[LeftDraft]:
        """Up to `limit` of them in a mailbox, the oldest first."""
        rows = await self._database.read("drafts_left", mailbox_id=mailbox_id, since=since, limit=limit)
        return [LeftDraft(**row) for row in rows]

    async def forget(self, left: LeftDraft) -> bool:
        """It is there no more, or will not be soon; False where somebody has its message sent again meanwhile."""
        (forgotten,) = await self._database.write(statement("drafts_forget", seq=left.seq, draft_id=left.draft_id))
        return bool(forgotten)

    async def remember(self, left: LeftDraft) -> None:
        """It is there still, unless its message has another one by now."""
        await self._database.write(statement("drafts_remember", seq=left.seq, draft_id=left.draft_id))

    async def found_sent(self, left: LeftDraft, note: str) -> None:
        """It has been sent, and so its message is, with a sentence about that."""
        await self._database.write(statement("drafts_found_sent", seq=left.seq, draft_id=left.draft_id, note=note))

    async def doubtful(self, since: float) -> Sequence[int]:
        """The mailboxes in which there may be drafts whose ids were never kept: an attempt since then did not send."""
        return [row["mailbox_id"] for row in await self._database.read("drafts_doubtful", since=since)]

    async def known(self, mailbox_id: int, message_ids: Collection[str]) -> set[str]:
        """Those of these Message-IDs that messages of a mailbox have."""
        asked = json.dumps(list(message_ids))
        rows = await self._database.read("drafts_known", mailbox_id=mailbox_id, message_ids=asked)
        return {row["message_id"] for row in rows}

    async def is_unkept(self, queue_id: str, draft_id: str, since: float) -> bool:
        """Whether the message that a draft names ended before this time, and had another draft or none."""
        return bool(await self._database.read("drafts_is_unkept", id=queue_id, draft_id=draft_id, since=since))
