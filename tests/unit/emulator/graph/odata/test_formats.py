"""Which forms of answers clients may ask for."""

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.mail.writer import Writer

BOB = "/users/bob@contoso.example"
TAKEN = [
    "",
    "*/*",
    "application/*",
    "application/json",
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
    'Application/JSON; ODATA.metadata="Minimal"; q=0.5',
    "application/json;metadata=minimal",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
]
REFUSED = [
    "application/xml",
    "application/atom+xml",
    "text/html",
    "application/json;odata.metadata=full",
    "application/json;odata.metadata=none",
    "application/json;IEEE754Compatible=true",
    "application/json;q=0, text/plain",
    "nonsense",
]


@pytest.mark.parametrize("accept", TAKEN)
async def test_these_get_json(client: Client, emulator: Emulator, accept: str) -> None:
    for path in ("/messages", "/mailFolders", "/mailFolders/inbox"):
        assert (
            await client.graph("GET", f"{BOB}{path}", client.planted.reader, headers={"Accept": accept})
        ).status == 200
    assert not len(emulator.not_emulated)


@pytest.mark.parametrize("accept", REFUSED)
async def test_these_are_refused_and_noted(client: Client, emulator: Emulator, accept: str) -> None:
    answer = await client.graph("GET", f"{BOB}/messages", client.planted.reader, headers={"Accept": accept})
    assert (answer.status, answer.code) == (406, "NotAcceptable")
    assert [gap.what for gap in emulator.not_emulated] == [f"Accept: {accept}"]


async def test_what_is_made_is_shown_in_json_alone(client: Client) -> None:
    writer, headers = Writer(client), {"Accept": "application/xml"}
    path = f"/messages/{await writer.draft()}"
    for method, each in (
        ("POST", "/messages"),
        ("PATCH", path),
        ("POST", f"{path}/attachments"),
        ("POST", f"{path}/attachments/createUploadSession"),
    ):
        assert (await writer.call(method, each, json={}, headers=headers)).status == 406


async def test_bytes_and_counts_come_whatever_is_asked_for(client: Client) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    for path in (f"/messages/{ident}/$value", "/messages/$count"):
        assert (
            await client.graph("GET", f"{BOB}{path}", client.planted.reader, headers={"Accept": "x/y"})
        ).status == 200
