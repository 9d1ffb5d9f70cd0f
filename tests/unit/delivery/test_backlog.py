"""The backlog: memory never holds less to wait than the store says, whatever comes at once."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import in_memory
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.delivery.backlog import Backlog
from pillarbox.delivery.submission import Submission
from pillarbox.store.messages import Next, Waiting
from tests.unit.delivery.conftest import Shelf

ENVELOPE = Envelope("one@contoso.example", ("a@x.example",))
MIME = b"From: one@contoso.example\r\n\r\n"
BOX = Mailbox(1, "one@contoso.example", AppRegistration(1, "contoso", "t", "c"))


async def hand_in(shelf: Shelf, submission: Submission, count: int) -> int:
    """Hand in so many messages at once; how many were taken."""
    at_once = (submission.accept(ENVELOPE, in_memory(MIME), shelf.submitter) for _ in range(count))
    return sum(isinstance(one, str) for one in await asyncio.gather(*at_once, return_exceptions=True))


async def test_what_comes_at_once_at_a_start_finds_no_more_room_than_there_is(shelf: Shelf) -> None:
    await shelf.put("A", "B")
    assert await hand_in(shelf, shelf.submission(backlog=(5, 10**9)), 50) == 3
    assert await shelf.outbox.count() == {"queued": 5}


async def test_what_comes_at_once_when_something_left_finds_no_more_room_than_that(shelf: Shelf) -> None:
    submission = shelf.submission(backlog=(5, 10**9))
    assert await hand_in(shelf, submission, 50) == 5
    for _ in range(2):
        message = await shelf.claimed()
        await shelf.outbox.finish(message, Outcome(Cause.ACCEPTED), Next(State.SENT, 0.0))
    shelf.now += 1
    assert await hand_in(shelf, submission, 50) == 2
    assert await shelf.outbox.count() == {"queued": 5, "sent": 2}


async def test_what_a_person_puts_back_counts_from_then_on(shelf: Shelf) -> None:
    submission, failed = shelf.submission(backlog=(2, 10**9)), ""
    for _ in range(2):
        failed = await submission.accept(ENVELOPE, in_memory(MIME), shelf.submitter)
        await shelf.outbox.finish(await shelf.claimed(), Outcome(Cause.BAD_CONTENT), Next(State.FAILED, 0.0))
    shelf.now += 1
    assert await hand_in(shelf, submission, 1) == 1
    await shelf.outbox.retry(failed)
    submission.backlog.doubt()
    assert await hand_in(shelf, submission, 1) == 0


async def test_many_at_once_ask_the_store_once(shelf: Shelf) -> None:
    async def waiting() -> Mapping[int, Waiting]:
        asked.append(True)
        return await shelf.outbox.waiting()

    asked: list[bool] = []
    submission = replace(shelf.submission(), backlog=Backlog(waiting, shelf.clock, 5, 10**9))
    for times in (1, 2):
        await hand_in(shelf, submission, 50)
        assert len(asked) == times
        shelf.now += 1


async def test_what_could_not_be_written_does_not_count() -> None:
    backlog = Backlog(Store().count_now, lambda: 0.0, 1, 1000)
    with suppress(Unavailable):
        async with backlog.taking(BOX, 7):
            raise Unavailable("store.full")
    async with backlog.taking(BOX, 7):
        backlog.check(replace(BOX, id=2), 7)


async def test_what_is_written_while_the_store_counts_is_not_forgotten() -> None:
    store = Store(most=2)
    for what in ("come", "counted", "doubt", "come", "kept", "counted", "come", "kept", "kept"):
        await store.step(what)
    assert len(store.waits) == 2
    await store.settle()


async def test_a_store_that_cannot_be_asked_refuses_and_the_next_one_asks_again(shelf: Shelf) -> None:
    async def waiting() -> Mapping[int, Waiting]:
        if not asked:
            asked.append(True)
            raise Unavailable("store.failed", reason="x")
        return {}

    asked: list[bool] = []
    submission = replace(shelf.submission(), backlog=Backlog(waiting, shelf.clock, 5, 10**9))
    assert [await hand_in(shelf, submission, 1) for _ in range(2)] == [0, 1]


# ---- against a recount, whatever happens


@dataclass
class Store:
    """How many messages wait, and a count that says what was so when it was asked, but says it later."""

    most: int = 4
    now: float = 0.0
    waits: list[int] = field(default_factory=list)
    writing: list[asyncio.Future[bool]] = field(default_factory=list)
    counts: list[asyncio.Event] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.backlog = Backlog(self.count, lambda: self.now, self.most, 1000)

    async def count_now(self) -> Mapping[int, Waiting]:
        return {BOX.id: Waiting(len(self.waits), sum(self.waits))} if self.waits else {}

    async def count(self) -> Mapping[int, Waiting]:
        found, answers = await self.count_now(), asyncio.Event()
        self.counts.append(answers)
        await answers.wait()
        return found

    async def take(self) -> None:
        with suppress(Unavailable):
            async with self.backlog.taking(BOX, 7):
                written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self.writing.append(written)
                if not await written:
                    raise Unavailable("store.full")

    async def step(self, what: str) -> None:
        """One thing that happens; then everybody does what can be done."""
        match what:
            case "come":
                self.tasks.append(asyncio.create_task(self.take()))
            case "kept" if self.writing:
                self.waits.append(7)
                self.writing.pop(0).set_result(True)
            case "fails" if self.writing:
                self.writing.pop(0).set_result(False)
            case "left" if self.waits:
                self.waits.pop()
            case "counted" if self.counts:
                self.counts.pop(0).set()
            case "doubt":
                self.backlog.doubt()
            case "time":
                self.now += 1
        for _ in range(5):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Until nobody is on the way any more."""
        while self.counts or self.writing:
            await self.step("counted")
            await self.step("fails")
        await asyncio.gather(*self.tasks)


STEPS = ["come", "come", "kept", "kept", "fails", "left", "counted", "doubt", "time"]


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_never_does_more_wait_than_may_nor_is_room_lost(steps: list[str]) -> None:
    async def run() -> None:
        store = Store()
        for what in steps:
            await store.step(what)
            assert len(store.waits) <= store.most
        await store.settle()
        await store.step("time")
        for _ in range(store.most):
            for what in ("come", "counted", "kept"):
                await store.step(what)
        assert len(store.waits) == store.most
        await store.settle()

    asyncio.run(run())
