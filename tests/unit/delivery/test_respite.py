"""After hours without an attempt old messages are tried for an hour before they are given up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome, State
from pillarbox.delivery.respite import LONG, RESPITE, Respite
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.delivery.worker import Worker
from pillarbox.store.limits import release, release_everywhere
from pillarbox.store.outbox import Claimed, NewMessage, Next
from tests.claimed import claimed
from tests.unit.delivery.conftest import ENVELOPE, TO_A, Shelf

NOW = 1_000_000.0
YEAR = 365 * 86_400.0
HOUR = 3600.0
ALICE = Mailbox(1, "alice@contoso.example", AppRegistration(1, "contoso", "t", "c"))
BOB = replace(ALICE, id=2)


def expires(respite: Respite, now: float, due_at: float, mailbox: Mailbox = ALICE, expires_at: float = NOW) -> float:
    """When a message expires that is claimed now."""
    message = claimed(mailbox, "x@contoso.example", started_at=now, due_at=due_at, expires_at=expires_at)
    (given,) = respite.given([message])
    return given.expires_at


def test_what_is_tried_at_its_time_expires_as_it_was_to() -> None:
    respite = Respite()
    assert [expires(respite, NOW + at, NOW + at - 60) for at in (0, 60, 86_400)] == [NOW] * 3


def test_after_a_jump_or_an_outage_it_has_an_hour_from_the_first_attempt() -> None:
    respite = Respite()
    late = NOW + YEAR
    assert expires(respite, late, NOW) == late + RESPITE
    assert expires(respite, late + 60, late) == late + RESPITE
    assert expires(respite, late + RESPITE, late) == NOW
    assert expires(respite, late, NOW, expires_at=late + YEAR) == late + YEAR


def test_while_a_mailbox_is_tried_again_and_again_its_backlog_grows_old() -> None:
    respite = Respite()
    expires(respite, NOW, NOW)
    waits = [expires(respite, NOW + hour * HOUR, NOW) for hour in range(1, 100)]
    assert waits == [NOW] * 99


def test_each_mailbox_has_its_own() -> None:
    respite = Respite()
    late = NOW + YEAR
    assert expires(respite, late, NOW) == late + RESPITE
    assert expires(respite, late, late, BOB) == NOW
    assert expires(respite, late + LONG, NOW, BOB) == NOW


def test_a_clock_that_goes_back_ends_it() -> None:
    respite = Respite()
    expires(respite, NOW + YEAR, NOW)
    assert expires(respite, NOW + 60, NOW) == NOW


class Away:
    """A transport that reaches nobody."""

    outcome = Outcome(Cause.UNREACHABLE, "microsoft.unreachable")

    async def ready(self, mailbox: Mailbox) -> None:
        """Nothing is needed."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        return Report(self.outcome)

    async def look_up(self, message: Claimed) -> Look:
        raise NotImplementedError


async def everything(shelf: Shelf, worker: Worker) -> dict[str, int]:
    """How many messages are in which state when all that may go now was tried."""
    while True:
        await worker._wake_due()
        lanes = [lane.task for lane in worker._lanes.values() if lane.task and not lane.task.done()]
        if not lanes:
            return dict(await shelf.outbox.count())
        await asyncio.gather(*lanes)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_jumps_by_a_year_bounces_nothing_before_it_was_tried_for_an_hour(
    shelf: Shelf, restarted: bool
) -> None:
    def start() -> Worker:
        governors = shelf.governors()
        parts = (shelf.outbox, shelf.accounts, Away(), shelf.clock, shelf.log, governors)
        return Worker(*parts, (120.0, 900.0), lambda: None, chance=lambda: 0.5)

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


@pytest.mark.parametrize("everywhere", [False, True])
async def test_what_an_account_held_for_days_is_tried_for_an_hour(shelf: Shelf, everywhere: bool) -> None:
    box, cause = shelf.mailboxes[0].id, Cause.UNTRUSTED
    new = NewMessage("A", box, "printer", ENVELOPE, "<a@x>", TO_A.size, TO_A.pieces, expires_at=shelf.now + 60)
    await shelf.outbox.enqueue(new)
    message = await shelf.claimed()
    await shelf.outbox.finish(message, Outcome(cause), Next(State.HELD, shelf.now, cause, 1))
    shelf.now += 86_400
    await shelf.database.write(release_everywhere(cause, shelf.now) if everywhere else release(box, cause, shelf.now))
    assert (await shelf.claimed()).expires_at == shelf.now + HOUR
