"""What Exchange could not deliver is told of a message that was sent, where its mailbox may be read."""

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
    governor, all_of_them = house.gateway.governors._governor(mailbox.id), Load(requests=100)
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
