"""The worker, with a transport whose every answer the test gives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.errors import Unavailable
from pillarbox.core.governor import Limits
from pillarbox.core.mail import Found, Outcome
from pillarbox.delivery import policy
from pillarbox.delivery.breaker import Shown
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.transports import Report
from pillarbox.delivery.turn import Turn
from pillarbox.delivery.worker import Worker
from pillarbox.store.database import statement
from pillarbox.store.limits import LimitStore
from pillarbox.store.messages import Claimed, Next
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.gates import Gates

THROTTLED = Outcome(Cause.THROTTLED, "ApplicationThrottled", http_status=429, retry_after=30.0)


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
async def worker(shelf: Shelf, gates: Gates) -> AsyncIterator[Worker]:
    # Once, while nothing is being written: it could not be done from this thread later.
    shelf.database._writer.set_commit_hook(lambda: shelf.full)
    made = Worker(
        *(shelf.outbox, shelf.accounts, gates, shelf.clock, shelf.log),
        governors=shelf.governors(Limits(concurrency=2)),
        settle=(120.0, 900.0),
        doubted=lambda: None,
        store_pause=0.001,
        chance=lambda: 0.0,
    )
    shelf.wake = made.wake
    yield made
    await made.stop(0.001)


def wake(worker: Worker, shelf: Shelf) -> None:
    for mailbox in shelf.mailboxes:
        worker.wake(mailbox.id)


async def final(shelf: Shelf, *ids: str) -> None:
    """Until these messages have come to a state in which they stay."""
    while not all(any(f"id={one} " in line for line in shelf.lines.lines("mail.final")) for one in ids):
        await shelf.lines.next()


async def attempted(shelf: Shelf, count: int) -> None:
    while len(shelf.lines.lines("mail.attempt")) < count:
        await shelf.lines.next()


# ---- lanes


async def test_oldest_first_and_only_so_many_of_a_mailbox_at_a_time(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A", "B", "C", "D")
    wake(worker, shelf)
    await gates.holds("A", "B")
    gates.open("B")
    await gates.holds("A", "C")
    gates.open("A")
    await gates.holds("C", "D")
    assert gates.begun == ["A", "B", "C", "D"]


async def test_a_slow_mailbox_does_not_hold_others(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("SLOW1", "SLOW2", "SLOW3")
    await shelf.put("F1", "F2", "F3", mailbox=1)
    wake(worker, shelf)
    await gates.holds("SLOW1", "SLOW2", "F1", "F2")
    for one in ("F1", "F2", "F3"):
        gates.open(one)
    await final(shelf, "F1", "F2", "F3")
    assert sorted(gates.inside) == ["SLOW1", "SLOW2"]


async def test_what_comes_while_a_lane_runs_takes_a_free_place(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    await shelf.put("B")
    wake(worker, shelf)
    await gates.holds("A", "B")


async def test_what_is_claimed_leaves_from_the_mailbox_as_it_is_now(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    mailbox = shelf.mailboxes[0]
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    await shelf.accounts.change_app(mailbox.app, mailbox.app.tenant_id, "another")
    await shelf.put("B")
    wake(worker, shelf)
    await gates.holds("A", "B")
    assert gates.by_app == {"A": mailbox.app.client_id, "B": "another"}


async def test_after_a_change_the_token_is_got_for_what_the_mailbox_is_now(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    mailbox = shelf.mailboxes[0]
    await shelf.put("A")
    worker.wake(mailbox.id)
    await gates.holds("A")
    await shelf.accounts.change_app(mailbox.app, mailbox.app.tenant_id, "another")
    worker.forget()
    await shelf.put("B")
    worker.wake(mailbox.id)
    await gates.holds("A", "B")
    assert gates.readied == [mailbox.app.client_id, "another"]


async def test_a_lane_that_ended_begins_again(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    for one in ("A", "B"):
        await shelf.put(one)
        wake(worker, shelf)
        gates.open(one)
        await final(shelf, one)
    assert worker.sent == 2


async def test_run_finds_what_was_there_before_the_start(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    running = asyncio.create_task(worker.run())
    await gates.holds("A")
    running.cancel()


async def test_run_wakes_a_lane_when_a_message_comes_due(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    running = asyncio.create_task(worker.run())
    gates.open("A", Outcome(Cause.CONCURRENCY, retry_after=0.01))
    await attempted(shelf, 1)
    shelf.now += 0.01
    await gates.holds("A")
    assert gates.begun == ["A", "A"]
    running.cancel()


async def test_run_knows_what_comes_due_behind_what_is_due(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("LATER", send_at=shelf.now + 0.05)
    await shelf.put("NOW")
    running = asyncio.create_task(worker.run())
    await gates.holds("NOW")
    shelf.now += 0.05
    await gates.holds("NOW", "LATER")
    running.cancel()


# ---- results


@pytest.mark.parametrize(
    ("cause", "verdict", "state"),
    [
        ("accepted", "sent", "sent"),
        ("bad_content", "refused", "failed"),
        ("account_broken", "broken", "held"),
        ("unclear", "uncertain", "uncertain"),
        ("unreachable", "retry", "deferred"),
    ],
)
async def test_the_result_is_kept_with_its_notes(
    shelf: Shelf, gates: Gates, worker: Worker, cause: str, verdict: str, state: str
) -> None:
    await shelf.put("A")
    gates.open("A", Outcome(Cause(cause), "code", "text", "cure", 418, "r-7"))
    wake(worker, shelf)
    await attempted(shelf, 1)
    row = await shelf.outbox.get("A")
    assert row is not None
    (attempt,) = await shelf.outbox.attempts(row["seq"])
    assert (row["state"], row["cause"], row["code"], row["cure"], row["attempts"]) == (state, cause, "code", "cure", 1)
    assert (attempt["verdict"], attempt["request_id"], attempt["notes"]) == (verdict, "r-7", ["noted"])


async def test_a_mistake_in_the_transport_is_uncertain_and_stops_nothing(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    await shelf.put("A", "B", "C")
    gates.open("A", RuntimeError("boom"))
    gates.open("B")
    gates.open("C")
    wake(worker, shelf)
    await final(shelf, "A", "B", "C")
    assert [await shelf.state(one) for one in "ABC"] == ["uncertain", "sent", "sent"]
    assert "boom" in shelf.lines.lines("unexpected")[0]


async def test_throttling_pauses_that_mailbox_and_no_other(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A", "B", "C")
    await shelf.put("X", "Y", "Z", mailbox=1)
    gates.open("A", THROTTLED)
    wake(worker, shelf)
    await attempted(shelf, 1)
    for one in ("B", "X", "Y", "Z"):
        gates.open(one)
    await final(shelf, "B", "X", "Y", "Z")
    assert [await shelf.state(one) for one in ("A", "C", "Z")] == ["deferred", "queued", "sent"]


async def test_after_the_pause_the_mailbox_goes_on(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    gates.open("A", THROTTLED)
    wake(worker, shelf)
    await attempted(shelf, 1)
    await shelf.put("B")
    shelf.now += 29.9
    assert await worker._wake_due() == pytest.approx(0.1)
    shelf.now += 0.1
    await worker._wake_due()
    await gates.holds("A", "B")


async def test_a_pause_that_began_while_a_token_was_fetched_counts(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    mailbox = shelf.mailboxes[0].id
    await shelf.put("A")
    worker.wake(mailbox)
    await gates.holds("A")
    gates.token.clear()
    await shelf.put("B")
    worker.wake(mailbox)
    await gates.until(lambda: len(gates.waiting) == 2)
    gates.open("A", THROTTLED)
    await attempted(shelf, 1)
    gates.token.set()
    lane = worker._lanes[mailbox].task
    assert lane is not None
    await lane
    assert (gates.begun, await shelf.state("B")) == (["A"], "queued")
    shelf.now += 30
    await worker._wake_due()
    await gates.holds("A", "B")


async def test_a_clock_that_goes_back_lengthens_no_pause(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    gates.open("A", THROTTLED)
    wake(worker, shelf)
    await attempted(shelf, 1)
    await shelf.put("B")
    await worker._wake_due()
    shelf.now -= 365 * 86_400.0
    await worker._wake_due()
    await gates.until(lambda: "B" in gates.inside)


async def test_a_clock_that_jumped_and_came_back_while_nobody_looked_lets_nothing_wait_for_years(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    await shelf.put("A")
    await worker._wake_due()
    await gates.holds("A")
    shelf.now += 10 * 365 * 86_400.0
    gates.open("A", Outcome(Cause.UNREACHABLE))
    await attempted(shelf, 1)
    shelf.now -= 10 * 365 * 86_400.0
    await worker._wake_due()
    await gates.holds("A")


async def test_that_the_clock_went_back_is_not_forgotten_while_the_store_is_full(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    await worker._wake_due()
    shelf.now += 86_400.0
    await shelf.put("A")
    shelf.now -= 86_400.0
    shelf.full = True
    await worker._wake_due()
    shelf.full = False
    await worker._wake_due()
    await gates.holds("A")


async def test_a_mistake_before_a_claim_cuts_off_nothing_that_is_in_flight(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    gates.mistake = RuntimeError("boom")
    await shelf.put("B")
    wake(worker, shelf)
    while not shelf.lines.lines("unexpected"):
        await shelf.lines.next()
    gates.mistake = None
    gates.open("A")
    await final(shelf, "A")
    shelf.now += 1
    await worker._wake_due()
    await gates.holds("B")
    assert await shelf.state("A") == "sent"


class Clumsy(Governors):
    """Governors with a mistake in them, while there is one."""

    mistaken = False
    writes_amiss = False

    def fits(self, message: Claimed) -> bool:
        if self.mistaken:
            raise RuntimeError("boom")
        return super().fits(message)

    def told(self, turn: Turn, message: Claimed, report: Report, following: Next) -> Shown:
        if self.mistaken:
            raise RuntimeError("boom")
        odd = [statement("outbox_give_back", expect=1, seq=0, number=1, state="queued")] if self.writes_amiss else []
        shown = super().told(turn, message, report, following)
        return replace(shown, statements=[*shown.statements, *odd])


@pytest.fixture
async def clumsy(shelf: Shelf, worker: Worker) -> Clumsy:
    limits = LimitStore(shelf.database, shelf.clock)
    made = Clumsy(limits, shelf.clock, shelf.log, worker.wake, Limits(concurrency=2), Limits(), lambda _: shelf.hosts)
    worker._governors = made
    return made


async def test_what_is_claimed_when_we_make_a_mistake_is_given_back(
    shelf: Shelf, gates: Gates, worker: Worker, clumsy: Clumsy
) -> None:
    clumsy.mistaken = True
    await shelf.put("A", "B")
    wake(worker, shelf)
    while not shelf.lines.lines("unexpected"):
        await shelf.lines.next()
    rows = [await shelf.outbox.get(one) for one in "AB"]
    assert [(row["state"], row["attempts"]) for row in rows if row] == [("queued", 0)] * 2
    clumsy.mistaken = False
    shelf.now += 1
    await worker._wake_due()
    await gates.holds("A", "B")


@pytest.mark.parametrize("mistake", ["mistaken", "writes_amiss"])
async def test_what_microsoft_said_is_kept_whatever_we_make_of_it(
    shelf: Shelf, gates: Gates, worker: Worker, clumsy: Clumsy, mistake: str
) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    setattr(clumsy, mistake, True)
    gates.open("A")
    await final(shelf, "A")
    row = await shelf.outbox.get("A")
    assert row is not None
    (attempt,) = await shelf.outbox.attempts(row["seq"])
    assert (row["state"], attempt["verdict"], attempt["notes"]) == ("sent", "sent", ["noted"])


async def test_what_became_of_it_could_not_be_told_for_a_mistake_of_ours_is_uncertain_at_once(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    doubted = asyncio.Event()
    # A probability that raises: between what Microsoft said, and the writing of it.
    worker._chance, worker._doubted = lambda: 1 / 0, doubted.set
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    gates.open("A")
    await doubted.wait()
    row = await shelf.outbox.get("A")
    assert row is not None
    assert (row["state"], row["cause"], row["due_at"]) == ("uncertain", "internal", shelf.now + 900)
    doubted.clear()
    shelf.now += 900
    (message,) = await shelf.outbox.doubtful(shelf.mailboxes[0].id, 1, 1.0)
    settle = (120.0, 900.0)
    await shelf.outbox.looked(message, policy.after_look(Found.UNKNOWN, message, settle, shelf.now), "")
    wake(worker, shelf)
    await gates.holds("A")
    gates.open("A")
    await doubted.wait()
    row = await shelf.outbox.get("A")
    assert row is not None
    assert row["due_at"] == shelf.now + 1800, "ever more rarely, as all that is decided blindly"


# ---- a store that is full


async def unusable(shelf: Shelf) -> None:
    while not shelf.lines.lines("store.unusable"):
        await shelf.lines.next()


async def test_a_result_that_cannot_be_kept_is_kept_later(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    shelf.full = True
    gates.open("A")
    await unusable(shelf)
    assert await shelf.state("A") == "sending"
    shelf.full = False
    await final(shelf, "A")
    assert (await shelf.state("A"), gates.begun) == ("sent", ["A"])


async def test_what_cannot_be_claimed_is_claimed_later(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    shelf.full = True
    running = asyncio.create_task(worker.run())
    await unusable(shelf)
    assert gates.begun == []
    shelf.full = False
    shelf.now += 1
    worker.wake(shelf.mailboxes[0].id)
    await gates.holds("A")
    running.cancel()


# ---- stop


async def test_stop_waits_for_what_is_in_flight_and_begins_nothing(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A", "B", "C")
    wake(worker, shelf)
    await gates.holds("A", "B")
    stopping = asyncio.create_task(worker.stop(30))
    await asyncio.sleep(0)
    gates.open("A")
    gates.open("B", Outcome(Cause.BAD_CONTENT))
    await stopping
    assert [await shelf.state(one) for one in "ABC"] == ["sent", "failed", "queued"]
    wake(worker, shelf)
    assert gates.begun == ["A", "B"]


async def test_what_outlasts_the_grace_is_cut_off_and_known_as_begun(
    shelf: Shelf, gates: Gates, worker: Worker
) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    await worker.stop(0.001)
    assert (gates.inside, await shelf.state("A")) == ([], "sending")
    assert await shelf.outbox.recover("reason", "cure", (120.0, 900.0)) == ["A"]


@pytest.mark.parametrize("token", ["comes", "never comes"])
async def test_what_waits_for_a_token_at_a_stop_is_sent_later_and_not_in_doubt(
    shelf: Shelf, gates: Gates, worker: Worker, token: str
) -> None:
    gates.token.clear()
    await shelf.put("A")
    wake(worker, shelf)
    await gates.until(lambda: bool(gates.waiting))
    stopping = asyncio.create_task(worker.stop(30 if token == "comes" else 0.001))
    await asyncio.sleep(0)
    if token == "comes":
        gates.token.set()
    await stopping
    assert await shelf.outbox.recover("reason", "cure", (120.0, 900.0)) == []
    assert (await shelf.state("A"), gates.begun) == ("queued", [])


async def test_a_full_store_does_not_keep_stop_from_ending(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    wake(worker, shelf)
    await gates.holds("A")
    shelf.full = True
    gates.open("A")
    await unusable(shelf)
    await worker.stop(0.01)
    with pytest.raises(Unavailable):
        await shelf.put("B")  # behind the last try of the worker
    shelf.full = False
    assert await shelf.outbox.recover("reason", "cure", (120.0, 900.0)) == ["A"]


async def test_a_mailbox_that_cannot_be_read_stops_no_other(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    await shelf.put("A")
    await shelf.put("B", mailbox=1)
    broken = shelf.mailboxes[1].id
    shelf.database._writer.execute("UPDATE mailboxes SET state = 'of a later version' WHERE id = ?", (broken,))
    wake(worker, shelf)
    await gates.holds("A")
    while not shelf.lines.lines("unexpected"):
        await shelf.lines.next()


async def test_a_removed_mailbox_is_no_surprise(shelf: Shelf, gates: Gates, worker: Worker) -> None:
    gone = shelf.mailboxes[0]
    assert await shelf.accounts.remove_mailbox(gone)
    worker.wake(gone.id)  # as the governors do, which saw it once
    await shelf.put("A", mailbox=1)
    wake(worker, shelf)
    await gates.holds("A")
    assert shelf.lines.lines("unexpected") == []
