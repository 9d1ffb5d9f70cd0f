"""The look-ups of uncertain messages, with a transport whose findings the test gives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pillarbox.core.accounts import Mailbox, MailboxChoice
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.assurance import Assurance
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.store.messages import Claimed
from tests.unit.delivery.conftest import NOON, Shelf

SETTLE = (120.0, 300.0, 900.0)
LOST = Outcome(Cause.UNCLEAR, "microsoft.answer_lost", "the answer was lost", "look yourself")
YEARS = 10 * 365 * 86_400.0


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
    governors: Governors
    assurance: Assurance
    woken: list[int]

    async def doubt(
        self,
        queue_id: str = "A",
        *,
        mode: str = "verify",
        on_uncertain: str = "",
        ended: float | None = None,
        **more: Any,
    ) -> None:
        """A message of a mailbox of this mode whose one attempt, begun now, was unclear; it ended now, or then."""
        await self.shelf.accounts.choose(self.shelf.mailboxes[0], MailboxChoice(mode, on_uncertain))
        await self.shelf.put(queue_id, **more)
        message = await self.shelf.claimed()
        self.shelf.now = self.shelf.now if ended is None else ended
        following = policy.after(LOST, message, SETTLE, self.shelf.now, 0.5)
        await self.shelf.outbox.finish(message, LOST, following)

    async def at(self, seconds: float) -> float:
        """Let it be so many seconds past noon, and what is due looked up; the seconds until something else may be."""
        self.shelf.now = NOON + seconds
        wait = await self.assurance._begin_due()
        await asyncio.gather(*self.assurance._lanes.values())
        return wait

    async def row(self, queue_id: str = "A") -> dict[str, object]:
        row = await self.shelf.outbox.get(queue_id)
        assert row is not None
        return dict(row)

    async def notes(self) -> list[str]:
        attempts = await self.shelf.outbox.attempts(1)
        return [note for attempt in attempts for note in attempt["notes"]]


@pytest.fixture
def bench(shelf: Shelf) -> Bench:
    finder, governors = Finder(clock=shelf.clock), shelf.governors()
    woken: list[int] = []
    made = Assurance(
        shelf.outbox, finder, shelf.clock, shelf.log, SETTLE, woken.append, governors.request, store_pause=0.001
    )
    return Bench(shelf, finder, governors, made, woken)


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


@pytest.mark.parametrize(
    ("on_uncertain", "state", "code", "note"),
    [("retry", "queued", "microsoft.answer_lost", "Sent again although"), ("hold", "held", "outbox.uncertain", "Held")],
)
async def test_what_is_decided_blindly_says_so_and_asked_nothing_of_microsoft(
    bench: Bench, on_uncertain: str, state: str, code: str, note: str
) -> None:
    await bench.doubt(mode="send-only", on_uncertain=on_uncertain)
    await bench.at(900)
    row = await bench.row()
    assert (row["state"], row["checks"], row["code"]) == (state, 0, code)
    (attempt,) = await bench.shelf.outbox.attempts(1)
    (said,) = attempt["notes"]
    assert said.startswith(note)
    assert attempt["requests"] == 1
    assert bench.finder.looked == []


async def test_what_is_absent_when_its_time_is_over_fails_for_good(bench: Bench) -> None:
    await bench.doubt()
    bench.shelf.database._writer.execute("UPDATE outbox SET expires_at = ?", (NOON + 60,))
    for second in (120, 300, 900):
        await bench.at(second)
    row = await bench.row()
    assert (row["state"], row["code"], row["finished_at"]) == ("failed", "outbox.not_taken", NOON + 900)
    assert any("id=A state=failed" in line for line in bench.shelf.lines.lines("mail.final"))


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
    bench.shelf.now += 1
    await bench.assurance._begin_due()
    assert (len(bench.finder.looked), len(bench.assurance._lanes)) == (1, 1)
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
    bench.shelf.now += SETTLE[0]
    await interrupted(bench, 1)
    assert await bench.shelf.state("A") == "queued"


# ---- clocks


async def test_a_clock_that_went_back_lets_nothing_settle_for_years(bench: Bench) -> None:
    bench.shelf.now = NOON + 10 * 365 * 86_400
    await bench.doubt()
    bench.shelf.now = NOON
    await bench.shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    assert (await bench.row())["due_at"] == NOON + 120
    await bench.at(120)
    assert len(bench.finder.looked) == 1


@pytest.mark.parametrize(
    ("began", "ended", "due"), [(0.0, YEARS, SETTLE[-1]), (0.0, 5 * 3600.0, SETTLE[-1]), (YEARS, 0.0, SETTLE[0])]
)
async def test_nor_does_one_that_went_ahead_or_back_while_a_message_was_on_its_way(
    bench: Bench, began: float, ended: float, due: float
) -> None:
    bench.shelf.now = NOON + began
    await bench.doubt(ended=NOON + ended)
    bench.shelf.now = NOON
    await bench.shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    row = await bench.row()
    assert (row["began_at"], row["due_at"]) == (NOON, NOON + due)
    await bench.at(due)
    assert (await bench.row())["due_at"] == NOON + due + SETTLE[1] - SETTLE[0]


async def test_nor_one_that_went_back_while_it_was_sent_and_was_seen_before_that_ended(bench: Bench) -> None:
    bench.shelf.now = NOON + YEARS
    await bench.doubt(ended=NOON)
    await bench.at(SETTLE[0])
    assert (await bench.row())["due_at"] == NOON + SETTLE[1]


@pytest.mark.parametrize(("later", "state"), [(YEARS, "queued"), (120.0, "failed")])
async def test_what_was_not_taken_is_tried_again_though_it_is_too_old_where_the_clock_jumped(
    bench: Bench, later: float, state: str
) -> None:
    await bench.doubt(expires_at=NOON + 600)
    for second in (later, later + 180, later + 780):
        await bench.at(second)
    assert await bench.shelf.state("A") == state


async def test_while_all_seems_years_away_it_looks_again_soon(bench: Bench) -> None:
    bench.shelf.now = NOON + YEARS
    await bench.doubt()
    assert await bench.at(0) == 60


async def test_a_clock_that_jumps_forward_lets_no_two_looks_come_at_once(bench: Bench) -> None:
    await bench.doubt()
    year = 365 * 86_400.0
    await bench.at(year)
    assert (len(bench.finder.looked), (await bench.row())["due_at"]) == (1, NOON + year + 180)
    await bench.at(year + 180)
    assert (len(bench.finder.looked), (await bench.row())["due_at"]) == (2, NOON + year + 780)


@pytest.mark.parametrize(("looks", "wait"), [(0, 0.0), (1, 180.0), (2, 600.0), (4, 900.0)])
async def test_nor_does_a_clock_that_jumps_while_the_process_is_down(bench: Bench, looks: int, wait: float) -> None:
    await bench.doubt()
    bench.finder.finds = Found.UNKNOWN
    for second in (120.0, 300.0, 900.0, 1800.0)[:looks]:
        await bench.at(second)
    year = 365 * 86_400.0
    bench.shelf.now = NOON + year
    await bench.shelf.outbox.recover("stopped", "look", SETTLE)
    await bench.at(year + wait - 1)
    assert len(bench.finder.looked) == looks + (wait == 0.0)
    await bench.at(year + wait)
    assert len(bench.finder.looked) == looks + 1


# ---- who is in the way of whom


async def test_what_a_look_found_of_a_former_attempt_says_nothing_of_a_later_one(bench: Bench) -> None:
    await bench.doubt()

    async def again() -> None:
        bench.finder.meanwhile = None
        await bench.shelf.outbox.retry("A")
        message = await bench.shelf.claimed()
        await bench.shelf.outbox.finish(message, LOST, policy.after(LOST, message, SETTLE, bench.shelf.now, 0.5))

    bench.finder.finds, bench.finder.meanwhile = Found.SENT, again
    await bench.at(120)
    row = await bench.row()
    assert (row["state"], row["attempts"], row["checks"]) == ("uncertain", 2, 0)


async def test_a_mailbox_that_answers_slowly_holds_up_no_other(bench: Bench) -> None:
    await bench.doubt()
    open_ = asyncio.Event()
    bench.finder.meanwhile = open_.wait
    bench.shelf.now = NOON + 120
    await bench.assurance._begin_due()
    second = bench.shelf.mailboxes[1]
    await bench.shelf.accounts.choose(second, MailboxChoice("verify"))
    await bench.shelf.put("B", mailbox=1)
    message = await bench.shelf.claimed(mailbox=1)
    following = policy.after(LOST, message, SETTLE, bench.shelf.now, 0.5)
    await bench.shelf.outbox.finish(message, LOST, following)
    while not bench.finder.looked:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)
    bench.finder.finds, bench.finder.meanwhile = Found.SENT, None
    bench.shelf.now = NOON + 240
    await bench.assurance._begin_due()
    await bench.assurance._lanes[second.id]
    assert await bench.shelf.state("B") == "sent"
    open_.set()
    await asyncio.gather(*bench.assurance._lanes.values())


async def test_nothing_is_asked_of_a_mailbox_that_microsoft_has_paused(bench: Bench) -> None:
    await bench.doubt()
    bench.shelf.now = NOON + 120
    (mailbox, _) = bench.shelf.mailboxes
    throttled = Outcome(Cause.THROTTLED, retry_after=60.0)
    await bench.shelf.put("B")
    message = await bench.shelf.claimed()
    turn = bench.governors.reserve(mailbox, 1)
    following = policy.after(throttled, message, SETTLE, bench.shelf.now, 0.0)
    bench.governors.told(turn, message, Report(throttled), following)
    bench.governors.release(turn, 1)
    lane = asyncio.create_task(bench.at(120))
    while not (bench.finder.looked or bench.governors._requests.are_waiting(mailbox.id)):  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0)
    assert bench.finder.looked == []
    lane.cancel()
    for one in bench.assurance._lanes.values():
        one.cancel()


async def test_a_mistake_of_ours_ends_no_other_look_up(bench: Bench) -> None:
    await bench.doubt()
    bench.finder.meanwhile = bench.shelf.outbox.due_looks

    def fail(_mailbox_id: int) -> None:
        raise ZeroDivisionError

    wake, bench.assurance._wake = bench.assurance._wake, fail
    await bench.at(120)
    await bench.at(300)
    await bench.at(900)
    assert any("unexpected" in line for line in bench.shelf.lines.lines("unexpected"))
    bench.assurance._wake = wake
    assert await bench.assurance._begin_due() > 0
