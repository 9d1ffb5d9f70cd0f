"""Mail that leaves by SMTP with XOAUTH2: where that was chosen, and where Graph cannot send it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.admin import mailboxes
from pillarbox.core.accounts import Account, MailboxChoice, SignIn
from pillarbox.core.errors import Conflict, InvalidInput
from pillarbox.emulator import App, Certificates, Emulator, SigningKey, seed
from tests.conftest import House, MakeHouse, Microsoft
from tests.openapi.recorder import Recorder
from tests.service import pillarbox

SCANNER, ALICE, BOB = "scanner@contoso.example", "alice@contoso.example", "bob@contoso.example"
HEAD = b"From: scanner@contoso.example\r\nSubject: scan\r\n"
MAIL = HEAD + b"To: alice@contoso.example\r\n\r\npage 1\r\n"
LARGE = MAIL + (b"x" * 70 + b"\r\n") * 70_000
PLENTY = {"smtp.max_size": "10000000"}


@pytest.fixture
async def microsoft(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Microsoft]:
    """An emulator with Exchange."""
    folder = tmp_path / "emulator"
    folder.mkdir()
    emulator = Emulator(folder, certificates=certificates, signing_key=signing_key, witness=recorder, exchange=True)
    async with emulator:
        yield Microsoft(emulator, seed(emulator.world))


def app_of(house: House, *rights: str) -> App:
    """An app with these rights that Exchange knows and lets into every mailbox."""
    planted, world = house.microsoft.seed, house.microsoft.emulator.world
    app = world.add_app("App", [*rights, "exchange:SMTP.SendAsApp"], tenant=planted.tenant)
    assert app.principal
    planted.secrets[app.client_id] = world.add_secret(app)
    planted.tenant.exchange_principals[app.client_id] = app.principal.id
    for user in planted.tenant.users.values():
        if user.open_mailbox:
            user.open_mailbox.full_access.add(app.principal.id)
    return app


async def furnished(make_house: MakeHouse, microsoft: Microsoft, transport: str, *rights: str, **more: Any) -> House:
    """A house whose mailbox scanner@ sends by this transport; "" is no choice."""
    assert microsoft.emulator.smtp
    place = {"microsoft.smtp_host": "localhost", "microsoft.smtp_port": str(microsoft.emulator.smtp[1])}
    house = await make_house(place | PLENTY | more)
    await house.furnish(SCANNER, app=app_of(house, *rights))
    if transport:
        await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(transport=transport))
        await house.gateway.submitters.refresh()
    return house


def ways(house: House) -> list[str]:
    return [entry.protocol for entry in house.microsoft.emulator.ledger.entries]


async def test_mail_of_a_mailbox_that_sends_by_smtp_arrives_there(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "smtp")
    await house.settled(await house.accept(MAIL, BOB))
    (entry,) = microsoft.emulator.ledger.entries
    assert (entry.protocol, entry.recipients, entry.mailbox) == ("smtp", [BOB], SCANNER)
    assert entry.raw is not None
    assert b"\r\nTo: alice@contoso.example\r\n\r\npage 1\r\n" in entry.raw


async def test_by_auto_graph_takes_what_it_can_and_smtp_the_rest(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "auto", "Mail.Send")
    for mime, to in ((MAIL, ALICE), (LARGE, ALICE), (MAIL, BOB)):
        await house.settled(await house.accept(mime, to))
    assert ways(house) == ["graph", "smtp", "smtp"]
    assert all(b"\r\nTo: alice@contoso.example\r\n" in (one.raw or b"") for one in microsoft.emulator.ledger.entries)


async def test_without_a_choice_an_app_tries_no_smtp(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    with pytest.raises(InvalidInput) as caught:
        await house.accept(LARGE, ALICE)
    assert caught.value.code == "mail.too_large_for_graph"
    await house.settled(await house.accept(MAIL, BOB))
    assert ways(house) == ["graph"]


async def test_a_setting_chooses_for_all_mailboxes(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", **{"delivery.transport": "smtp"})
    await house.settled(await house.accept(LARGE, ALICE))
    assert ways(house) == ["smtp"]


async def test_what_exchange_refuses_at_the_login_is_held_with_its_words(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    microsoft.seed.tenant.smtp_auth = False
    house = await furnished(make_house, microsoft, "smtp")
    row = await house.settled(await house.accept(MAIL, ALICE), "held")
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert attempt["code"] == "535 5.7.139"
    assert "SmtpClientAuthentication is disabled for the Tenant" in str(attempt)
    assert ways(house) == []


async def test_what_is_unclear_is_looked_for_through_graph_and_not_sent_twice(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    settle = {"delivery.settle": "0.05 0.1 0.2"}
    house = await furnished(make_house, microsoft, "smtp", "Mail.Send", "Mail.ReadBasic.All", **settle)
    await mailboxes.choose(house.gateway.accounts, SCANNER, MailboxChoice(assurance="verify"))
    microsoft.emulator.faults.add(command="DATA", cut=True, when="after", times=1)
    row = await house.settled(await house.accept(MAIL, ALICE))
    assert (ways(house), row["maybe_duplicate"]) == (["smtp"], 0)


async def test_what_broke_before_the_message_is_tried_again(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "smtp")
    microsoft.emulator.faults.add(command="RCPT", cut=True, times=1)
    row = await house.settled(await house.accept(MAIL, ALICE), "deferred")
    assert row["cause"] == "unreachable"


async def test_smtp_is_not_chosen_for_a_sign_in_that_did_not_ask_for_it(
    make_house: MakeHouse, microsoft: Microsoft
) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    accounts = house.gateway.accounts
    account = Account("t", "o", ALICE)
    await accounts.signed_in(await mailboxes.get(accounts, SCANNER), SignIn(("send",), account=account), b"")
    with pytest.raises(Conflict) as caught:
        await mailboxes.choose(accounts, SCANNER, MailboxChoice(transport="smtp"))
    assert (caught.value.code, ALICE in caught.value.sentence) == ("mailbox.no_smtp", True)
    await accounts.signed_in(await mailboxes.get(accounts, SCANNER), SignIn(("exchange",), account=account), b"")
    assert (await mailboxes.choose(accounts, SCANNER, MailboxChoice(transport="smtp"))).transport == "smtp"


async def test_transport_is_chosen_by_a_command(make_house: MakeHouse, microsoft: Microsoft) -> None:
    house = await furnished(make_house, microsoft, "", "Mail.Send")
    environ = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, output, errors = await pillarbox("mailbox", "change", SCANNER, "--transport", "smtp", environ=environ)
    assert (code, errors) == (0, "")
    assert output.endswith("Its mail leaves by: smtp.\n")
    await house.settled(await house.accept(MAIL, ALICE))
    assert ways(house) == ["smtp"]
