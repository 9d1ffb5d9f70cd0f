"""What clients prefer: ids, the form of bodies and the size of pages; the answer says what was applied."""

import pytest

from pillarbox.emulator import Emulator
from tests.unit.emulator.conftest import Client, Reply

IMMUTABLE = 'IdType="ImmutableId"'
PATH = "/users/bob@contoso.example/messages"


async def read(client: Client, prefer: str, path: str = PATH) -> Reply:
    return await client.graph("GET", path, client.planted.reader, headers={"Prefer": prefer})


@pytest.mark.parametrize(
    ("prefer", "applied", "gaps"),
    [
        (IMMUTABLE, IMMUTABLE, []),
        ("idtype=ImmutableId", IMMUTABLE, []),
        ('idtype="immutableid", x=1', IMMUTABLE, ["Prefer: x"]),
        ('outlook.body-content-type="text"', 'outlook.body-content-type="text"', []),
        ("outlook.body-content-type=HTML ; a=b", 'outlook.body-content-type="html"', []),
        ("outlook.allow-unsafe-html", "outlook.allow-unsafe-html", []),
        ("odata.maxpagesize=5", "odata.maxpagesize=5", []),
        ("odata.maxpagesize=5000", "odata.maxpagesize=1000", []),
        (f"odata.maxpagesize=5, {IMMUTABLE}", f"odata.maxpagesize=5, {IMMUTABLE}", []),
        ("odata.maxpagesize=0", None, ["Prefer: odata.maxpagesize"]),
        ("odata.maxpagesize=x", None, ["Prefer: odata.maxpagesize"]),
        ('outlook.body-content-type="rtf"', None, ["Prefer: outlook.body-content-type"]),
        ('idtype="restid"', None, ["Prefer: idtype"]),
        ('="', None, []),
        ("", None, []),
    ],
)
async def test_preferences(
    client: Client, emulator: Emulator, prefer: str, applied: str | None, gaps: list[str]
) -> None:
    answer = await read(client, prefer)
    assert (answer.status, answer.headers.get("Preference-Applied")) == (200, applied)
    assert [gap.what for gap in emulator.not_emulated] == gaps


async def test_immutable_ids_are_shown_on_request_and_both_kinds_are_understood(client: Client) -> None:
    await client.send()
    (plain,) = (await client.read("/messages")).json["value"]
    (lasting,) = (await read(client, IMMUTABLE)).json["value"]
    assert plain["id"] != lasting["id"]
    for ident in (plain["id"], lasting["id"]):
        assert (await client.read(f"/messages/{ident}")).json["id"] == plain["id"]
        assert (await read(client, IMMUTABLE, f"{PATH}/{ident}")).json["id"] == lasting["id"]


@pytest.mark.parametrize(
    ("mail", "prefer", "kind", "content"),
    [
        (b"\r\n1 < 2\r\n", "text", "text", "1 < 2\r\n"),
        (b"\r\n1 < 2\r\n", "html", "html", "1 &lt; 2<br>"),
        (b"\r\n1 < 2\r\n", "", "html", "1 &lt; 2<br>"),
        (b"Content-Type: text/html\r\n\r\n<p>1 &lt; 2</p>", "text", "text", "1 < 2\r\n"),
        (b"Content-Type: text/html\r\n\r\n<p>1 &lt; 2</p>", "", "html", "<p>1 &lt; 2</p>"),
    ],
)
async def test_bodies_come_as_html_unless_text_is_preferred(
    client: Client, mail: bytes, prefer: str, kind: str, content: str
) -> None:
    await client.send(b"To: bob@contoso.example\r\n" + mail)
    header = f'outlook.body-content-type="{prefer}"' if prefer else ""
    (message,) = (await read(client, header)).json["value"]
    assert message["body"]["contentType"] == kind
    assert content in message["body"]["content"]


@pytest.mark.parametrize(("query", "size"), [("", 2), ("?$top=1", 1), ("?$top=3", 2)])
async def test_the_smaller_page_size_counts(client: Client, query: str, size: int) -> None:
    for _ in range(4):
        await client.send()
    assert len((await read(client, "odata.maxpagesize=2", PATH + query)).json["value"]) == size
