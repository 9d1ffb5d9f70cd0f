"""Limits, pauses and probes, with a worker, a store and a clock that only the test moves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.governor import DAY, Limits
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.delivery.worker import Worker
from pillarbox.store.limits import EVERYTHING, Pause, app_scope, mailbox_scope
from pillarbox.store.messages import Claimed, NewMessage, Next
from tests.unit.delivery.conftest import NO_LIMITS, Shelf

SENT = Outcome(Cause.ACCEPTED, http_status=202, request_id="r")
THROTTLED = Outcome(Cause.THROTTLED, "ApplicationThrottled", http_status=429, retry_after=30.0)
FIVE_MINUTES = 300.0
THREE = Limits(concurrency=3)


class Answers:
    """A transport that answers at once, with what was last said; `tried` are the messages in the order of attempts."""

    def __init__(self) -> None:
        self.outcome = SENT
        self.by_id: dict[str, Outcome] = {}
        self.tried: list[str] = []
        self.requests = 1
        self.host = ""
        self.hosts: dict[str, str] = {}

    async def ready(self, mailbox: Mailbox) -> None:
        """Nothing is needed."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.tried.append(message.id)
        host = self.hosts.get(message.id, self.host)
        await asyncio.sleep(0)
        return Report(self.by_id.get(message.id, self.outcome), requests=self.requests, host=host)

    async def look_up(self, message: Claimed) -> Look:
        raise NotImplementedError


@dataclass
class Service:
    """A worker that runs until nothing more goes."""

    shelf: Shelf
    answers: Answers
    mailbox_limits: Limits
    app_limits: Limits

    async def begin(self) -> None:
        """As at a start."""
        self.governors = self.shelf.governors(self.mailbox_limits, self.app_limits)
        await self.governors.load()
        await self.governors.recount()
        self.worker = Worker(
            *(self.shelf.outbox, self.shelf.accounts, self.answers, self.shelf.clock, self.shelf.log),
            self.governors,
            (120.0, 900.0),
            lambda: None,
            chance=lambda: 0.0,
        )
        self.shelf.wake = self.worker.wake

    async def restart(self) -> None:
        await self.worker.stop(1)
        await self.begin()

    async def run(self, seconds: float = 0.0) -> float:
        """Let time pass and everything go that may; the seconds until something else is due."""
        self.shelf.now += seconds
        while True:
            wait = await self.worker._wake_due()
            lanes = [lane.task for lane in self.worker._lanes.values() if lane.task and not lane.task.done()]
            if not lanes:
                return wait
            await asyncio.gather(*lanes)

    async def tried(self, seconds: float = 0.0) -> list[str]:
        """What is tried when so much time has passed."""
        self.answers.tried.clear()
        await self.run(seconds)
        return list(self.answers.tried)

    async def states(self) -> Counter[str]:
        return Counter(await self.shelf.outbox.count())


MakeService = Callable[..., Awaitable[Service]]


@pytest.fixture
async def make(shelf: Shelf) -> AsyncIterator[MakeService]:
    made: list[Service] = []

    async def make(mailbox: Limits = THREE, app: Limits = NO_LIMITS) -> Service:
        service = Service(shelf, Answers(), mailbox, app)
        await service.begin()
        made.append(service)
        return service

    yield make
    for service in made:
        await service.worker.stop(1)
        await service.governors.close()


@pytest.fixture
async def service(make: MakeService) -> Service:
    return await make()


def ids(count: int, letter: str = "M") -> list[str]:
    return [f"{letter}{number:03}" for number in range(count)]


async def put(shelf: Shelf, queue_id: str, recipients: int, size: int = 10) -> None:
    to = tuple(f"a{number}@x.example" for number in range(recipients))
    kept = InMemory(b"x" * size)
    envelope, box = Envelope("one@contoso.example", to), shelf.mailboxes[0].id
    await shelf.outbox.enqueue(NewMessage(queue_id, box, "printer", envelope, "<m@x>", kept.size, kept.pieces))


# ---- limits


async def test_thirty_messages_go_in_a_minute_and_the_next_after_it(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=3, messages=30))
    await shelf.put(*ids(40))
    await shelf.put(*ids(5, "X"), mailbox=1)
    wait = await service.run()
    assert await service.states() == {"sent": 35, "queued": 10}
    assert wait == pytest.approx(60.0, abs=1.1)
    assert await service.tried(59.9) == []
    assert len(await service.tried(1.1)) == 10


async def test_what_was_used_counts_after_a_restart(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=3, messages=30))
    await shelf.put(*ids(40))
    await service.run()
    shelf.now += 20
    await service.restart()
    assert await service.tried() == []
    assert len(await service.tried(41.1)) == 10


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_message_that_does_not_fit_is_given_back_and_keeps_its_place(
    shelf: Shelf, make: MakeService, restarted: bool
) -> None:
    service = await make(Limits(concurrency=3, recipients=100))
    await put(shelf, "A", 60)
    await put(shelf, "B", 60)
    await put(shelf, "C", 1)
    assert await service.tried() == ["A"]
    row = await shelf.outbox.get("B")
    assert row is not None
    assert (row["state"], row["attempts"]) == ("queued", 0)
    if restarted:
        await service.restart()
    assert await service.tried(DAY - 60) == []
    assert await service.tried(DAY / 30) == ["B", "C"]


async def test_bytes_count_as_they_go_by_the_wire(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1, bytes=1000))
    await put(shelf, "A", 1, 600)
    await put(shelf, "B", 1, 300)
    assert await service.tried() == ["A"]
    assert await service.tried(306) == ["B"]


async def test_what_microsoft_did_not_take_uses_no_recipients(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=3, recipients=100, messages=1))
    service.answers.outcome = Outcome(Cause.THROTTLED, retry_after=1.0)
    await put(shelf, "A", 60)
    for _ in range(5):
        assert await service.tried(70) == ["A"]
    await service.restart()
    service.answers.outcome = SENT
    assert await service.tried(70) == ["A"]
    assert await service.states() == {"sent": 1}


async def test_too_many_at_once_halves_what_goes_at_once(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=4))
    mailbox = shelf.mailboxes[0]
    service.answers.by_id["M000"] = Outcome(Cause.CONCURRENCY, http_status=429)
    await shelf.put("M000")
    await service.run(1)
    (told,) = shelf.lines.lines("mailbox.slowed")
    assert "at_once=1" in told
    assert service.governors.reserve(mailbox, 9).count == 1
    shelf.now += 299
    assert service.governors.reserve(mailbox, 9).count == 0
    shelf.now += 1
    assert service.governors.reserve(mailbox, 9).count == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_every_request_of_an_attempt_counts(shelf: Shelf, make: MakeService, restarted: bool) -> None:
    service = await make(Limits(concurrency=1, requests=10))
    service.answers.requests = 9
    await shelf.put("A", "B", "C")
    assert await service.tried() == ["A", "B"]
    if restarted:
        await service.restart()
    assert await service.tried(599) == []
    assert await service.tried(12) == ["C"]


async def test_an_attempt_that_came_to_no_request_uses_none(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1, requests=2))
    service.answers.requests = 0
    await shelf.put(*ids(5))
    assert len(await service.tried()) == 5


async def test_what_does_not_fit_and_is_canceled_holds_up_the_others_for_a_minute_at_the_most(
    shelf: Shelf, make: MakeService
) -> None:
    service = await make(Limits(concurrency=3, recipients=100))
    await put(shelf, "A", 60)
    await put(shelf, "B", 60)
    await put(shelf, "C", 1)
    assert await service.tried() == ["A"]
    await shelf.outbox.cancel("B")
    assert await service.tried(60) == ["C"]


async def test_that_it_waits_for_a_limit_is_shown(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=3, recipients=100))
    mailbox = shelf.mailboxes[0]
    await put(shelf, "A", 60)
    await put(shelf, "B", 60)
    assert service.governors.waits(mailbox) == []
    await service.run()
    (shown,) = service.governors.waits(mailbox)
    assert (shown.scope, shown.cause) == (mailbox_scope(mailbox.id), "quota")
    assert shown.until == pytest.approx(shelf.now + DAY, abs=DAY / 60)
    assert service.governors.paused(mailbox) == []
    service = await make(THREE, Limits(messages=1))
    await shelf.put("X", mailbox=1)
    await service.run()
    assert [one.scope for one in service.governors.waits(mailbox)] == [app_scope(mailbox.app.id)]


async def test_look_ups_count_as_requests_of_the_mailbox_and_of_the_app(shelf: Shelf, make: MakeService) -> None:
    for limits in ((Limits(requests=2), NO_LIMITS), (THREE, Limits(requests=2))):
        service = await make(*limits)
        for _ in range(2):
            async with service.governors.request(shelf.mailboxes[0]):
                pass
        assert not service.governors.may_send(shelf.mailboxes[0])


async def test_a_place_that_becomes_free_is_for_the_look_up_that_waits(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    await shelf.put(*ids(20))
    mailbox, looked = shelf.mailboxes[0], []
    turn = service.governors.reserve(mailbox, 1)

    async def look() -> None:
        async with service.governors.request(mailbox):
            looked.append(len(service.answers.tried))

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    service.governors.release(turn, 1)
    assert service.governors.reserve(mailbox, 1).count == 0
    await looking
    await service.run()
    assert (looked, await service.states()) == ([0], {"sent": 20})


async def test_a_look_up_takes_the_place_of_a_message(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    await shelf.put("A")
    async with service.governors.request(shelf.mailboxes[0]):
        await service.run()
        assert await service.states() == {"queued": 1}
    await service.run()
    assert await service.states() == {"sent": 1}


async def test_a_look_up_waits_for_a_place(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    turn = service.governors.reserve(shelf.mailboxes[0], 1)
    began = asyncio.Event()

    async def look() -> None:
        async with service.governors.request(shelf.mailboxes[0]):
            began.set()

    looking = asyncio.create_task(look())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not began.is_set()
    service.governors.release(turn, 1)
    await looking
    assert began.is_set()


# ---- pauses


@pytest.mark.parametrize("restarted", [False, True])
async def test_microsoft_pauses_a_mailbox_also_over_a_restart(shelf: Shelf, service: Service, restarted: bool) -> None:
    service.answers.by_id["A"] = THROTTLED
    await shelf.put("A")
    await service.run()
    await shelf.put("B", "C")
    await shelf.put("X", mailbox=1)
    if restarted:
        await service.restart()
    assert await service.tried(29) == ["X"]
    service.answers.by_id.clear()
    assert sorted(await service.tried(1)) == ["A", "B", "C"]


@pytest.mark.parametrize(("cause", "status"), [(Cause.ACCEPTED, 202), (Cause.UNCLEAR, 503)])
async def test_an_answer_that_asks_to_wait_though_nothing_is_put_off_slows_the_mailbox(
    shelf: Shelf, service: Service, cause: Cause, status: int
) -> None:
    service.answers.outcome = Outcome(cause, http_status=status, retry_after=20.0)
    await shelf.put("A")
    await service.run()
    await shelf.put("B")
    assert (await service.tried(19), await service.tried(1)) == ([], ["B"])


async def test_no_answer_pauses_for_more_than_an_hour(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = Outcome(Cause.ACCEPTED, http_status=202, retry_after=80_000.0)
    await shelf.put("A")
    await service.run()
    await shelf.put("B")
    assert await service.tried(3600) == ["B"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("scope", ["mailbox", "app", "all"])
async def test_a_persons_pause_lasts_until_they_resume(
    shelf: Shelf, service: Service, scope: str, restarted: bool
) -> None:
    mailbox = shelf.mailboxes[0]
    of = {"mailbox": mailbox_scope(mailbox.id), "app": app_scope(mailbox.app.id), "all": EVERYTHING}[scope]
    await service.governors.pause(of, "moving house")
    if restarted:
        await service.restart()
    await shelf.put("A")
    await shelf.put("X", mailbox=1)
    assert await service.tried(1_000_000) == (["X"] if scope == "mailbox" else [])
    (shown,) = service.governors.paused(mailbox)
    assert (shown.cause, shown.until, shown.reason) == ("operator", None, "moving house")
    assert await service.governors.resume(of)
    assert service.governors.paused(mailbox) == []
    assert "A" in await service.tried()


async def test_a_persons_pause_and_microsofts_do_not_end_each_other(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = THROTTLED
    await shelf.put("A")
    await service.run()
    await service.governors.pause(mailbox_scope(shelf.mailboxes[0].id), "looking", shelf.now + 10)
    service.answers.outcome = SENT
    assert (await service.tried(10), await service.tried(20)) == ([], ["A"])


async def test_resume_of_what_was_not_paused_says_so(service: Service) -> None:
    assert not await service.governors.resume("mailbox/1")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_person_ends_their_own_pause_and_not_the_one_microsoft_asked_for(
    shelf: Shelf, service: Service, restarted: bool
) -> None:
    service.answers.outcome = THROTTLED
    await shelf.put("A")
    await service.run()
    service.answers.outcome = SENT
    here = mailbox_scope(shelf.mailboxes[0].id)
    await service.governors.pause(here, "looking")
    assert await service.governors.resume(here)
    if restarted:
        await service.restart()
    (shown,) = service.governors.paused(shelf.mailboxes[0])
    assert (shown.cause, shown.until) == ("throttled", shelf.now + 30)
    assert (await service.tried(29), await service.tried(1)) == ([], ["A"])


async def test_a_wait_that_microsoft_asks_of_the_app_pauses_all_of_its_mailboxes(
    shelf: Shelf, service: Service
) -> None:
    service.answers.by_id["A"] = replace(THROTTLED, app_wide=True)
    await shelf.put("A")
    await service.run()
    await shelf.put("X", mailbox=1)
    await service.restart()
    assert await service.tried(29) == []
    (shown,) = service.governors.paused(shelf.mailboxes[1])
    assert shown.scope == app_scope(shelf.mailboxes[1].app.id)
    service.answers.by_id.clear()
    assert sorted(await service.tried(1)) == ["A", "X"]


async def more_mailboxes(shelf: Shelf, count: int) -> None:
    for number in range(count):
        added = await shelf.accounts.add_mailbox(f"box{number}@contoso.example", shelf.mailboxes[0].app)
        assert added is not None
        shelf.mailboxes.append(added)


async def slowed(shelf: Shelf, service: Service, *boxes: int, apart: float = 0.0) -> None:
    """Let the first message of each of these mailboxes be throttled."""
    for box in boxes:
        service.answers.by_id[f"T{box}"] = replace(THROTTLED, retry_after=300.0)
        await shelf.put(f"T{box}", mailbox=box)
        await service.run(apart)


@pytest.mark.parametrize(
    ("boxes", "apart", "tried"),
    [((0, 1, 2), 0.0, []), ((0, 1), 0.0, ["X"]), ((0, 0, 0), 0.0, ["X"]), ((0, 1, 2), 40.0, ["X"])],
    ids=["three of an app", "two", "one of them", "not at once"],
)
async def test_where_many_mailboxes_of_an_app_are_slowed_all_of_them_wait(
    shelf: Shelf, service: Service, boxes: tuple[int, ...], apart: float, tried: list[str]
) -> None:
    await more_mailboxes(shelf, 2)
    await slowed(shelf, service, *dict.fromkeys(boxes), apart=apart)
    await shelf.put("X", mailbox=3)
    assert await service.tried() == tried


async def test_that_an_app_is_meant_is_a_guess_for_a_minute(shelf: Shelf, service: Service) -> None:
    await more_mailboxes(shelf, 2)
    await slowed(shelf, service, 0, 1, 2)
    await shelf.put("X", mailbox=3)
    assert (await service.tried(59), await service.tried(1)) == ([], ["X"])
    # Those that Microsoft has asked to wait do so for as long as it has.
    assert (await service.tried(239), len(await service.tried(1))) == ([], 3)


async def test_a_wait_that_comes_with_too_many_at_once_pauses_the_mailbox(shelf: Shelf, service: Service) -> None:
    service.answers.by_id["A"] = Outcome(Cause.CONCURRENCY, http_status=429, retry_after=120.0)
    await shelf.put("A")
    await service.run()
    await shelf.put("B")
    assert (await service.tried(119), sorted(await service.tried(1))) == ([], ["A", "B"])


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_goes_back_a_little_ends_no_pause(shelf: Shelf, service: Service, restarted: bool) -> None:
    service.answers.outcome = replace(THROTTLED, retry_after=600.0)
    await shelf.put("A")
    await service.run()
    service.answers.outcome = SENT
    await shelf.put("B")
    if restarted:
        await service.restart()
    assert await service.tried(-3) == []
    assert service.governors.paused(shelf.mailboxes[0])
    # Years are another matter.
    assert "B" in await service.tried(-10 * 365 * DAY)


async def test_pauses_of_one_of_many_scopes_cost_nothing_to_look_at(shelf: Shelf, service: Service) -> None:
    pauses = service.governors._pauses
    for number in range(1000):
        pauses.put(Pause(mailbox_scope(number), Cause.THROTTLED, shelf.now + 60, "", shelf.now))
    assert len(pauses.within([mailbox_scope(7)])) == 1


async def test_where_the_store_refuses_what_an_attempt_has_shown_the_pause_stays(
    shelf: Shelf, service: Service
) -> None:
    service.answers.outcome = BROKEN
    await shelf.put("A")
    await service.run()
    shelf.now += FIVE_MINUTES
    turn = service.governors.reserve(shelf.mailboxes[0], 1)
    (message,) = await shelf.outbox.claim_held(shelf.mailboxes[0].id, turn.held)
    following = Next(State.SENT, shelf.now, Cause.ACCEPTED, 1)
    shown = service.governors.told(turn, message, Report(SENT), following)
    assert [pause.cause for pause in service.governors.paused(shelf.mailboxes[0])] == ["account_broken"]
    service.governors.written(shown)
    assert service.governors.paused(shelf.mailboxes[0]) == []


async def test_the_end_of_a_former_probe_does_not_end_that_of_the_next(shelf: Shelf, service: Service) -> None:
    box = shelf.mailboxes[0]
    broken = Pause(mailbox_scope(box.id), Cause.ACCOUNT_BROKEN, shelf.now, "", shelf.now)
    service.governors._pauses.put(broken)
    former = service.governors.reserve(box, 1)
    service.governors._pauses.drop(broken.scope, broken.cause)
    service.governors._pauses.put(broken)
    assert service.governors.reserve(box, 1).probes
    service.governors.release(former, 1)
    assert service.governors.reserve(box, 1).count == 0


async def test_where_an_apps_mail_is_taken_meanwhile_only_the_mailboxes_wait(shelf: Shelf, service: Service) -> None:
    await more_mailboxes(shelf, 2)
    await slowed(shelf, service, 0, 1)
    await shelf.put("S", mailbox=3)
    await service.run()
    await slowed(shelf, service, 2)
    await shelf.put("X", mailbox=3)
    assert await service.tried() == ["X"]


async def test_too_many_at_once_in_many_mailboxes_halves_what_the_app_sends_at_once(
    shelf: Shelf, make: MakeService
) -> None:
    service = await make(THREE, Limits(concurrency=8))
    await more_mailboxes(shelf, 1)
    service.answers.outcome = Outcome(Cause.CONCURRENCY, http_status=429)
    for box in range(3):
        await shelf.put(f"M{box}", mailbox=box)
    await service.run()
    assert service.governors._usage.line(shelf.mailboxes[0].app.id).governor.concurrency.allowed(shelf.now) == 1


async def test_a_clock_that_jumps_loses_nothing_and_holds_up_nothing(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=3, messages=30, recipients=100))
    years = 10 * 365 * DAY
    service.answers.outcome = THROTTLED
    await shelf.put(*ids(40))
    await service.run()
    service.answers.outcome = SENT
    for jump in (years, -2 * years, years):
        await service.run(jump)
    for _ in range(3):
        await service.run(61)
    assert await service.states() == {"sent": 40}


# ---- a broken account


BROKEN = Outcome(Cause.ACCOUNT_BROKEN, "microsoft.token_refused", "AADSTS7000222")


@pytest.mark.parametrize(
    ("cause", "minutes"), [(Cause.ACCOUNT_BROKEN, 5), (Cause.ACCESS_DENIED, 15), (Cause.BLOCKED, 60)]
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_broken_account_is_probed_by_one_message_and_all_go_when_it_is_taken(
    shelf: Shelf, service: Service, cause: Cause, minutes: int, restarted: bool
) -> None:
    service.answers.outcome = Outcome(cause, "code", "text")
    await shelf.put(*ids(50))
    await shelf.put("X", mailbox=1)
    service.answers.by_id["X"] = SENT
    await service.run()
    held = (await service.states())["held"]
    assert held <= 3
    if restarted:
        await service.restart()
    for number in range(held):
        assert await service.tried(minutes * 60 - 1) == []
        assert await service.tried(1) == [f"M00{number}"]
    service.answers.outcome = SENT
    assert len(await service.tried(minutes * 60)) == 50
    assert await service.states() == {"sent": 51}
    await service.restart()
    assert service.governors.paused(shelf.mailboxes[0]) == []


async def test_where_nothing_is_held_the_oldest_in_the_queue_is_the_probe(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put("A")
    await service.run()
    await shelf.outbox.cancel("A")
    await shelf.put("B", "C")
    assert await service.tried(FIVE_MINUTES) == ["B"]
    assert await service.states() == {"canceled": 1, "held": 1, "queued": 1}


async def test_a_probe_that_comes_to_something_else_proves_nothing(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put("A", "B", "C")
    await service.run()
    service.answers.by_id["A"] = Outcome(Cause.BAD_CONTENT)
    assert await service.tried(FIVE_MINUTES) == ["A", "B"], "what we refuse ourselves costs no wait"
    assert await service.states() == {"failed": 1, "held": 2}
    assert (await service.tried(FIVE_MINUTES - 1), await service.tried(1)) == ([], ["C"])


async def test_what_was_under_way_before_proves_nothing(shelf: Shelf, service: Service) -> None:
    service.answers.by_id["A"] = BROKEN
    await shelf.put("A", "B", "C", "D")
    await service.run()
    assert await service.states() == {"held": 1, "sent": 2, "queued": 1}


@pytest.mark.parametrize("mended", ["mailbox", "app"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_mended_is_probed_at_once(shelf: Shelf, service: Service, mended: str, restarted: bool) -> None:
    service.answers.outcome = BROKEN
    await shelf.put(*ids(5))
    await service.run()
    service.answers.outcome = SENT
    box = shelf.mailboxes[0]
    service.governors.mended(box if mended == "mailbox" else box.app)
    await service.governors.close()
    if restarted:
        await service.restart()
    await service.run()
    assert await service.states() == {"sent": 5}


async def test_what_waits_for_its_time_holds_up_no_probe(shelf: Shelf, service: Service) -> None:
    service.answers.by_id["A"] = Outcome(Cause.QUOTA)
    service.answers.by_id["B"] = BROKEN
    await shelf.put("A", "B")
    await service.run()
    assert await service.states() == {"deferred": 1, "held": 1}
    service.governors._pauses.drop(mailbox_scope(shelf.mailboxes[0].id), Cause.QUOTA)
    assert await service.tried(FIVE_MINUTES) == ["B"]


async def test_what_was_mended_for_another_mailbox_is_not(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put("A")
    await service.run()
    service.governors.mended(shelf.mailboxes[1])
    assert await service.tried() == []


async def test_resume_probes_a_broken_account_at_once(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put("A")
    await service.run()
    assert await service.governors.resume(mailbox_scope(shelf.mailboxes[0].id))
    assert await service.tried() == ["A"]
    assert (await service.tried(FIVE_MINUTES - 1), await service.tried(1)) == ([], ["A"])


async def test_what_a_probe_has_released_goes_at_once(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put(*ids(3))
    await service.run()
    shelf.now += FIVE_MINUTES
    service.answers.outcome = SENT
    running = asyncio.create_task(service.worker.run())
    while len(shelf.lines.lines("mail.final")) < 3 + 3:
        await shelf.lines.next()
    running.cancel()
    assert await service.states() == {"sent": 3}


async def test_what_a_person_retries_is_the_probe_at_once(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = BROKEN
    await shelf.put(*ids(3))
    await service.run()
    await shelf.outbox.retry("M002")
    service.governors.retried(shelf.mailboxes[0].id)
    assert await service.tried() == ["M002"]
    assert (await service.tried(FIVE_MINUTES - 1), await service.tried(1)) == ([], ["M000"])


async def test_a_host_that_is_not_trusted_stops_all_mailboxes_and_one_probe_lets_all_go(
    shelf: Shelf, make: MakeService
) -> None:
    service = await make(Limits(concurrency=1))
    service.answers.outcome = Outcome(Cause.UNTRUSTED, "microsoft.tls")
    await shelf.put("A", "B")
    await shelf.put("X", "Y", mailbox=1)
    await service.run()
    assert (await service.states())["held"] == 2
    assert await service.tried(FIVE_MINUTES - 1) == []
    assert len(await service.tried(1)) == 1
    service.answers.outcome = SENT
    assert sorted(await service.tried(FIVE_MINUTES)) == ["A", "B", "X", "Y"]
    assert await service.states() == {"sent": 4}


async def test_a_host_that_is_not_reached_five_times_is_probed_by_one_message(shelf: Shelf, service: Service) -> None:
    service.answers.outcome = Outcome(Cause.UNREACHABLE, "microsoft.unreachable")
    await shelf.put(*ids(20))
    assert 5 <= len(await service.tried()) <= 7
    assert len(await service.tried(30)) == 1
    service.answers.outcome = SENT
    await service.run(30)
    await service.run(300)
    assert await service.states() == {"sent": 20}


async def test_where_entra_gives_no_token_one_message_of_the_app_tries(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    service.answers.outcome = Outcome(Cause.TOKEN_UNAVAILABLE)
    await shelf.put(*ids(20))
    await shelf.put(*ids(20, "X"), mailbox=1)
    assert 5 <= len(await service.tried()) <= 6
    assert len(await service.tried(30)) == 1
    service.answers.outcome = SENT
    await service.run(30)
    await service.run(300)
    assert await service.states() == {"sent": 40}


async def test_what_a_persons_try_shows_of_the_host_counts_for_all_mailboxes_at_once(
    shelf: Shelf, service: Service
) -> None:
    service.answers.outcome = Outcome(Cause.UNTRUSTED, "microsoft.tls")
    await shelf.put("A")
    await shelf.put("X", mailbox=1)
    await service.run()
    assert await service.states() == {"held": 2}
    service.answers.outcome = SENT
    await shelf.outbox.retry("A")
    service.worker._due_changed.clear()
    service.governors.retried(shelf.mailboxes[0].id)
    lane = service.worker._lanes[shelf.mailboxes[0].id].task
    assert lane is not None
    await lane
    assert service.worker._due_changed.is_set(), "what is released now waits until the outbox is looked through"
    await service.run()
    assert await service.states() == {"sent": 2}


# ---- two ways out


SMTP_UNTRUSTED = Outcome(Cause.UNTRUSTED, "microsoft.tls")


async def untrusted_by_smtp(shelf: Shelf, service: Service) -> None:
    """A message of a mailbox whose mail goes to Graph, and now and then by SMTP, found no trusted host there."""
    shelf.hosts = ("graph", "smtp")
    service.answers.outcome, service.answers.host = SMTP_UNTRUSTED, "smtp"
    await shelf.put("A")
    await service.run()
    service.answers.outcome, service.answers.host = SENT, "graph"


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_host_of_some_of_the_mail_stops_none_of_the_other(
    shelf: Shelf, service: Service, restarted: bool
) -> None:
    await untrusted_by_smtp(shelf, service)
    if restarted:
        await service.restart()
    await shelf.put(*ids(9))
    assert sorted(await service.tried(1)) == ids(9)


async def test_what_is_held_for_a_host_of_some_of_the_mail_is_its_probe(shelf: Shelf, service: Service) -> None:
    await untrusted_by_smtp(shelf, service)
    assert await service.tried(FIVE_MINUTES - 1) == []
    service.answers.host = "smtp"
    assert await service.tried(1) == ["A"]
    assert await service.states() == {"sent": 1}


async def test_a_probe_that_went_another_way_proves_nothing_of_the_host(shelf: Shelf, service: Service) -> None:
    await untrusted_by_smtp(shelf, service)
    await shelf.outbox.cancel("A")
    await shelf.put("B")
    assert await service.tried(FIVE_MINUTES) == ["B"]
    await shelf.put("C", "D")
    assert sorted(await service.tried()) == ["C", "D"]
    assert any(pause.scope == "host/smtp" for pause in service.governors._pauses)


async def test_a_message_that_a_host_takes_shows_that_it_is_good_again(shelf: Shelf, service: Service) -> None:
    await untrusted_by_smtp(shelf, service)
    service.answers.host = "smtp"
    await shelf.put("B")
    assert await service.tried(1) == ["B", "A"]
    assert await service.states() == {"sent": 2}


SIGN_IN_OFF = Outcome(Cause.ACCOUNT_BROKEN, "535 5.7.139")


async def refused_by_smtp(shelf: Shelf, service: Service, outcome: Outcome = SIGN_IN_OFF) -> None:
    """A large message of a mailbox whose mail goes to Graph was refused by SMTP, which the mailbox may not use."""
    shelf.hosts = ("graph", "smtp")
    service.answers.by_id["A"], service.answers.hosts["A"] = outcome, "smtp"
    service.answers.host = "graph"
    await shelf.put("A")
    await service.run()
    assert await service.states() == {"held": 1}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("app_wide", [False, True])
@pytest.mark.parametrize("cause", [Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED])
async def test_what_one_way_refuses_stops_nothing_of_the_other(
    shelf: Shelf, service: Service, cause: Cause, app_wide: bool, restarted: bool
) -> None:
    await refused_by_smtp(shelf, service, Outcome(cause, "535", app_wide=app_wide))
    if restarted:
        await service.restart()
    await shelf.put(*ids(9))
    assert sorted(await service.tried(1)) == ids(9)
    assert service.governors.is_open(shelf.mailboxes[0])


async def test_what_is_held_for_one_way_is_its_probe_every_five_minutes(shelf: Shelf, service: Service) -> None:
    await refused_by_smtp(shelf, service)
    service.answers.tried.clear()
    for _ in range(60):
        await service.run(60)
    assert service.answers.tried == ["A"] * 12
    service.answers.by_id["A"] = SENT
    assert await service.tried(FIVE_MINUTES) == ["A"]
    assert list(service.governors._pauses) == []


async def test_what_is_held_for_one_way_is_not_each_probe_of_the_other(shelf: Shelf, service: Service) -> None:
    await refused_by_smtp(shelf, service)
    service.answers.by_id["B"] = SIGN_IN_OFF
    await shelf.put("B")
    await service.run()
    assert await service.states() == {"held": 2}
    service.answers.by_id["B"] = SENT
    await service.run(FIVE_MINUTES)
    await service.run(FIVE_MINUTES)
    assert await service.states() == {"sent": 1, "held": 1}


@pytest.mark.parametrize("by", ["mended", "resumed", "retried"])
async def test_a_person_has_what_is_held_for_one_way_tried_at_once(shelf: Shelf, service: Service, by: str) -> None:
    await refused_by_smtp(shelf, service)
    box = shelf.mailboxes[0]
    if by == "resumed":
        assert await service.governors.resume(mailbox_scope(box.id))
    elif by == "mended":
        service.governors.mended(box)
    else:
        service.governors.retried(box.id)
        # Of the queue, where a person has put it.
        await shelf.outbox.retry("A")
    assert await service.tried(1) == ["A"]


async def test_a_success_between_is_no_fault_of_the_host(shelf: Shelf, make: MakeService) -> None:
    service = await make(Limits(concurrency=1))
    service.answers.by_id = dict.fromkeys(["M000", "M001", "M003", "M004", "M006"], Outcome(Cause.UNREACHABLE))
    await shelf.put(*ids(8))
    assert len(await service.tried()) == 8


# ---- fair


@dataclass
class Busy(Answers):
    """Counts who was served in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.served: list[int] = []

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        self.served.append(message.mailbox.id)
        return await super().send(message, body, keep_draft)


@pytest.mark.parametrize("app", [Limits(), Limits(concurrency=10)], ids=["no limit of the app", "ten of the app"])
async def test_a_huge_backlog_gets_no_more_than_twice_its_share(shelf: Shelf, app: Limits) -> None:
    for number in range(48):
        added = await shelf.accounts.add_mailbox(f"box{number}@contoso.example", shelf.mailboxes[0].app)
        assert added is not None
        shelf.mailboxes.append(added)
    await shelf.put(*ids(400, "HUGE"))
    for number in range(1, 50):
        await shelf.put(*ids(12, f"N{number:02}-"), mailbox=number)
    answers = Busy()
    service = Service(shelf, answers, Limits(concurrency=3), app)
    await service.begin()
    await service.run()
    await service.worker.stop(1)
    others = [place for place, box in enumerate(answers.served) if box != shelf.mailboxes[0].id]
    # As long as all have something to send, each gets its fiftieth.
    shares = Counter(answers.served[: 50 * 8])
    assert len(others) == 49 * 12
    assert max(shares.values()) <= 2 * 8
    assert min(shares[box.id] for box in shelf.mailboxes) >= 8 / 2


async def test_places_that_become_free_together_go_to_all_who_wait_and_the_rest_to_the_first(
    shelf: Shelf, make: MakeService
) -> None:
    await more_mailboxes(shelf, 2)
    service = await make(THREE, Limits(concurrency=5))
    governors = service.governors
    first, second, third, fourth = shelf.mailboxes
    turns = [governors.reserve(first, 3), governors.reserve(second, 2)]
    assert [turn.count for turn in turns] == [3, 2]
    # In this order they stand in the line.
    assert not any(governors.may_send(box) for box in (third, fourth, second))
    for turn in turns:
        governors.release(turn, turn.count)
    assert [governors.reserve(box, 9).count for box in (third, fourth, second)] == [3, 1, 1]
