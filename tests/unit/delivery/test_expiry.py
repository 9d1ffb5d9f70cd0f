"""What could not be tried for hours is tried for an hour before it is given up: the worker and the store together."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pillarbox.core.accounts import Mailbox, MailboxChoice
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery import policy
from pillarbox.delivery.policy import RESPITE
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.delivery.worker import Worker
from pillarbox.store.limits import release, release_everywhere
from pillarbox.store.messages import Claimed, NewMessage, Next
from tests.unit.delivery.conftest import ENVELOPE, TO_A, Shelf

YEAR = 365 * 86_400.0
HOUR = 3600.0
SETTLE = (120.0, 900.0)
AWAY = Outcome(Cause.UNREACHABLE, "microsoft.unreachable")


class Away:
    """A transport that reaches nobody."""

    outcome = AWAY

    async def ready(self, mailbox: Mailbox) -> None:
        """Nothing is needed."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        return Report(self.outcome)

    async def look_up(self, message: Claimed) -> Look:
        raise NotImplementedError


class Jumping(Away):
    """During each attempt the clock jumps."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self._shelf.now += YEAR
        return Report(self.outcome)


async def everything(shelf: Shelf, worker: Worker) -> dict[str, int]:
    """How many messages are in which state when all that may go now was tried."""
    while True:
        await worker._wake_due()
        lanes = [lane.task for lane in worker._lanes.values() if lane.task and not lane.task.done()]
        if not lanes:
            return dict(await shelf.outbox.count())
        await asyncio.gather(*lanes)


@pytest.mark.parametrize("steady", [None, 0.0])
async def test_a_clock_that_jumps_while_a_message_is_on_its_way_does_not_bounce_it(
    shelf: Shelf, steady: float | None
) -> None:
    shelf.steady = steady
    parts = (shelf.outbox, shelf.accounts, Jumping(shelf), shelf.clock, shelf.log, shelf.governors())
    worker = Worker(*parts, SETTLE, lambda: None)
    await shelf.put("M", expires_at=shelf.now + HOUR)
    worker.wake(shelf.mailboxes[0].id)
    while not shelf.lines.lines("mail.attempt"):
        await shelf.lines.next()
    row = await shelf.outbox.get("M")
    assert row is not None
    assert (row["state"], row["expires_at"]) == ("deferred", shelf.now + RESPITE)
    await worker.stop(1)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_jumps_by_a_year_bounces_nothing_before_it_was_tried_for_an_hour(
    shelf: Shelf, restarted: bool
) -> None:
    def start() -> Worker:
        governors = shelf.governors()
        parts = (shelf.outbox, shelf.accounts, Away(), shelf.clock, shelf.log, governors)
        return Worker(*parts, SETTLE, lambda: None, chance=lambda: 0.5)

    worker = start()
    for number in range(20):
        new = NewMessage(
            *(f"M{number:02}", shelf.mailboxes[0].id, "printer", ENVELOPE, f"<{number}@x>", TO_A.size, TO_A.pieces),
            expires_at=shelf.now + 48 * HOUR,
        )
        await shelf.outbox.enqueue(new)
    assert await everything(shelf, worker) == {"deferred": 20}
    shelf.now += YEAR
    if restarted:
        await worker.stop(1)
        worker = start()
    for _ in range(int(RESPITE / 30) - 2):
        assert set(await everything(shelf, worker)) <= {"queued", "deferred"}
        shelf.now += 30
    for _ in range(500):
        shelf.now += 30
        states = await everything(shelf, worker)
    assert states == {"failed": 20}
    await worker.stop(1)


async def tried(shelf: Shelf, cause: Cause = AWAY.cause) -> Claimed:
    """The next message, after an attempt now that came to this."""
    message = await shelf.claimed()
    await ended(shelf, message, cause)
    return message


async def ended(shelf: Shelf, message: Claimed, cause: Cause = AWAY.cause) -> None:
    outcome = Outcome(cause)
    following = policy.after(outcome, message, SETTLE, shelf.now, 0.5, shelf.clock.jumped_at)
    await shelf.outbox.finish(message, outcome, following)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_what_an_account_held_for_days_is_tried_for_an_hour_in_the_order_in_which_it_came(
    shelf: Shelf, everywhere: bool
) -> None:
    box, cause = shelf.mailboxes[0].id, Cause.UNTRUSTED
    await shelf.put("A", "B", expires_at=shelf.now + 60)
    for _ in "AB":
        await tried(shelf, cause)
    shelf.now += 86_400
    await shelf.put("C")
    await shelf.outbox.claim_held(box, (cause,))
    await shelf.outbox.recover("stopped", "look", SETTLE)
    shelf.database._writer.execute("UPDATE outbox SET state = 'held', cause = ? WHERE id = 'A'", (cause,))
    await shelf.database.write(release_everywhere(cause, shelf.now) if everywhere else release(box, cause, shelf.now))
    claimed = await shelf.outbox.claim(box, 3)
    assert [message.id for message in claimed] == ["A", "B", "C"]
    for message in claimed:
        await ended(shelf, message)
        row = await shelf.outbox.get(message.id)
        assert row is not None
        assert (row["state"], row["expires_at"] >= shelf.now + HOUR) == ("deferred", True)


async def test_each_message_has_its_hour_from_its_own_attempt_however_slowly_they_go(shelf: Shelf) -> None:
    await shelf.put("A", "B", expires_at=shelf.now + HOUR)
    shelf.now += 100 * HOUR
    await tried(shelf)
    shelf.now += 30 * HOUR
    await tried(shelf)
    assert [await shelf.state(name) for name in "AB"] == ["deferred", "deferred"]


async def test_but_one_hour_only_else_a_mailbox_that_is_throttled_for_ever_gives_up_nothing(shelf: Shelf) -> None:
    await shelf.put("A", expires_at=shelf.now + HOUR)
    for state in ("deferred", "failed"):
        shelf.now += 100 * HOUR
        await tried(shelf)
        assert await shelf.state("A") == state


async def test_and_another_one_where_the_clock_was_seen_to_jump_again(shelf: Shelf) -> None:
    shelf.steady = 0.0
    await shelf.put("A", expires_at=shelf.now + HOUR)
    for _ in range(3):
        shelf.now += YEAR
        await tried(shelf)
        assert await shelf.state("A") == "deferred"


async def test_a_clock_that_was_ahead_gives_no_year_but_what_there_was_to_be(shelf: Shelf) -> None:
    noon = shelf.now
    await shelf.put("A", expires_at=noon + 48 * HOUR)
    shelf.now += YEAR
    await tried(shelf)
    shelf.now = noon
    await shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    row = await shelf.outbox.get("A")
    assert row is not None
    assert (row["expires_at"], row["spared_from"]) == (noon + 48 * HOUR, None)


async def test_nor_less_than_another_try_where_it_was_behind_before(shelf: Shelf) -> None:
    shelf.steady = 0.0
    await shelf.put("A", expires_at=shelf.now + 48 * HOUR)
    shelf.now += 20 * YEAR
    await tried(shelf)
    shelf.now -= 10 * YEAR
    await shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    await tried(shelf)
    assert await shelf.state("A") == "deferred"


async def test_what_was_spared_and_is_retried_by_hand_is_tried_as_long_as_at_first(shelf: Shelf) -> None:
    noon = shelf.now
    await shelf.put("A", expires_at=noon + 48 * HOUR)
    shelf.now += YEAR
    await tried(shelf)
    await shelf.outbox.retry("A")
    assert (await shelf.claimed()).expires_at == shelf.now + 48 * HOUR


# ---- the clock goes back while it is sent


async def test_what_began_before_the_clock_went_back_settles_from_its_end(shelf: Shelf) -> None:
    noon = shelf.now
    await shelf.put("A")
    shelf.now = noon + YEAR
    message = await shelf.claimed()
    shelf.now = noon
    await shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    await ended(shelf, message, Cause.UNCLEAR)
    row = await shelf.outbox.get("A")
    assert row is not None
    (attempt,) = await shelf.outbox.attempts(row["seq"])
    assert (row["began_at"], row["due_at"], attempt["started_at"]) == (noon, noon + SETTLE[-1], noon)
    shelf.now = row["due_at"]
    (doubted,) = await shelf.outbox.doubtful(shelf.mailboxes[0].id, 1, HOUR)
    assert policy.after_look(Found.UNKNOWN, doubted, SETTLE, shelf.now).state is State.QUEUED


# ---- what a crash cut off while it was decided


@pytest.mark.parametrize(("mode", "again"), [("send-only", 5.0), ("verify", 600.0)])
async def test_what_is_not_looked_up_is_decided_again_in_a_moment_after_a_crash(
    shelf: Shelf, mode: str, again: float
) -> None:
    box = shelf.mailboxes[0]
    await shelf.accounts.choose(box, MailboxChoice(mode, ""))
    await shelf.put("A")
    await tried(shelf, Cause.UNCLEAR)
    shelf.now += SETTLE[-1]
    assert await shelf.outbox.doubtful(box.id, 1, 600.0)
    shelf.now += again - 1
    assert not await shelf.outbox.doubtful(box.id, 1, 600.0)
    shelf.now += 1
    assert await shelf.outbox.doubtful(box.id, 1, 600.0)


# ---- by hand


async def test_what_was_canceled_before_its_time_waits_for_that_when_it_is_retried(shelf: Shelf) -> None:
    await shelf.put("A", send_at=shelf.now + HOUR)
    await shelf.outbox.cancel("A")
    await shelf.outbox.retry("A")
    assert await shelf.outbox.claim(shelf.mailboxes[0].id, 1) == []
    shelf.now += HOUR
    assert (await shelf.claimed()).id == "A"


@pytest.mark.parametrize("late", [0.0, 12 * HOUR])
async def test_each_retry_gives_as_long_as_at_first_and_no_longer(shelf: Shelf, late: float) -> None:
    await shelf.put("A", expires_at=shelf.now + late + 48 * HOUR, send_at=shelf.now + late)
    shelf.now += late
    for _ in range(5):
        shelf.now += 47 * HOUR
        message = await tried(shelf)
        await shelf.outbox.retry("A")
        row = await shelf.outbox.get("A")
        assert row is not None
        assert (message.id, row["expires_at"]) == ("A", shelf.now + 48 * HOUR)


async def test_what_was_put_off_by_a_clock_that_was_a_day_ahead_is_due_at_once(shelf: Shelf) -> None:
    noon = shelf.now
    await shelf.put("A")
    shelf.now += 20 * HOUR
    await tried(shelf)
    shelf.now = noon
    await shelf.outbox.clock_went_back(SETTLE[-1], policy.longest_look(SETTLE))
    assert (await shelf.claimed()).id == "A"


async def test_a_restart_does_not_shorten_what_is_decided_blindly(shelf: Shelf) -> None:
    await shelf.put("A")
    message = await shelf.claimed()
    unclear = Outcome(Cause.UNCLEAR)
    await shelf.outbox.finish(message, unclear, Next(State.UNCERTAIN, shelf.now + 4 * HOUR, Cause.UNCLEAR, 9))
    shelf.now += 60
    await shelf.outbox.recover("stopped", "look", SETTLE)
    row = await shelf.outbox.get("A")
    assert row is not None
    assert row["due_at"] == shelf.now - 60 + 4 * HOUR


@pytest.mark.parametrize(
    ("mode", "cause", "hurried", "flagged"),
    [
        ("verify", Cause.THROTTLED, True, 1),
        ("draft", Cause.QUOTA, True, 1),
        ("verify", Cause.THROTTLED, False, 0),
        ("send-only", Cause.THROTTLED, True, 0),
        ("verify", Cause.UNREACHABLE, True, 0),
    ],
)
async def test_what_a_person_sends_again_before_it_could_be_looked_for_is_flagged(
    shelf: Shelf, mode: str, cause: Cause, hurried: bool, flagged: int
) -> None:
    await shelf.accounts.choose(shelf.mailboxes[0], MailboxChoice(mode, ""))
    await shelf.put("A")
    await tried(shelf, cause)
    await shelf.outbox.cancel("A")
    shelf.now += 0.0 if hurried else 2 * HOUR
    await shelf.outbox.retry("A")
    row = await shelf.outbox.get("A")
    assert row is not None
    assert (row["state"], row["maybe_duplicate"]) == ("queued", flagged)


@pytest.mark.parametrize(("cause", "state"), [(Cause.UNCLEAR, "sent"), (Cause.UNREACHABLE, "canceled")])
async def test_what_was_canceled_in_doubt_can_be_resolved(shelf: Shelf, cause: Cause, state: str) -> None:
    await shelf.put("A")
    await tried(shelf, cause)
    await shelf.outbox.cancel("A")
    await shelf.outbox.resolve("A")
    assert await shelf.state("A") == state
