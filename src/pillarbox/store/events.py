"""What happened, in the order in which it was committed: read by number, kept for a while.

Events of messages and pauses are written by triggers (sql/<dialect>/migrations), those of accounts by the statements
that change them. An event is in the transaction of what it tells of.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from pillarbox.core.errors import NotFound
from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, Row, Statement, statement

_SEND: Final = ("mailbox", "submitter", "message_id", "purpose", "code", "cause", "maybe_duplicate")


class EventType(NamedTuple):
    """What an event of this type says, and the names of its data."""

    meaning: str
    data: tuple[str, ...] = _SEND


TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        "send.sent": EventType("Microsoft took a message."),
        "send.deferred": EventType("An attempt came to nothing; the next one is planned."),
        "send.uncertain": EventType("It is not known whether Microsoft took a message; it is looked up."),
        "send.held": EventType("A message waits for a person, or for its account to be good again."),
        "send.failed": EventType("A message is not sent any more."),
        "send.bounced": EventType("A message is not sent any more, and its sender was told."),
        "send.canceled": EventType("A person does not want a message sent."),
        "send.delivered": EventType("Exchange's trace says that a sent message was delivered.", (*_SEND, "text")),
        "send.undelivered": EventType("Exchange has told that a sent message was not delivered.", (*_SEND, "text")),
        "mailbox.signed_in": EventType("Somebody has signed in for a mailbox.", ()),
        "mailbox.needs_sign_in": EventType("The sign-in of a mailbox is at its end.", ("code",)),
        "mailbox.paused": EventType(
            "Nothing is sent from a mailbox until a person, or a probe, ends the pause.", ("scope", "cause", "reason")
        ),
        "mailbox.resumed": EventType(
            "A pause of a mailbox is over; another one may still hold it.", ("scope", "cause")
        ),
        "sending.paused": EventType(
            "Nothing is sent for an app registration, to a host, or at all, until that ends.",
            ("scope", "cause", "reason"),
        ),
        "sending.resumed": EventType("Such a pause is over; another one may still hold.", ("scope", "cause")),
        "app.credential_ending": EventType(
            "A credential of an app registration ends in 30, 14, 7 or 1 days, or has ended.",
            ("credential", "kind", "ends_at", "days"),
        ),
        "listener.certificate_ending": EventType(
            "The certificate of listeners ends in 30, 14, 7 or 1 days, or has ended.", ("listeners", "ends_at", "days")
        ),
        "connect_link.completed": EventType("A mailbox was connected by a link.", ("mailbox", "account")),
        "connect_link.failed": EventType("A sign-in by a link connected nothing.", ("mailbox", "code", "last")),
    }
)
"""All types of events."""
FIELDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "account": ("string", "User name of who signed in."),
        "cause": ("string", "Why, as the lists of messages and pauses say it."),
        "code": ("string", "The error code; empty where there is none."),
        "credential": ("number", "Id of the credential."),
        "days": ("number", "Days until it ends; 0: it has."),
        "ends_at": ("number", "When it ends, in seconds since 1970."),
        "kind": ("string", "What the credential is: secret, certificate..."),
        "last": ("boolean", "Whether the link is good no more, as too many sign-ins were refused."),
        "listeners": ("array", "Names of the listeners that show it."),
        "mailbox": ("string", "Address of the mailbox; null where it is there no more."),
        "maybe_duplicate": ("boolean", "Whether Microsoft may have taken the message more than once."),
        "message_id": ("string", "Message-ID of the message."),
        "purpose": ("string", "What a message of ours is for: test, bounce, delayed...; empty: it was handed in."),
        "reason": ("string", "What Microsoft, or the person, said about it."),
        "scope": ("string", "What is paused: mailbox/ID, app/ID, host/NAME, all."),
        "submitter": ("string", "Who handed the message in."),
        "text": ("string", "What Exchange said of the delivery."),
    }
)
"""What the data of events hold: type in JSON, and meaning."""
SLICE_ROWS: Final = 10_000
"""Events that one read looks through, so that no other read waits for long."""


def happened(type: str, subject: str, data: Mapping[str, object], now: float, mailbox_id: int | None) -> Statement:
    """Writes an event, in the transaction that makes it so. Without a mailbox it is for those who see all."""
    return statement("event_add", type=type, subject=subject, mailbox_id=mailbox_id, data=json.dumps(data), now=now)


class Mark(NamedTuple):
    """A place in the feed: behind event `seq`, which happened `at` (None: it is not kept, or there was none).

    The time tells whether it is the same event: where a backup was put back, numbers are given a second time.
    """

    seq: int
    at: float | None


class EventLog:
    """The events in a database. Times are seconds since 1970; each row has its `data` as a mapping."""

    def __init__(self, database: Database, clock: Clock, slice_rows: int = SLICE_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._slice_rows = slice_rows

    async def last(self) -> int:
        """The number of the last event; 0 where nothing has happened yet."""
        return (await self._bounds())[1]

    async def page(
        self,
        after: Mark | None,
        limit: int,
        *,
        types: Collection[str] | None = None,
        mailboxes: Collection[int] | None = None,
    ) -> tuple[list[Row], Mark]:
        """Up to `limit` events behind `after` (None: from the oldest on), oldest first, and the mark to go on from.

        Of these types and mailboxes alone, where they are given: the mark is behind what was passed over, too. Raises
        NotFound `events.gone` where some of what followed `after` is not kept any more, or `after` is of another store.
        """
        told, known = _json(types), _json(mailboxes)
        first, last, at = await self._bounds(after.seq if after else 0)
        start = here = after.seq if after else first - 1
        if not first - 1 <= start <= last or (after and at is not None and after.at not in (None, at)):
            raise NotFound("events.gone")
        found = list[Row]()
        while here < last and len(found) < limit:
            until = min(here + self._slice_rows, last)
            found += await self._database.read(
                "event_list", after=here, until=until, limit=limit - len(found), types=told, mailboxes=known
            )
            here = found[-1]["seq"] if len(found) == limit else until
        # Looked at last: what was forgotten while this read must not be missing without a word.
        first, _, at = await self._bounds(here)
        if after and start < first - 1:
            raise NotFound("events.gone")
        return _told(found), Mark(here, at)

    async def newest(
        self, limit: int, *, types: Collection[str] | None = None, mailboxes: Collection[int] | None = None
    ) -> tuple[list[Row], Mark]:
        """The last `limit` events, oldest first, of these types and mailboxes alone; and the mark behind all events."""
        told, known = _json(types), _json(mailboxes)
        first, last, _ = await self._bounds()
        until, found = last, list[Row]()
        while until >= first and len(found) < limit:
            after = max(until - self._slice_rows, first - 1)
            found += await self._database.read(
                "event_newest", after=after, until=until, limit=limit - len(found), types=told, mailboxes=known
            )
            until = after
        _, _, at = await self._bounds(last)
        return _told(reversed(found)), Mark(last, at)

    async def since(self, after: int, limit: int) -> list[Row]:
        """Number, type, subject and mailbox of up to `limit` events after number `after`."""
        return await self._database.read("event_since", after=after, limit=limit)

    async def tell_once(self, type: str, subject: str, data: Mapping[str, object]) -> bool:
        """Write an event that says what none that is kept does; False where there is one. For one writer alone."""
        written = json.dumps(data)
        if await self._database.read("event_told", type=type, subject=subject, data=written):
            return False
        await self._database.write(happened(type, subject, data, self._clock(), None))
        return True

    async def forget(self, age: float, limit: int) -> int:
        """Forget events of more than `age` seconds, of the oldest `limit`; how many. The last one of all stays.

        What is older than a forgotten one goes with it, whatever its time says: nothing is missing between two events.
        """
        (rows,) = await self._database.write(statement("event_forget", since=self._clock() - age, limit=limit))
        return len(rows)

    async def _bounds(self, seq: int = 0) -> tuple[int, int, float | None]:
        """The number of the first event that is kept, and of the last (of none 1 and 0); the time of event `seq`."""
        (row,) = await self._database.read("event_bounds", seq=seq)
        first, last = (row["first"], row["last"]) if row["first"] is not None else (1, 0)
        return first, last, row["at"]


def _json(values: Collection[object] | None) -> str | None:
    return None if values is None else json.dumps(sorted(values, key=str))


def _told(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "data": json.loads(row["data"])} for row in rows]
