"""Waiting for events: nobody is woken too late, nobody who has no part in it, and nobody asks meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pillarbox.core.errors import Unavailable
from pillarbox.delivery.watch import ANYTHING, Topic, Watch
from pillarbox.store.database import Row
from pillarbox.store.events import EventLog, happened
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

LONG = 30.0
"""Seconds that no test of these waits to the end."""


class Log(EventLog):
    """Events, and how often somebody asked for news of them."""

    reads = 0

    async def since(self, after: int, limit: int) -> list[Row]:
        self.reads += 1
        return await super().since(after, limit)

    async def last(self) -> int:
        self.reads += 1
        return await super().last()


@dataclass
class Waiter:
    """Somebody who looks for an event of a subject, and counts how often."""

    log: EventLog
    subject: str
    looks: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> Row | None:
        self.looks += 1
        rows, _ = await self.log.page(None, 500)
        self.looked.set()
        return next((row for row in rows if row["subject"] == self.subject), None)

    async def has_looked(self, times: int) -> None:
        """Until it has looked so often."""
        while self.looks < times:
            self.looked.clear()
            await self.looked.wait()


@dataclass
class Place:
    """A store, its events, and a watch on them."""

    database: SqliteDatabase
    log: Log
    watch: Watch

    async def happens(self, subject: str, mailbox_id: int | None = None) -> None:
        await self.database.write(happened("send.sent", subject, {}, 0.0, mailbox_id))

    def waiter(self, subject: str) -> Waiter:
        return Waiter(EventLog(self.database, lambda: 0.0), subject)

    async def waits(self, waiter: Waiter, *topics: Topic) -> "asyncio.Task[Row | None]":
        """A task that waits, once it has looked in vain."""
        task = asyncio.create_task(self.watch.until(waiter, LONG, topics or (ANYTHING,)))
        await waiter.looked.wait()
        return task


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    log = Log(database, lambda: 0.0)
    watch = Watch(log)
    database.on_commit(watch.ring)
    yield Place(database, log, watch)
    watch.stop()
    await database.close()


async def test_what_is_there_already_is_found_at_once(place: Place) -> None:
    await place.happens("A")
    assert (await place.watch.until(place.waiter("A"), 0.0) or {})["subject"] == "A"


async def test_who_waits_is_woken_by_the_commit(place: Place) -> None:
    task = await place.waits(place.waiter("A"), "A")
    await place.happens("A")
    assert (await task or {})["subject"] == "A"


async def test_nothing_in_time_is_nothing(place: Place) -> None:
    assert await place.watch.until(place.waiter("A"), 0.01) is None
    assert place.watch.waiting == 0


async def test_what_is_committed_between_the_look_and_the_waiting_wakes(place: Place) -> None:
    waiter, other = place.waiter("A"), await place.waits(place.waiter("A"), "A")

    async def look() -> Row | None:
        found = await waiter()
        if waiter.looks == 1:
            # It was not there when it was looked; when the waiting begins it was told already.
            await place.happens("A")
            assert await other is not None
        return found

    assert await place.watch.until(look, LONG, ["A"]) is not None


async def test_what_happens_while_news_are_read_is_told_too(place: Place) -> None:
    waiters = [place.waiter(f"M{number}") for number in range(50)]
    tasks = [await place.waits(waiter, waiter.subject) for waiter in waiters]
    # Each commit rings while the news of the one before are being read.
    await asyncio.gather(*(place.happens(waiter.subject) for waiter in waiters))
    assert [(await task or {})["subject"] for task in tasks] == [waiter.subject for waiter in waiters]


async def test_only_those_are_woken_whom_it_is_about(place: Place) -> None:
    mine, other, of_mailbox, of_all = (place.waiter(name) for name in ("A", "B", "A", "A"))
    tasks = [
        await place.waits(mine, "A"),
        await place.waits(of_mailbox, 7),
        await place.waits(of_all),
        sleeper := await place.waits(other, "B", 8),
    ]
    # The first news after somebody came are for all: nobody followed what was before.
    await place.happens("X")
    for waiter in (mine, other, of_mailbox, of_all):
        await waiter.has_looked(2)
    before = other.looks
    await place.happens("A", 7)
    await asyncio.gather(*tasks[:3])
    assert other.looks == before
    await place.happens("B")
    assert await sleeper is not None


async def test_who_waits_for_a_type_is_woken_by_it_alone(place: Place) -> None:
    waiter = place.waiter("B")
    task = await place.waits(waiter, "send.failed")
    await place.happens("X")
    await waiter.has_looked(2)
    watching = await place.waits(place.waiter("A"), "A")
    await place.happens("A")
    assert await watching is not None
    assert waiter.looks == 2
    await place.database.write(happened("send.failed", "B", {}, 0.0, None))
    assert await task is not None


async def test_thousands_wait_and_one_read_tells_whom_it_is_about(place: Place) -> None:
    waiters = [place.waiter(f"M{number}") for number in range(2000)]
    tasks = [asyncio.create_task(place.watch.until(waiter, LONG, [waiter.subject])) for waiter in waiters]
    await asyncio.gather(*(waiter.looked.wait() for waiter in waiters))
    assert place.watch.waiting == 2000
    await place.happens("X")
    for waiter in waiters:
        await waiter.has_looked(2)
    place.log.reads = 0
    await place.happens("M1000")
    assert (await tasks[1000] or {})["subject"] == "M1000"
    assert place.log.reads == 1
    assert sum(waiter.looks for waiter in waiters) == 4001
    place.watch.stop()
    assert await asyncio.gather(*tasks[:1000], *tasks[1001:]) == [None] * 1999


async def test_more_news_than_are_read_at_once_are_for_all(place: Place) -> None:
    waiter = place.waiter("LAST")
    task = await place.waits(waiter, "LAST")
    await place.happens("X")
    await waiter.has_looked(2)
    many = [happened("send.sent", f"M{number}", {}, 0.0, None) for number in range(600)]
    # In one transaction: one ring.
    await place.database.write(*many, happened("send.sent", "LAST", {}, 0.0, None))
    await waiter.has_looked(3)
    assert not task.done()  # Its look reads 500 alone: it was woken, which is what counts.
    place.watch.stop()
    await task


async def test_while_nobody_waits_a_commit_costs_nothing(place: Place) -> None:
    await place.happens("A")
    await place.happens("B")
    assert place.log.reads == 0


async def test_a_stop_ends_all_waiting(place: Place) -> None:
    task = await place.waits(place.waiter("A"), "A")
    place.watch.stop()
    assert await task is None
    assert await place.watch.until(place.waiter("A"), LONG) is None


async def test_who_gives_up_leaves_nothing_behind(place: Place) -> None:
    task = await place.waits(place.waiter("A"), "A", 7)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert place.watch.waiting == 0
    await place.happens("A")
    assert place.log.reads == 0


async def test_a_store_that_cannot_be_read_ends_the_waiting_with_its_error(place: Place) -> None:
    class Broken(EventLog):
        async def last(self) -> int:
            raise Unavailable("store.failed", reason="a test")

    broken = Broken(place.database, lambda: 0.0)
    watch = Watch(broken)
    place.database.on_commit(watch.ring)
    looked = asyncio.Event()

    async def look() -> int | None:
        if looked.is_set():
            return await broken.last()
        looked.set()
        return None

    task = asyncio.create_task(watch.until(look, LONG))
    await looked.wait()
    await place.happens("A")
    with pytest.raises(Unavailable):
        await task
