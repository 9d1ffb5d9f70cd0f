"""Who is the probe, what it shows, and what goes again though its pause is gone."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from pillarbox.core.accounts import SignIn
from pillarbox.core.cause import Cause
from pillarbox.core.governor import DAY, Limits
from pillarbox.core.mail import Outcome, State
from pillarbox.core.vault import Secret
from pillarbox.delivery.transports import KeepDraft, Report
from pillarbox.delivery.turn import Turn
from pillarbox.store.limits import app_scope, host_scope, mailbox_scope, way_scope
from pillarbox.store.messages import Claimed, Next
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
TOO_LARGE = Outcome(Cause.TOO_LARGE, "mail.too_large_for_graph")
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
    probed, other = (one, two) if governors._probes._last.get(one.id, 0) else (two, one)
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


@pytest.mark.parametrize("cause", [Cause.ACCOUNT_BROKEN, Cause.UNREACHABLE])
async def test_what_we_refuse_ourselves_costs_no_other_message_a_wait(
    shelf: Shelf, service: Service, cause: Cause
) -> None:
    service.answers.outcome = Outcome(cause, "x")
    await shelf.put(*ids(6))
    await service.run()
    service.answers.outcome = SENT
    service.answers.by_id = dict.fromkeys(ids(5), TOO_LARGE)
    await shelf.put("Z")
    await service.run(300)
    await service.run(60)
    assert await service.states() == {"failed": 5, "sent": 2}


async def test_a_probe_that_is_only_slowed_tells_nothing_and_another_goes_soon(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BLOCKED
    await shelf.put(*ids(3))
    await service.run()
    service.answers.outcome = SENT
    service.answers.by_id["M000"] = Outcome(Cause.CONCURRENCY, "x", http_status=429, retry_after=1.0)
    assert await service.tried(3600) == ["M000"]
    assert await service.tried(29) == []
    assert "M001" in await service.tried(1)
    assert (await service.states())["held"] == 0


async def test_a_pause_that_has_ended_since_the_store_was_looked_at_does_not_come_back(
    shelf: Shelf, service: Service
) -> None:
    service.answers.outcome = BLOCKED
    await shelf.put("A")
    await service.run()
    service.answers.outcome = SENT
    shelf.now += 3600
    await service.governors.held()
    service.worker.wake(shelf.mailboxes[0].id)
    lane = service.worker._lanes[shelf.mailboxes[0].id].task
    assert lane
    await lane
    assert service.governors.probes() == {shelf.mailboxes[0].id: 0.0}
    assert list(service.governors._pauses) == []


# ---- what goes elsewhere


class TwoWays(Answers):
    """What is called L goes by SMTP. What goes by one of the `bad` ways is answered by `fault`."""

    bad: tuple[str, ...] = ()
    fault = UNTRUSTED

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        host = self.hosts[message.id] = "smtp" if message.id.startswith("L") else "graph"
        report = await super().send(message, body, keep_draft)
        return replace(report, outcome=self.fault) if host in self.bad else report


@dataclass
class Ways:
    """A service whose mailboxes send by Graph, and by SMTP what is called L."""

    service: Service
    answers: TwoWays

    async def held(self, *ids: str, mailbox: int = 0) -> None:
        """Messages that are refused, each way, and so held."""
        self.answers.bad = ("graph", "smtp")
        for one in ids:
            await self.service.shelf.put(one, mailbox=mailbox)
            await self.service.run(1)

    async def tried(self, seconds: int) -> Counter[str]:
        """How often each message was tried."""
        self.answers.tried.clear()
        for _ in range(seconds // 10):
            await self.service.run(10)
        return Counter(self.answers.tried)


@pytest.fixture
async def ways(shelf: Shelf) -> AsyncIterator[Ways]:
    shelf.hosts = ("graph", "smtp")
    service = Service(shelf, TwoWays(), THREE, Limits())
    await service.begin()
    assert isinstance(service.answers, TwoWays)
    yield Ways(service, service.answers)
    await service.worker.stop(1)
    await service.governors.close()


async def test_what_is_held_elsewhere_is_no_probe_of_a_host_of_which_nothing_may_go(shelf: Shelf, ways: Ways) -> None:
    await ways.held("L", mailbox=1)
    await ways.held("M", mailbox=0)
    await ways.service.governors.pause(mailbox_scope(shelf.mailboxes[0].id), "holiday")
    assert await ways.tried(3600) == {"L": 12}


async def test_a_host_that_is_good_again_takes_the_queue_though_another_way_is_not(shelf: Shelf, ways: Ways) -> None:
    await ways.held("L", "M")
    await shelf.outbox.cancel("M")
    ways.answers.bad = ("smtp",)
    await shelf.put("N")
    assert (await ways.tried(310))["N"] == 1
    assert (await ways.tried(3600)) == {"L": 12}


async def test_a_pause_that_was_left_over_makes_no_message_of_another_way_its_probe(shelf: Shelf, ways: Ways) -> None:
    await ways.held("M")
    await shelf.outbox.cancel("M")
    ways.answers.bad = ("smtp",)
    shelf.now += DAY
    await shelf.put("L", mailbox=1)
    assert (await ways.tried(3600))["L"] in (12, 13)


async def test_not_all_the_queue_is_tried_for_a_host_that_none_of_it_uses(shelf: Shelf, ways: Ways) -> None:
    await ways.held("M")
    await shelf.outbox.cancel("M")
    ways.answers.bad = ("smtp",)
    shelf.now += DAY
    await shelf.put(*ids(5, "L"), mailbox=1)
    assert sum((await ways.tried(20)).values()) == 1


async def test_what_goes_by_another_way_and_fails_puts_off_the_next_probe_by_no_more_than_half_a_minute(
    shelf: Shelf, ways: Ways
) -> None:
    ways.answers.fault = UNAUTHORIZED
    await ways.held("M")
    await shelf.outbox.cancel("M")
    ways.answers.bad = ("smtp",)
    await shelf.put("L0")
    await shelf.put("N")
    assert await ways.tried(300) == {"L0": 1}
    assert await ways.tried(20) == {}
    assert (await ways.tried(10))["N"] == 1
    assert await ways.service.states() == {"canceled": 1, "held": 1, "sent": 1}


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_first_probe_after_the_mend_goes_by_the_way_that_was_broken(
    shelf: Shelf, ways: Ways, restarted: bool
) -> None:
    ways.answers.fault = UNAUTHORIZED
    await ways.held(*ids(5, "L"), *ids(5))
    ways.answers.bad = ("smtp",)
    if restarted:
        await ways.service.restart()
    await ways.service.run(300)
    await ways.service.run()
    assert await ways.service.states() == {"held": 5, "sent": 5}


async def test_what_was_held_for_a_way_that_is_chosen_no_more_stops_nothing(shelf: Shelf, ways: Ways) -> None:
    ways.answers.fault = UNAUTHORIZED
    await ways.held(*ids(5, "L"))
    shelf.hosts = ("graph",)
    ways.answers.by_id = dict.fromkeys(ids(5, "L"), TOO_LARGE)
    ways.answers.bad = ()
    await shelf.put(*ids(3))
    await ways.tried(60)
    assert await ways.service.states() == {"failed": 5, "sent": 3}


async def test_what_was_held_for_a_way_that_was_the_first_goes_though_it_is_not_now(shelf: Shelf, ways: Ways) -> None:
    ways.answers.fault = UNAUTHORIZED
    shelf.hosts = ("smtp",)
    await ways.held("L")
    shelf.hosts = ("graph", "smtp")
    assert (await ways.tried(3600))["L"] in (11, 12)
    ways.answers.bad = ()
    await ways.tried(330)
    assert await ways.service.states() == {"sent": 1}


async def test_where_one_host_serves_both_ways_none_of_them_is_another(shelf: Shelf, ways: Ways) -> None:
    shelf.hosts = ("graph", "graph")
    ways.answers.fault = UNAUTHORIZED
    await ways.held("M")
    (pause,) = ways.service.governors.paused(shelf.mailboxes[0])
    assert pause.scope == mailbox_scope(shelf.mailboxes[0].id)


async def test_a_way_that_is_refused_is_shown_and_the_mailbox_is_not_paused(shelf: Shelf, ways: Ways) -> None:
    ways.answers.fault = UNAUTHORIZED
    await ways.held("L")
    governors, box = ways.service.governors, shelf.mailboxes[0]
    assert governors.paused(box) == []
    assert [one.scope for one in governors.paused_elsewhere(box)] == [way_scope(box.id, "smtp")]
    governors.mended(box)
    await ways.service.run(1)
    assert governors.paused(box) == []


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


async def test_answers_that_one_way_loses_again_and_again_do_not_stop_the_other(shelf: Shelf, ways: Ways) -> None:
    ways.answers.fault = Outcome(Cause.UNCLEAR, "timeout")
    await ways.held(*ids(10, "L"))
    ways.answers.bad = ("smtp",)
    await shelf.put(*ids(6))
    assert set(ids(6)) <= set(await ways.tried(10))


async def test_what_is_held_under_another_app_registration_does_not_wait_for_what_another_way_holds(
    shelf: Shelf, ways: Ways
) -> None:
    ways.answers.fault = UNAUTHORIZED
    await ways.held(*ids(10, "L"))
    ways.answers.by_id, ways.answers.bad = dict.fromkeys(ids(3), SECRET), ("smtp",)
    await shelf.put(*ids(3))
    await ways.tried(600)
    assert await ways.service.states() == {"held": 13}
    added = await shelf.accounts.add_app("other", "t", "c2", Secret("s"))
    assert added is not None
    await shelf.accounts.change_mailbox(shelf.mailboxes[0], added)
    ways.answers.by_id.clear()
    ways.service.worker.forget()
    ways.service.governors.mended(await shelf.accounts.mailbox_by_id(shelf.mailboxes[0].id))
    await ways.tried(60)
    assert await ways.service.states() == {"held": 10, "sent": 3}


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
