"""Who is the probe, what it shows, and what goes again though its pause is gone."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pillarbox.core.accounts import SignIn
from pillarbox.core.cause import Cause
from pillarbox.core.governor import Limits
from pillarbox.core.mail import Outcome, State
from pillarbox.core.vault import Secret
from pillarbox.delivery.governor import Turn
from pillarbox.delivery.transports import KeepDraft, Report
from pillarbox.store.limits import app_scope, host_scope, mailbox_scope
from pillarbox.store.outbox import Claimed, Next
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.test_breaker import OUTAGE, REFUSED, SECRET
from tests.unit.delivery.test_governor import (
    SENT,
    THREE,
    Answers,
    MakeService,
    Service,
    ids,
    make,
    more_mailboxes,
    service,
)

__all__ = ["make", "service"]

DENIED = Outcome(Cause.ACCESS_DENIED, "ErrorAccessDenied", http_status=403)
UNAUTHORIZED = Outcome(Cause.ACCOUNT_BROKEN, "x", http_status=401)
BLOCKED = Outcome(Cause.BLOCKED, "x", http_status=403)
UNTRUSTED = Outcome(Cause.UNTRUSTED, "microsoft.tls")
LOOK_FAILED = Outcome(Cause.UNCLEAR, "look.failed")
NOT_MADE = Outcome(Cause.BUSY, "draft.not_made", http_status=503)
ONE = Limits(concurrency=1)


# ---- what is held, and has no pause


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_is_held_goes_when_its_mailbox_has_another_app_registration(
    shelf: Shelf, service: Service, restarted: bool
) -> None:
    await shelf.put(*ids(3))
    service.answers.outcome = SECRET
    await service.run()
    added = await shelf.accounts.add_app("other", "t", "c2", Secret("s"))
    assert added is not None
    await shelf.accounts.change_mailbox(shelf.mailboxes[0], added)
    service.governors.mended(await shelf.accounts.mailbox_by_id(shelf.mailboxes[0].id))
    service.worker.forget()
    if restarted:
        await service.restart()
    assert len(await service.tried()) == 1, "not one is the probe"
    service.answers.outcome = SENT
    await service.run(300)
    await service.run(300)
    assert await service.states() == {"sent": 3}


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_is_held_goes_when_its_mailbox_sends_by_another_host(
    shelf: Shelf, service: Service, restarted: bool
) -> None:
    await shelf.put(*ids(3))
    service.answers.outcome = UNTRUSTED
    await service.run()
    shelf.hosts = ("other",)
    service.answers.outcome = SENT
    if restarted:
        await service.restart()
    await service.run()
    await service.run()
    assert await service.states() == {"sent": 3}
    assert service.governors._pauses.of(host_scope("graph"), Cause.UNTRUSTED), "the other host has shown nothing of it"


# ---- whose turn it is


async def test_who_never_was_a_probe_is_the_next_though_others_come_first(shelf: Shelf, make: MakeService) -> None:
    service = await make(ONE)
    await more_mailboxes(shelf, 2)
    for box in range(3):
        await shelf.put(*ids(20, f"{box}-"), mailbox=box)
    service.answers.outcome = OUTAGE
    for _ in range(4):
        await service.run(300)
    await shelf.put("G", mailbox=3)
    service.answers.by_id["G"] = SENT
    assert (await service.tried(300))[0] == "G"


async def test_who_was_let_go_first_and_has_nothing_lets_the_other_go(shelf: Shelf, make: MakeService) -> None:
    service = await make(ONE)
    await shelf.put("A")
    await shelf.put("B", mailbox=1)
    service.answers.outcome = UNTRUSTED
    await service.run()
    governors, (one, two) = service.governors, shelf.mailboxes
    await service.run(300)
    probed, other = (one, two) if governors._probed_last.get(one.id, 0) else (two, one)
    shelf.now += 300
    woken: list[int] = []
    shelf.wake = woken.append
    governors.are_due([one.id, two.id], ())
    assert not governors.may_send(probed)
    assert woken == [other.id]
    governors.nothing_to_send(other)
    assert woken == [other.id, probed.id]
    assert governors.may_send(probed)


# ---- what a probe shows


@pytest.mark.parametrize("fault", [DENIED, UNAUTHORIZED])
async def test_what_microsoft_refuses_for_what_it_is_shows_that_the_account_is_good(
    shelf: Shelf, make: MakeService, fault: Outcome
) -> None:
    service = await make(ONE)
    await shelf.put(*ids(6))
    service.answers.outcome = fault
    await service.run()
    service.answers.outcome = SENT
    service.answers.by_id = dict.fromkeys(ids(3), REFUSED)
    await service.run(900)
    await service.run()
    assert await service.states() == {"failed": 3, "sent": 3}


async def test_after_a_probe_that_was_refused_the_next_one_goes_at_once(shelf: Shelf, make: MakeService) -> None:
    service = await make(ONE)
    await shelf.put(*ids(6))
    service.answers.outcome = BLOCKED
    await service.run()
    service.answers.by_id = dict.fromkeys(ids(3), REFUSED)
    await service.run(3600)
    for _ in range(3):
        await service.run()
    assert service.answers.tried[-4:] == ids(4)
    assert await service.tried(3599) == []


async def test_a_look_up_that_failed_is_no_outage(shelf: Shelf, make: MakeService) -> None:
    service = await make(ONE)
    service.answers.outcome = LOOK_FAILED
    await shelf.put(*ids(8))
    assert len(await service.tried()) == 8


async def test_a_look_up_that_failed_does_not_show_that_there_is_a_token(shelf: Shelf, service: Service) -> None:
    await shelf.put("A", "B")
    service.answers.outcome = SECRET
    await service.run()
    service.answers.outcome = LOOK_FAILED
    await service.run(300)
    assert service.governors._pauses.of(app_scope(shelf.mailboxes[0].app.id), Cause.ACCOUNT_BROKEN)


class TwoWays(Answers):
    """What is called L goes by SMTP."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.host = "smtp" if message.id.startswith("L") else "graph"
        return await super().send(message, body, keep_draft)


async def test_what_goes_elsewhere_is_no_probe_of_a_host_of_which_nothing_is_held(shelf: Shelf) -> None:
    shelf.hosts = ("graph", "smtp")
    service = Service(shelf, TwoWays(), THREE, Limits())
    await service.begin()
    await shelf.put("L", mailbox=1)
    service.answers.by_id["L"] = UNTRUSTED
    await service.run()
    await shelf.put(*ids(3))
    shelf.now += 301
    turn = service.governors.reserve(shelf.mailboxes[0], 3)
    assert (turn.count, turn.probes) == (3, ())
    service.governors.release(turn, 3)
    service.answers.by_id.clear()
    assert "L" in await service.tried()
    await service.worker.stop(1)


# ---- by whom a pause is ended, and what is due then


async def test_what_was_put_off_in_an_outage_goes_when_it_is_over(shelf: Shelf, make: MakeService) -> None:
    service = await make(THREE)
    await shelf.put(*ids(9))
    service.answers.outcome = NOT_MADE
    for _ in range(300):
        await service.run(60)
    service.answers.outcome = SENT
    while not (await service.states())["sent"]:
        await service.run(60)
    await service.run(60)
    assert await service.states() == {"sent": 9}


async def test_resume_wakes_what_waited_before_the_restart(shelf: Shelf, service: Service) -> None:
    scope = mailbox_scope(shelf.mailboxes[0].id)
    await service.governors.pause(scope, "x")
    await shelf.put("A")
    await service.restart()
    await service.run()
    woken: list[int] = []
    shelf.wake = woken.append
    assert await service.governors.resume(scope)
    assert shelf.mailboxes[0].id in woken


async def test_a_secret_that_is_refused_is_no_matter_of_a_mailbox_with_a_sign_in(
    shelf: Shelf, service: Service
) -> None:
    await shelf.put("A")
    service.answers.outcome = SECRET
    await service.run()
    governors, signed_in = service.governors, replace(shelf.mailboxes[1], sign_in=SignIn(("send",)))
    assert governors.may_send(signed_in)
    assert not governors.may_send(shelf.mailboxes[1])
    await shelf.put("B", mailbox=1)
    shelf.now += 1
    message = replace(await shelf.claimed(1), mailbox=signed_in)
    shown = governors.told(Turn(signed_in, 1), message, Report(SENT), Next(State.SENT, shelf.now))
    assert list(shown.over) == []
