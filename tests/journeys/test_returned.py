"""What Exchange could not deliver is told of a message that was sent, where its mailbox may be read."""

import time

import pytest

from pillarbox.core.accounts import MailboxChoice
from pillarbox.core.governor import Load
from tests.conftest import House, MakeHouse

SCANNER = "scanner@contoso.example"


def mail(message_id: str) -> bytes:
    head = f"From: {SCANNER}\r\nTo: nobody@contoso.example\r\nMessage-ID: {message_id}\r\nSubject: invoice 7\r\n"
    return f"{head}\r\nx\r\n".encode()


async def reading(make_house: MakeHouse, *roles: str, **settings: str) -> House:
    """A house whose app may read basics, and whose mailbox was tested so."""
    house = await make_house({f"limits.{name}": text for name, text in settings.items()})
    world, seed = house.microsoft.emulator.world, house.microsoft.seed
    app = world.add_app("Reader", ("Mail.Send", *roles), tenant=seed.tenant)
    seed.secrets[app.client_id] = world.add_secret(app)
    await house.furnish(SCANNER, app=app)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(assurance="verify"))
    return house


async def look(house: House) -> None:
    await house.gateway.returned().round()


async def delivery(house: House, queue_id: str) -> tuple[str, str]:
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    return row["delivery"], row["delivery_text"]


async def test_a_message_that_exchange_reports_on_is_told_of_as_bounced(make_house: MakeHouse) -> None:
    house = await reading(make_house, "Mail.ReadBasic.All")
    lost = await house.accept(mail("<lost@contoso.example>"), "nobody@contoso.example")
    well = await house.accept(mail("<well@contoso.example>"), "alice@contoso.example")
    await house.settled(lost)
    await house.settled(well)
    assert await delivery(house, lost) == ("", "")
    await look(house)
    assert await delivery(house, lost) == ("bounced", "Undeliverable: invoice 7")
    assert await delivery(house, well) == ("", "")
    await look(house)
    (line,) = house.log.lines("mail.returned")
    assert lost in line


async def test_of_two_messages_with_one_message_id_none_is_marked(make_house: MakeHouse) -> None:
    house = await reading(make_house, "Mail.ReadBasic.All")
    ids = [
        await house.accept(mail("<same@contoso.example>"), to) for to in ("nobody@contoso.example", "alice@x.example")
    ]
    for one in ids:
        await house.settled(one)
    await look(house)
    assert [await delivery(house, one) for one in ids] == [("", ""), ("", "")]


async def test_a_mailbox_that_may_not_be_read_is_told_of_in_the_log(make_house: MakeHouse) -> None:
    house = await reading(make_house)
    await look(house)
    (line,) = house.log.lines("mailbox.not_read")
    assert SCANNER in line


async def test_a_mailbox_whose_mode_looks_nothing_up_is_left_alone(house: House) -> None:
    await look(house)
    assert not house.log.lines("mailbox.not_read")


async def test_a_mailbox_for_which_nothing_is_sent_now_is_left_alone(make_house: MakeHouse) -> None:
    house = await reading(make_house)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.governors.pause(f"mailbox/{mailbox.id}", "")
    await look(house)
    assert not house.log.lines("mailbox.not_read")


async def test_a_look_counts_among_the_requests_for_its_mailbox(make_house: MakeHouse) -> None:
    house = await reading(make_house, "Mail.ReadBasic.All", requests="100")
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    governor, all_of_them = house.gateway.governors._usage.of(mailbox.id), Load(requests=100)
    now = house.gateway._clock()
    assert governor.wait(now, all_of_them) == 0
    await look(house)
    assert governor.wait(now, all_of_them) > 0


async def test_what_a_report_says_of_each_recipient_is_read_where_that_is_allowed(make_house: MakeHouse) -> None:
    house = await reading(make_house, "Mail.ReadWrite")
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(assurance="draft"))
    lost = await house.accept(mail("<lost@contoso.example>"), "nobody@contoso.example", "alice@contoso.example")
    await house.settled(lost)
    await look(house)
    state, text = await delivery(house, lost)
    assert state == "bounced"
    assert text.startswith("Undeliverable: invoice 7 (nobody@contoso.example: 5.1.10 550 5.1.10 RESOLVER")
    assert "alice" not in text


def put(house: House, mime: bytes, ago: float = 0.0) -> None:
    """Mail that somebody else has sent lies in the inbox."""
    user = house.microsoft.seed.tenant.user_by_address(SCANNER)
    assert user is not None
    assert user.mailbox is not None
    user.mailbox.add("inbox", mime, "<other@contoso.example>", time.time() - ago)


def report(kind: str, part: str, about: str = "<well@contoso.example>") -> bytes:
    content_type = f"multipart/report; report-type={kind}; boundary=b"
    head = f"Subject: About it\r\nIn-Reply-To: {about}\r\nContent-Type: {content_type}\r\n"
    return f"{head}\r\n--b\r\nContent-Type: message/{part}\r\n\r\n--b--\r\n".encode()


def status(action: str) -> str:
    fields = f"Final-Recipient: rfc822; alice@contoso.example\r\nAction: {action}\r\nStatus: 4.4.7\r\n"
    return f"delivery-status\r\n\r\n{fields}"


RECEIPT = report(
    "disposition-notification", "disposition-notification\r\n\r\nDisposition: manual-action; displayed\r\n"
)
FEEDBACK = report("feedback-report", "feedback-report\r\n\r\nFeedback-Type: abuse\r\n")


@pytest.mark.parametrize(
    ("mime", "told"),
    [
        (RECEIPT, ("delivered", "")),
        (FEEDBACK, ("delivered", "")),
        (report("delivery-status", status("delayed")), ("delivered", "")),
        (report("delivery-status", status("relayed")), ("delivered", "")),
        (b"X-MS-Exchange-Message-Is-Ndr:\r\n" + report("delivery-status", status("delayed")), ("delivered", "")),
        (report("delivery-status", status("failed")), ("bounced", "About it (alice@contoso.example: 4.4.7)")),
    ],
)
async def test_of_all_reports_one_of_a_failure_alone_counts(
    make_house: MakeHouse, mime: bytes, told: tuple[str, str]
) -> None:
    house = await reading(make_house, "Mail.ReadWrite")
    well = await house.accept(mail("<well@contoso.example>"), "alice@contoso.example")
    await house.settled(well)
    returned = house.gateway.returned()
    await returned.returns.traced(well, "delivered", "")
    put(house, mime)
    await returned.round()
    assert await delivery(house, well) == told


async def test_a_report_that_may_not_be_read_counts_where_exchange_calls_it_one_of_failure(
    make_house: MakeHouse,
) -> None:
    house = await reading(make_house, "Mail.ReadBasic.All")
    well = await house.accept(mail("<well@contoso.example>"), "alice@contoso.example")
    await house.settled(well)
    put(house, report("delivery-status", status("failed")))
    await look(house)
    assert await delivery(house, well) == ("", "")
    put(house, b"X-MS-Exchange-Message-Is-Ndr:\r\n" + report("delivery-status", status("failed")))
    await look(house)
    assert await delivery(house, well) == ("bounced", "About it")


async def test_an_inbox_with_more_mail_than_is_read_at_once_is_read_on_in_the_next_round(make_house: MakeHouse) -> None:
    house = await reading(make_house, "Mail.ReadBasic.All")
    well = await house.accept(mail("<well@contoso.example>"), "alice@contoso.example")
    await house.settled(well)
    for number in range(2001):
        put(house, b"Subject: x\r\n\r\n", 80_000 - 20 * number)
    put(house, b"X-MS-Exchange-Message-Is-Ndr:\r\n" + report("delivery-status", status("failed")), 10_000)
    returned = house.gateway.returned()
    await returned.round()
    assert await delivery(house, well) == ("", "")
    (line,) = house.log.lines("mailbox.read_in_part")
    assert "2000" in line
    await returned.round()
    assert await delivery(house, well) == ("bounced", "About it")
    assert len(house.log.lines("mailbox.read_in_part")) == 1
