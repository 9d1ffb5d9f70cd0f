"""Figures of the store for whoever watches the service: none takes longer where the outbox holds many years."""

import json
from collections.abc import Collection
from typing import NamedTuple

from pillarbox.core.recent import HOUR, HOURS, MINUTE, Recent
from pillarbox.store.database import Database


class Waiting(NamedTuple):
    """Messages in one state that is not the end, and since when the oldest of them waits (seconds since 1970).

    That is since it was accepted, or since its `send_at`; now, where that is yet to come for all of them. Those
    `for_approval` are held until a person lets them go.
    """

    state: str
    for_approval: bool
    messages: int
    oldest: float


class Ending(NamedTuple):
    """A credential of an app registration that ends at a known moment (seconds since 1970)."""

    app: str
    id: str
    kind: str
    ends_at: float


async def waiting(database: Database, now: float) -> list[Waiting]:
    """What waits, by state; states without messages are not there."""
    rows = await database.read("measures_waiting")
    return [Waiting(r["state"], bool(r["for_approval"]), r["messages"], min(r["oldest"], now)) for r in rows]


async def senders(database: Database, mailboxes: Collection[int]) -> set[int]:
    """Those of some mailboxes, by their ids, that have sent something, as far as their newest messages tell."""
    rows = await database.read("measures_senders", mailboxes=json.dumps(list(mailboxes)))
    return {row["id"] for row in rows}


async def recall(database: Database, recent: Recent, now: float) -> None:
    """Count what attempts came to before the start: minute by minute, so that no other read waits for long."""
    first, last = (int(now // HOUR) - HOURS + 1) * int(HOUR / MINUTE), int(now // MINUTE)
    for minute in range(last, first - 1, -1):
        since = minute * MINUTE
        for row in await database.read("measures_attempts", since=since, until=min(since + MINUTE, now)):
            recent.add(since, row["cause"], row["attempts"])


async def endings(database: Database) -> list[Ending]:
    """The credentials whose end is known, unopened."""
    return [Ending(**row) for row in await database.read("measures_credentials")]


async def last_event(database: Database) -> int:
    """The number of the last event, which is how many there ever were."""
    (row,) = await database.read("measures_last_event")
    return int(row["last"])
