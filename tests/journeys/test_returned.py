"""What Exchange could not deliver is told of a message that was sent, where its mailbox may be read."""

from pillarbox.core.accounts import MailboxChoice
from tests.conftest import House, MakeHouse

SCANNER = "scanner@contoso.example"


def mail(message_id: str) -> bytes:
    head = f"From: {SCANNER}\r\nTo: nobody@contoso.example\r\nMessage-ID: {message_id}\r\nSubject: invoice 7\r\n"
    return f"{head}\r\nx\r\n".encode()


async def reading(make_house: MakeHouse, *roles: str) -> House:
    """A house whose app may read basics, and whose mailbox was tested so."""
    house = await make_house()
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
