"""Who gets a mail that was written in JSON: exactly the addresses that stand there, and never one that was repaired."""

from typing import Any

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.mail.writer import BOB, Writer

ODD = [
    "bo b@contoso.example",
    "bob@contoso.example, erp@contoso.example",
    "Bob <bob@contoso.example>",
    "bob\r\n@contoso.example",
    "bob\0@contoso.example",
    "bob@contoso..example",
    ".bob@-contoso.example",
]


def people(address: str) -> list[Any]:
    return [{"emailAddress": {"name": "Bob", "address": address}}]


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client)


@pytest.mark.parametrize("address", ODD)
async def test_an_odd_address_is_refused(client: Client, emulator: Emulator, address: str) -> None:
    answer = await client.send_json({"toRecipients": people(address)})
    assert (answer.status, answer.code, len(emulator.ledger)) == (400, "ErrorInvalidRecipients", 0)


@pytest.mark.parametrize("name", ["ccRecipients", "bccRecipients", "replyTo"])
async def test_one_odd_address_among_good_ones_is_enough(client: Client, emulator: Emulator, name: str) -> None:
    answer = await client.send_json({"toRecipients": [BOB], name: people("car ol@contoso.example")})
    assert (answer.code, len(emulator.ledger)) == ("ErrorInvalidRecipients", 0)


@pytest.mark.parametrize("name", ["from", "sender"])
async def test_an_odd_author_is_refused(client: Client, emulator: Emulator, name: str) -> None:
    emulator.world.checks_from = False
    answer = await client.send_json({"toRecipients": [BOB], name: people("al ice@contoso.example")[0]})
    assert (answer.code, len(emulator.ledger)) == ("ErrorInvalidRecipients", 0)


async def test_a_quoted_address_is_kept_as_it_stands(client: Client, emulator: Emulator) -> None:
    address = '"bo b, the builder"@fabrikam.example'
    assert (await client.send_json({"toRecipients": people(address)})).status == 202
    (entry,) = emulator.ledger.entries
    assert entry.recipients == [address]
    assert f"To: Bob <{address}>\r\n".encode() in (entry.raw or b"")


async def test_who_is_named_twice_gets_one_mail(client: Client, emulator: Emulator) -> None:
    await client.send_json({"toRecipients": [BOB], "ccRecipients": people("BOB@contoso.example")})
    assert len(emulator.ledger.entries[0].recipients) == 1


@pytest.mark.parametrize("address", ODD)
async def test_a_draft_may_hold_an_odd_address_and_is_not_sent(
    writer: Writer, emulator: Emulator, address: str
) -> None:
    ident = await writer.draft(toRecipients=people(address))
    assert (await writer.get(ident))["toRecipients"][0]["emailAddress"]["address"] == address
    await writer.call("PATCH", f"/messages/{ident}", json={"subject": "new"})
    answer = await writer.send(ident)
    assert (answer.status, answer.code, len(emulator.ledger)) == (400, "ErrorInvalidRecipients", 0)
    assert await writer.get(ident)
