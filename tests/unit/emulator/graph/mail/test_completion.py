"""MIME that lacks what every mail must have: it leaves as if it had been written in JSON."""

from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.mail.writer import Writer

BARE = b"To: bob@contoso.example\r\n\r\nHi"
DATE = "Fri, 20 Nov 2026 12:00:00 -0000"


def last(emulator: Emulator) -> Any:
    return message_from_bytes(emulator.ledger.entries[-1].raw or b"", policy=SMTP)


async def test_from_date_and_message_id_are_put_in(client: Client, emulator: Emulator) -> None:
    assert (await client.send(BARE)).status == 202
    mail = last(emulator)
    assert (mail["From"], mail["Date"], mail["Sender"]) == ("Alice <alice@contoso.example>", DATE, None)
    assert mail["Message-ID"].endswith("@contoso.example>")
    assert (emulator.ledger.entries[0].raw or b"").endswith(BARE)


async def test_everybody_sees_the_same(client: Client, emulator: Emulator) -> None:
    await client.send(BARE)
    (received,) = (await client.read("/messages")).json["value"]
    (sent,) = (await client.read("/messages", "alice@contoso.example")).json["value"]
    assert received["from"] == sent["from"] == {"emailAddress": {"name": "Alice", "address": "alice@contoso.example"}}
    assert received["internetMessageId"] == sent["internetMessageId"] == emulator.ledger.entries[0].message_id


async def test_a_from_that_names_nobody_is_replaced(client: Client, emulator: Emulator) -> None:
    await client.send(b"From:\r\n" + BARE)
    assert [str(each) for each in last(emulator).get_all("From")] == ["Alice <alice@contoso.example>"]


async def test_what_is_complete_stays_as_it_is(client: Client, emulator: Emulator) -> None:
    mail = b"FROM: alice@contoso.example\r\ndate: x\r\nmessage-id: <1@x>\r\n" + BARE
    await client.send(mail)
    assert emulator.ledger.entries[0].raw == mail


async def test_a_draft_leaves_with_the_message_id_that_it_showed(client: Client, emulator: Emulator) -> None:
    writer = Writer(client)
    made = (await writer.create_mime(BARE)).json
    await writer.send(made["id"])
    (sent,) = (await writer.call("GET", "/mailFolders/sentitems/messages")).json["value"]
    expected = made["internetMessageId"]
    assert (sent["internetMessageId"], last(emulator)["Message-ID"]) == (expected, expected)
    assert b"\r\nFrom: Alice" in b"\r\n" + (await writer.call("GET", f"/messages/{sent['id']}/$value")).body


async def test_on_behalf_of_the_mailbox_the_person_is_named(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.mailbox("bob@contoso.example").send_on_behalf.add(planted.user("alice").id)
    token = client.user_token("alice", "Mail.Send.Shared")
    await client.send(BARE, "bob@contoso.example", headers={"Authorization": f"Bearer {token}"})
    assert (last(emulator)["From"], last(emulator)["Sender"]) == (
        "Bob <bob@contoso.example>",
        "Alice <alice@contoso.example>",
    )


@pytest.mark.parametrize(
    ("sender", "status"),
    [(b"bob@contoso.example", 403), (b"x@fabrikam.example", 403), (b"ALICE@contoso.example", 202)],
)
async def test_the_sender_must_be_the_mailbox(client: Client, emulator: Emulator, sender: bytes, status: int) -> None:
    for mail in (BARE, b"From: alice@contoso.example\r\n" + BARE):
        answer = await client.send(b"Sender: " + sender + b"\r\n" + mail)
        assert answer.status == status
        assert status == 202 or answer.code == "ErrorSendAsDenied"
    emulator.world.checks_from = False
    assert (await client.send(b"Sender: " + sender + b"\r\n" + BARE)).status == 202
