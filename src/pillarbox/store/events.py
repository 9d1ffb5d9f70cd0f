"""What happened, in the order in which it was committed: read by number, kept for a while.

Events of messages and pauses are written by triggers (sql/<dialect>/migrations), those of accounts by the statements
that change them. An event is in the transaction of what it tells of.
"""

import json
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, Row, Statement, statement

TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "send.sent": "Microsoft took a message.",
        "send.deferred": "An attempt came to nothing; the next one is planned.",
        "send.uncertain": "It is not known whether Microsoft took a message; it is looked up.",
        "send.held": "A message waits for a person, or for its account to be good again.",
        "send.failed": "A message is not sent any more.",
        "send.bounced": "A message is not sent any more, and its sender was told.",
        "send.canceled": "A person does not want a message sent.",
        "send.delivered": "Exchange's trace says that a sent message was delivered.",
        "send.undelivered": "Exchange has told that a sent message was not delivered.",
        "mailbox.signed_in": "Somebody has signed in for a mailbox.",
        "mailbox.needs_sign_in": "The sign-in of a mailbox is at its end.",
        "mailbox.paused": "Nothing is sent from a mailbox until a person, or a probe, ends the pause.",
        "mailbox.resumed": "A pause of a mailbox is over; another one may still hold it.",
        "sending.paused": "Nothing is sent for an app registration, to a host, or at all, until that ends.",
        "sending.resumed": "Such a pause is over; another one may still hold.",
        "app.credential_ending": "A credential of an app registration ends in 30, 14, 7 or 1 days, or has ended.",
        "connect_link.completed": "A mailbox was connected by a link.",
        "connect_link.failed": "A sign-in by a link connected nothing.",
    }
)
"""All types of events, with a sentence about each."""
SLICE_ROWS: Final = 10_000
"""Events that one read looks through, so that no other read waits for long."""


def happened(type: str, subject: str, data: Mapping[str, object], now: float, mailbox_id: int | None) -> Statement:
    """Writes an event, in the transaction that makes it so. Without a mailbox it is for those who see all."""
    return statement("event_add", type=type, subject=subject, mailbox_id=mailbox_id, data=json.dumps(data), now=now)


class EventLog:
    """The events in a database. Times are seconds since 1970; each row has its `data` as a mapping."""

    def __init__(self, database: Database, clock: Clock, slice_rows: int = SLICE_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._slice_rows = slice_rows

    async def bounds(self) -> tuple[int, int]:
        """The number of the first event that is kept, and of the last; of none (1, 0)."""
        (row,) = await self._database.read("event_bounds")
        return (row["first"], row["last"]) if row["first"] is not None else (1, 0)

    async def last(self) -> int:
        """The number of the last event; 0 where nothing has happened yet."""
        return (await self.bounds())[1]

    async def page(
        self,
        after: int,
        limit: int,
        *,
        types: Collection[str] | None = None,
        mailboxes: Collection[int] | None = None,
    ) -> tuple[list[Row], int]:
        """Up to `limit` events after number `after`, oldest first, and the number to go on from.

        Of these types and mailboxes alone, where they are given: the number is behind what was passed over, too.
        """
        first, last = await self.bounds()
        after, found = max(after, first - 1), list[Row]()
        while after < last and len(found) < limit:
            until = min(after + self._slice_rows, last)
            rows = await self._database.read(
                "event_list",
                after=after,
                until=until,
                types=_json(types),
                mailboxes=_json(mailboxes),
                limit=limit - len(found),
            )
            found += rows
            after = rows[-1]["seq"] if len(found) == limit else until
        return [{**row, "data": json.loads(row["data"])} for row in found], after

    async def since(self, after: int, limit: int) -> list[Row]:
        """Number, subject and mailbox of up to `limit` events after number `after`."""
        return await self._database.read("event_since", after=after, limit=limit)

    async def forget(self, age: float, limit: int) -> int:
        """Forget events of more than `age` seconds, of the oldest `limit`; how many. The last one of all stays."""
        (rows,) = await self._database.write(statement("event_forget", since=self._clock() - age, limit=limit))
        return len(rows)


def _json(values: Collection[object] | None) -> str | None:
    return None if values is None else json.dumps(sorted(values, key=str))
