"""Figures of the store for whoever watches the service: each is read from an index, however long the outbox is."""

from typing import NamedTuple

from pillarbox.store.database import Database


class Waiting(NamedTuple):
    """Messages in one state that is not the end, and when the oldest of them was accepted (seconds since 1970)."""

    state: str
    messages: int
    oldest: float


async def waiting(database: Database) -> list[Waiting]:
    """What waits, by state; states without messages are not there."""
    return [Waiting(**row) for row in await database.read("measures_waiting")]


async def last_event(database: Database) -> int:
    """The number of the last event, which is how many there ever were."""
    (row,) = await database.read("measures_last_event")
    return int(row["last"])
