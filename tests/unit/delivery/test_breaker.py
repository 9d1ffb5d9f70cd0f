"""What is out of order for many is tried by one: an outage of Graph, a host, Entra ID, a secret that has expired."""

from collections.abc import AsyncIterator

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.governor import Limits
from pillarbox.core.mail import Outcome
from pillarbox.delivery.transports import KeepDraft, Report
from pillarbox.store.limits import app_scope, host_scope, mailbox_scope
from pillarbox.store.messages import Claimed
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.test_governor import SENT, Answers, MakeService, Service, ids, make, more_mailboxes, service

__all__ = ["make", "service"]

OUTAGE = Outcome(Cause.UNCLEAR, "http_503", http_status=503)
LOST = Outcome(Cause.UNCLEAR, "microsoft.timeout")
UNREACHABLE = Outcome(Cause.UNREACHABLE, "microsoft.unreachable")
NO_TOKEN = Outcome(Cause.TOKEN_UNAVAILABLE, "microsoft.unreachable")
REFUSED = Outcome(Cause.BAD_CONTENT, "ErrorX", http_status=400)
SECRET = Outcome(Cause.ACCOUNT_BROKEN, "microsoft.token_refused", "AADSTS7000222", app_wide=True)


# ---- an outage


async def test_an_outage_of_ten_minutes_leaves_most_of_the_backlog_in_the_queue(
    shelf: Shelf, make: MakeService
) -> None:
    service = await make(Limits(concurrency=3, messages=30))
    await shelf.put(*ids(60))
    service.answers.outcome = OUTAGE
    for _ in range(60):
        await service.run(10)
    states = await service.states()
    # Five, what was under way, and the probes after 30, 60, 120 and 300 seconds.
    assert states["uncertain"] <= 5 + 2 + 4
    assert states["uncertain"] + states["queued"] == 60
    service.answers.outcome = SENT
    for _ in range(3):
        await service.run(300)
    assert (await service.states())["sent"] == states["queued"]


class Slow(Answers):
    """Each answer takes 100 seconds not to come."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self.shelf = shelf

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.shelf.now += 100
        return await super().send(message, body, keep_draft)


async def test_answers_that_take_long_to_be_missed_are_an_outage_too(shelf: Shelf) -> None:
    service = Service(shelf, Slow(shelf), Limits(concurrency=1), Limits())
    await service.begin()
    service.answers.outcome = LOST
    await shelf.put(*ids(20))
    assert len(await service.tried()) == 5
    await service.worker.stop(1)


@pytest.mark.parametrize(
    "answer", [SENT, REFUSED, Outcome(Cause.CONCURRENCY, http_status=429), Outcome(Cause.BUSY, "450 4.2.1")]
)
async def test_any_definite_answer_between_shows_that_there_is_no_outage(
    shelf: Shelf, make: MakeService, answer: Outcome
) -> None:
    service = await make(Limits(concurrency=1))
    service.answers.outcome = OUTAGE
    service.answers.by_id = {"M003": answer, "M007": answer}
    await shelf.put(*ids(12))
    assert len(await service.tried()) == 12
    assert service.governors.paused(shelf.mailboxes[0]) == []


@pytest.mark.parametrize("outcome", [OUTAGE, Outcome(Cause.BUSY, "draft.not_made", http_status=500)])
async def test_an_outage_of_one_mailbox_stops_no_other(shelf: Shelf, service: Service, outcome: Outcome) -> None:
    service.answers.outcome = outcome
    await shelf.put(*ids(20))
    assert 5 <= len(await service.tried()) <= 7
    (shown,) = service.governors.paused(shelf.mailboxes[0])
    assert (shown.scope, shown.cause) == (mailbox_scope(shelf.mailboxes[0].id), "unclear")
    service.answers.outcome = SENT
    await shelf.put("X", mailbox=1)
    assert await service.tried() == ["X"]


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_outage_of_many_mailboxes_is_probed_ever_more_rarely(
    shelf: Shelf, make: MakeService, restarted: bool
) -> None:
    service = await make(Limits(concurrency=1))
    await more_mailboxes(shelf, 2)
    for box in range(4):
        await shelf.put(*ids(9, f"{box}-"), mailbox=box)
    service.answers.outcome = OUTAGE
    assert 5 <= len(await service.tried()) <= 8
    (shown,) = service.governors.paused(shelf.mailboxes[3])
    assert (shown.scope, shown.cause) == (host_scope("graph"), "unclear")
    for seconds in (30, 60, 120, 300, 300):
        if restarted:
            await service.restart()
        assert await service.tried(seconds - 1) == []
        assert len(await service.tried(1)) == 1
    service.answers.outcome = REFUSED
    assert len(await service.tried(300)) > 1


async def test_probes_of_an_outage_are_of_one_mailbox_after_the_other(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    await more_mailboxes(shelf, 2)
    for box in range(4):
        await shelf.put(*ids(9, f"{box}-"), mailbox=box)
    service.answers.outcome = OUTAGE
    await service.run()
    probes = [(await service.tried(seconds))[0] for seconds in (30, 60, 120, 300)]
    assert len({probe[0] for probe in probes}) == 4


# ---- a host, and Entra ID


@pytest.mark.parametrize("fault", [UNREACHABLE, NO_TOKEN])
@pytest.mark.parametrize("answer", [OUTAGE, REFUSED, Outcome(Cause.BUSY, "450 4.2.1")])
async def test_any_answer_shows_that_the_host_and_entra_id_are_reached(
    shelf: Shelf, service: Service, fault: Outcome, answer: Outcome
) -> None:
    service.answers.outcome = fault
    await shelf.put(*ids(20))
    await shelf.put("X", mailbox=1)
    service.answers.by_id["X"] = SENT
    shelf.now += 1
    await service.run()
    service.answers.outcome = answer
    await shelf.put("Y", mailbox=1)
    service.answers.by_id["Y"] = SENT
    await service.run(30)
    await service.run()
    assert await shelf.state("Y") == "sent"


@pytest.mark.parametrize("outcome", [UNREACHABLE, NO_TOKEN])
async def test_what_happens_now_and_then_is_no_succession(shelf: Shelf, make: MakeService, outcome: Outcome) -> None:
    service = await make(Limits(concurrency=1))
    service.answers.outcome = outcome
    for number in range(8):
        await shelf.put(f"M{number}")
        shelf.now += 61
        assert f"M{number}" in await service.tried()
        await shelf.outbox.cancel(f"M{number}")
    assert service.governors.paused(shelf.mailboxes[0]) == []


@pytest.mark.parametrize("outcome", [UNREACHABLE, NO_TOKEN])
async def test_what_was_put_off_for_a_fault_is_due_when_it_is_over(
    shelf: Shelf, service: Service, outcome: Outcome
) -> None:
    service.answers.outcome = outcome
    await shelf.put(*ids(6))
    for _ in range(30):
        await service.run(30)
    service.answers.outcome = SENT
    while not (await service.states())["sent"]:
        await service.run(30)
    await service.run(30)
    assert await service.states() == {"sent": 6}


# ---- a credential


async def test_a_secret_that_is_refused_is_tried_by_one_message_of_the_app(shelf: Shelf, service: Service) -> None:
    await more_mailboxes(shelf, 6)
    for box in range(8):
        await shelf.put(*ids(3, f"{box}-"), mailbox=box)
    service.answers.outcome = SECRET
    await service.run()
    (shown,) = service.governors.paused(shelf.mailboxes[5])
    assert shown.scope == app_scope(shelf.mailboxes[5].app.id)
    for _ in range(2):
        assert await service.tried(299) == []
        assert len(await service.tried(1)) == 1
    # It has its token: what is wrong with this one message is another matter.
    service.answers.outcome = REFUSED
    service.answers.by_id = {f"{box}-{number:03}": SENT for box in range(8) for number in range(3)}
    del service.answers.by_id["0-000"]
    await service.run(300)
    await service.run()
    states = await service.states()
    assert states["held"] == 0
    assert states["sent"] >= 23
