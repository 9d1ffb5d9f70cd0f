"""The look-ups of uncertain messages, with a transport whose findings the test gives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from pillarbox.core.accounts import Mailbox, MailboxChoice
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.assurance import Assurance
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.store.outbox import Claimed
from tests.unit.delivery.conftest import NOON, Shelf

SETTLE = (120.0, 300.0, 900.0)
LOST = Outcome(Cause.UNCLEAR, "microsoft.answer_lost", "the answer was lost", "look yourself")


@dataclass
class Finder:
    """A Transport that finds what it is told to."""

    finds: Found | Exception = Found.ABSENT
    looked: list[tuple[str, float]] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None
    clock: Callable[[], float] = lambda: 0.0

    async def ready(self, mailbox: Mailbox) -> None:
        raise NotImplementedError

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        raise NotImplementedError

    async def look_up(self, message: Claimed) -> Look:
        self.looked.append((message.id, self.clock()))
        if self.meanwhile:
            await self.meanwhile()  # type: ignore[misc]
        if isinstance(self.finds, Exception):
            raise self.finds
        return Look(self.finds, f"note {len(self.looked)}")


@dataclass
class Bench:
    """The assurance on a shelf."""

    shelf: Shelf
    finder: Finder
    assurance: Assurance
    woken: list[int]

    async def doubt(self, queue_id: str = "A", *, mode: str = "verify", on_uncertain: str = "") -> None:
        """A message of a mailbox of this mode whose one attempt, begun now, was unclear."""
        await self.shelf.accounts.choose(self.shelf.mailboxes[0], MailboxChoice(mode, on_uncertain))
        await self.shelf.put(queue_id)
        message = await self.shelf.claimed()
        following = policy.after(LOST, message, SETTLE, self.shelf.now, 0.5)
        await self.shelf.outbox.finish(message, LOST, following)

    async def at(self, seconds: float) -> float:
        """Let it be so many seconds past noon, and what is due looked up; the seconds until something else may be."""
        self.shelf.now = NOON + seconds
        return await self.assurance._look_at_due()

    async def row(self, queue_id: str = "A") -> dict[str, object]:
        row = await self.shelf.outbox.get(queue_id)
        assert row is not None
        return dict(row)

    async def notes(self) -> list[str]:
        attempts = await self.shelf.outbox.attempts(1)
        return [note for attempt in attempts for note in attempt["notes"]]


@pytest.fixture
def bench(shelf: Shelf) -> Bench:
    finder = Finder(clock=shelf.clock)
    woken: list[int] = []
    made = Assurance(shelf.outbox, finder, shelf.clock, shelf.log, SETTLE, woken.append, store_pause=0.001)
    return Bench(shelf, finder, made, woken)


@pytest.mark.parametrize("mode", ["verify", "draft"])
async def test_it_is_looked_up_at_each_settle_time_and_sent_again_after_the_last(bench: Bench, mode: str) -> None:
    await bench.doubt(mode=mode)
    for second in (1, 119, 120, 121, 299, 300, 899):
        await bench.at(second)
        assert await bench.shelf.state("A") == "uncertain"
    assert (bench.finder.looked, bench.woken) == ([("A", NOON + 120), ("A", NOON + 300)], [])
    await bench.at(900)
    assert (await bench.shelf.state("A"), bench.woken) == ("queued", [bench.shelf.mailboxes[0].id])
    row = await bench.row()
    assert (row["maybe_duplicate"], await bench.notes()) == (0, ["note 1", "note 2", "note 3"])


async def test_what_is_found_is_sent_and_says_nothing_of_trouble_any_more(bench: Bench) -> None:
    await bench.doubt()
    bench.finder.finds = Found.SENT
    await bench.at(120)
    row = await bench.row()
    assert (row["state"], row["code"], row["reason"], row["cure"]) == ("sent", "", "", "")
    assert (row["finished_at"], await bench.notes()) == (NOON + 120, ["note 1"])
    (line,) = bench.shelf.lines.lines("mail.final")
    assert "state=sent" in line


async def test_it_says_when_the_next_look_is_due(bench: Bench) -> None:
    await bench.doubt()
    assert await bench.at(100) == 20


@pytest.mark.parametrize("finds", [Found.UNKNOWN, RuntimeError("a mistake of ours")])
async def test_what_cannot_be_looked_up_is_never_sent_again_and_ends_with_a_person(
    bench: Bench, finds: Found | Exception
) -> None:
    await bench.doubt()
    bench.finder.finds = finds
    for second in (120, 300, 900, 1800, 9000, 90_000):
        await bench.at(second)
        assert await bench.shelf.state("A") == "uncertain"
    assert len(bench.finder.looked) == 6


@pytest.mark.parametrize(
    ("on_uncertain", "state", "flagged"), [("", "queued", 1), ("retry", "queued", 1), ("hold", "held", 0)]
)
async def test_send_only_looks_nothing_up_and_does_as_was_chosen(
    bench: Bench, on_uncertain: str, state: str, flagged: int
) -> None:
    await bench.doubt(mode="send-only", on_uncertain=on_uncertain)
    await bench.at(899)
    assert await bench.shelf.state("A") == "uncertain"
    await bench.at(900)
    row = await bench.row()
    assert (row["state"], row["maybe_duplicate"], bench.finder.looked) == (state, flagged, [])


async def test_what_a_person_decided_meanwhile_counts(bench: Bench) -> None:
    await bench.doubt()
    bench.finder.finds = Found.ABSENT
    bench.finder.meanwhile = lambda: bench.shelf.outbox.cancel("A")
    await bench.at(120)
    assert (await bench.shelf.state("A"), await bench.notes()) == ("canceled", [])


async def test_nobody_looks_for_what_is_being_looked_for(bench: Bench) -> None:
    await bench.doubt()
    going, open_ = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        going.set()
        await open_.wait()

    bench.finder.meanwhile = hold
    first = asyncio.create_task(bench.at(120))
    await going.wait()
    await bench.at(121)
    assert len(bench.finder.looked) == 1
    open_.set()
    await first


async def test_a_look_up_that_a_crash_cut_off_is_made_again_after_the_last_settle_time(bench: Bench) -> None:
    await bench.doubt()
    bench.shelf.now = NOON + 850
    (message,) = await bench.shelf.outbox.doubtful(1, 9, 600.0)
    assert message.id == "A"
    await bench.shelf.outbox.recover("stopped", "look", SETTLE)
    assert (await bench.row())["due_at"] == NOON + 900
    bench.finder.finds = Found.SENT
    await bench.at(900)
    assert await bench.shelf.state("A") == "sent"


# ---- poison


async def interrupted(bench: Bench, times: int) -> None:
    """Its sending was cut off by a crash so often; each time it was looked for, and absent, before the next."""
    for _ in range(times):
        await bench.shelf.claimed()
        await bench.shelf.outbox.recover("stopped", "look", SETTLE)
        began = bench.shelf.now - NOON
        for second in SETTLE:
            await bench.at(began + second)


@pytest.mark.parametrize("mode", ["verify", "draft", "send-only"])
async def test_what_was_cut_off_three_times_in_succession_is_held_and_others_are_not(bench: Bench, mode: str) -> None:
    await bench.shelf.accounts.choose(bench.shelf.mailboxes[0], MailboxChoice(mode))
    await bench.shelf.put("A")
    await interrupted(bench, 2)
    assert await bench.shelf.state("A") == "queued"
    await interrupted(bench, 1)
    row = await bench.row()
    assert (row["state"], row["cause"], row["code"]) == (State.HELD, "interrupted", "outbox.poison")
    assert "3 times" in str(row["reason"])
    await bench.shelf.put("B")
    assert (await bench.shelf.claimed()).id == "B"


async def test_what_was_cut_off_a_third_time_and_is_found_is_sent(bench: Bench) -> None:
    await bench.shelf.accounts.choose(bench.shelf.mailboxes[0], MailboxChoice("verify"))
    await bench.shelf.put("A")
    await interrupted(bench, 2)
    bench.finder.finds = Found.SENT
    await bench.shelf.claimed()
    await bench.shelf.outbox.recover("stopped", "look", SETTLE)
    await bench.at(bench.shelf.now - NOON + 120)
    assert await bench.shelf.state("A") == "sent"


async def test_another_end_between_two_crashes_begins_the_count_anew(bench: Bench) -> None:
    await bench.shelf.accounts.choose(bench.shelf.mailboxes[0], MailboxChoice("verify"))
    await bench.shelf.put("A")
    await interrupted(bench, 2)
    message = await bench.shelf.claimed()
    throttled = Outcome(Cause.THROTTLED, retry_after=0.0)
    await bench.shelf.outbox.finish(message, throttled, policy.after(throttled, message, SETTLE, bench.shelf.now, 0.0))
    await interrupted(bench, 1)
    assert await bench.shelf.state("A") == "queued"


# ---- clocks


async def test_a_clock_that_went_back_lets_nothing_settle_for_years(bench: Bench) -> None:
    bench.shelf.now = NOON + 10 * 365 * 86_400
    await bench.doubt()
    bench.shelf.now = NOON
    await bench.shelf.outbox.clock_went_back()
    assert (await bench.row())["due_at"] == NOON + 120
    await bench.at(120)
    assert len(bench.finder.looked) == 1
