"""What became of sent mail is told where an app registration may ask Exchange's message trace."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from pillarbox.admin import mailboxes
from pillarbox.core.accounts import MailboxChoice, SignIn
from pillarbox.core.governor import Load
from tests.conftest import House, MakeHouse
from tests.service import pillarbox

SCANNER = "scanner@contoso.example"
ERP = "erp@contoso.example"
RIGHT = "ExchangeMessageTrace.Read.All"


def mail(message_id: str, sender: str = SCANNER) -> bytes:
    return f"From: {sender}\r\nTo: bob@contoso.example\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\nx\r\n".encode()


class Moved:
    """A clock that a test sets back and forward."""

    by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


Tracing = Callable[..., Awaitable[tuple[House, Moved]]]


@pytest.fixture
def tracing(make_house: MakeHouse) -> Tracing:
    async def make(*roles: str, **settings: str) -> tuple[House, Moved]:
        """A house whose app has these rights. Exchange tells little in the first minutes: so it is ten minutes ago."""
        clock = Moved()
        clock.by = -600.0
        house = await make_house({f"limits.{name}": text for name, text in settings.items()}, clock=clock)
        world, seed = house.microsoft.emulator.world, house.microsoft.seed
        app = world.add_app("Tracer", ("Mail.Send", *roles), tenant=seed.tenant)
        seed.secrets[app.client_id] = world.add_secret(app)
        await house.furnish(SCANNER, app=app)
        return house, clock

    return make


async def choose_draft(house: House) -> None:
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(assurance="draft"))


async def delivery(house: House, queue_id: str) -> tuple[str, str]:
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    return row["delivery"], row["delivery_text"]


async def test_a_message_is_told_of_as_delivered_or_failed(tracing: Tracing) -> None:
    house, clock = await tracing(RIGHT)
    well = await house.accept(mail("<well@x>"), "bob@contoso.example", "someone@fabrikam.example")
    lost = await house.accept(mail("<lost@x>"), "bob@contoso.example", "ghost@contoso.example")
    for one in (well, lost):
        await house.settled(one)
    traces = house.gateway.traces()
    await traces.round()
    clock.by = -200.0
    soon = await house.accept(mail("<soon@x>"), "bob@contoso.example")
    await house.settled(soon)
    clock.by = 0.0
    await traces.round()
    # Exchange tells little of the first minutes: they are not asked for.
    assert await delivery(house, soon) == ("", "")
    assert await delivery(house, well) == ("delivered", "")
    assert await delivery(house, lost) == ("failed", "ghost@contoso.example: failed")
    (line,) = house.log.lines("mail.returned")
    assert lost in line
    await traces.round()
    assert len(house.log.lines("mail.returned")) == 1
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    _, shown, _ = await pillarbox("outbox", "show", lost, environ=place)
    assert "Delivery:      failed - ghost@contoso.example: failed\n" in shown
    _, shown, _ = await pillarbox("outbox", "show", well, "--json", environ=place)
    assert json.loads(shown)["message"]["delivery"] == "delivered"


async def test_without_the_right_it_is_tried_again_after_hours(tracing: Tracing) -> None:
    house, clock = await tracing()
    queue_id = await house.accept(mail("<a@x>"), "bob@contoso.example")
    await house.settled(queue_id)
    clock.by = 0.0
    traces = house.gateway.traces()
    for _ in range(3):
        await traces.round()
    (line,) = house.log.lines("mail.not_traced")
    assert "contoso" in line
    assert await delivery(house, queue_id) == ("", "")
    clock.by = 7 * 3600.0
    await traces.round()
    assert len(house.log.lines("mail.not_traced")) == 2


async def test_of_two_messages_with_one_message_id_nothing_is_told(tracing: Tracing) -> None:
    house, clock = await tracing(RIGHT)
    first = await house.accept(mail("<same@x>"), "bob@contoso.example")
    await house.settled(first)
    clock.by = -100.0
    second = await house.accept(mail("<same@x>"), "ghost@contoso.example")
    await house.settled(second)
    clock.by = 0.0
    # Of these two, the first alone is old enough to be asked for.
    await house.gateway.traces().round()
    assert await delivery(house, first) == ("", "")


async def test_a_paused_mailbox_is_not_asked_for(tracing: Tracing) -> None:
    house, clock = await tracing(RIGHT)
    queue_id = await house.accept(mail("<a@x>"), "bob@contoso.example")
    row = await house.settled(queue_id)
    await house.gateway.governors.pause(f"mailbox/{row['mailbox_id']}", "")
    clock.by = 0.0
    await house.gateway.traces().round()
    assert await delivery(house, queue_id) == ("", "")


@pytest.mark.parametrize(("status", "goes_on"), [(400, True), (404, True), (500, True), (401, False), (429, False)])
async def test_one_mailboxs_refusal_is_not_that_of_its_app_registration(
    tracing: Tracing, status: int, goes_on: bool
) -> None:
    house, clock = await tracing(RIGHT)
    await mailboxes.add(house.gateway.accounts, ERP, "contoso")
    await house.gateway.submitters.change("printer", {"mailboxes": (SCANNER, ERP)})
    for sender in (SCANNER, ERP):
        await house.settled(await house.accept(mail("<a@x>", sender), "bob@contoso.example", sender=sender))
    clock.by = 0.0
    house.microsoft.emulator.faults.add(path="/messageTraces", status=status)
    await house.gateway.traces().round()
    assert len(house.log.lines("mail.not_traced")) == (2 if goes_on else 1)


async def test_a_report_says_more_than_a_trace(tracing: Tracing) -> None:
    house, clock = await tracing(RIGHT, "Mail.ReadWrite")
    await choose_draft(house)
    lost = await house.accept(mail("<lost@x>"), "ghost@contoso.example")
    await house.settled(lost)
    clock.by = 0.0
    await house.gateway.traces().round()
    assert (await delivery(house, lost))[0] == "failed"
    await house.gateway.returned().round()
    state, text = await delivery(house, lost)
    assert state == "bounced"
    assert "ghost@contoso.example: 5.1.10 550 5.1.10 RESOLVER.ADR.RecipientNotFound" in text
    await house.gateway.traces().round()
    assert (await delivery(house, lost))[0] == "bounced"


async def test_a_question_counts_among_the_requests_for_its_mailbox(tracing: Tracing) -> None:
    house, clock = await tracing(RIGHT, requests="100")
    queue_id = await house.accept(mail("<a@x>"), "bob@contoso.example")
    row = await house.settled(queue_id)
    clock.by = 600.0
    # What the message took is forgotten by then.
    governor, all_of_them = house.gateway.governors._usage.of(row["mailbox_id"]), Load(requests=100)
    assert governor.wait(clock(), all_of_them) == 0
    clock.by = 0.0
    await house.gateway.traces().round()
    assert (await delivery(house, queue_id))[0] == "delivered"
    assert governor.wait(clock(), all_of_them) > 0


async def test_the_mailbox_of_a_person_is_not_asked_for_as_its_refusal_would_be_taken_for_the_apps(
    tracing: Tracing,
) -> None:
    house, _ = await tracing(RIGHT)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    traces = house.gateway.traces()
    assert traces._may_ask(mailbox)
    assert not traces._may_ask(replace(mailbox, sign_in=SignIn(("send",))))
