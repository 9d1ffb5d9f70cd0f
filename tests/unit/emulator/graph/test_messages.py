"""Reading mail: folders, paging, filters, properties, raw MIME, and who may."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Reply

KOBE = (
    b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nMessage-ID: <a+b'c@x>\r\n"
    b"Subject: =?utf-8?q?K=C3=B6?=\r\n\r\nHi"
)


@pytest.fixture
async def many(client: Client) -> None:
    for number in range(25):
        await client.send(f"To: bob@contoso.example\r\nSubject: {number}\r\n\r\n".encode())


def subjects(reply: Reply) -> list[int]:
    return [int(message["subject"]) for message in reply.json["value"]]


async def test_pages_have_ten_newest_first(client: Client, many: None) -> None:
    reply = await client.read("/messages")
    assert subjects(reply) == list(range(24, 14, -1))


async def test_links_lead_through_all_pages(client: Client, emulator: Emulator, many: None) -> None:
    seen, path = [], "/users/bob@contoso.example/messages?$top=9&$select=subject"
    while path:
        reply = await client.graph("GET", path, client.planted.reader)
        seen += subjects(reply)
        link = reply.json.get("@odata.nextLink", "")
        assert link.startswith(f"{emulator.url}/v1.0/") or not link
        path = link.removeprefix(f"{emulator.url}/v1.0")
    assert seen == list(range(24, -1, -1))


async def test_new_mail_does_not_shift_the_pages(client: Client, emulator: Emulator, many: None) -> None:
    link = (await client.read("/messages?$top=5")).json["@odata.nextLink"]
    await client.send(b"To: bob@contoso.example\r\nSubject: 25\r\n\r\n")
    path = link.removeprefix(f"{emulator.url}/v1.0")
    assert subjects(await client.graph("GET", path, client.planted.reader)) == [19, 18, 17, 16, 15]


async def test_the_last_page_has_no_link(client: Client, many: None) -> None:
    assert "@odata.nextLink" not in (await client.read("/messages?$top=25")).json


@pytest.mark.parametrize("name", ["inbox", "Inbox", "SentItems", "drafts"])
async def test_folders_by_well_known_name(client: Client, name: str) -> None:
    await client.send(b"To: bob@contoso.example, alice@contoso.example\r\n\r\n")
    found = await client.read(f"/mailFolders/{name}/messages", "alice@contoso.example")
    assert len(found.json["value"]) == (name != "drafts")


async def test_folders_by_id(client: Client) -> None:
    await client.send()
    folder = (await client.read("/messages")).json["value"][0]["parentFolderId"]
    assert len((await client.read(f"/mailFolders/{folder}/messages")).json["value"]) == 1


async def test_an_unknown_folder(client: Client) -> None:
    answer = await client.read("/mailFolders/nowhere/messages")
    assert (answer.status, answer.code) == (404, "ErrorFolderNotFound")


@pytest.mark.parametrize(("wanted", "count"), [("<a%2Bb''c@x>", 1), ("<A%2Bb''c@x>", 0), ("<other@x>", 0)])
async def test_filter_by_internet_message_id(client: Client, wanted: str, count: int) -> None:
    await client.send(KOBE)
    found = await client.read(f"/mailFolders/inbox/messages?%24filter=internetMessageId+eq+'{wanted}'")
    assert len(found.json["value"]) == count


async def test_a_mail_without_message_id_gets_one(client: Client) -> None:
    await client.send(b"To: bob@contoso.example\r\n\r\n")
    (message,) = (await client.read("/messages")).json["value"]
    assert message["internetMessageId"].endswith("@contoso.example>")


async def test_select_picks_properties_and_always_the_id(client: Client) -> None:
    await client.send(KOBE)
    (message,) = (await client.read("/messages?$Select=Subject,internetMessageHeaders")).json["value"]
    assert message.keys() == {"@odata.etag", "id", "subject", "internetMessageHeaders"}
    assert message["subject"] == "Kö"
    assert {"name": "To", "value": "bob@contoso.example"} in message["internetMessageHeaders"]


async def test_headers_must_be_selected_to_be_seen(client: Client) -> None:
    await client.send()
    (message,) = (await client.read("/messages")).json["value"]
    assert "internetMessageHeaders" not in message
    assert (message["receivedDateTime"], message["isRead"], message["isDraft"]) == (
        "2026-11-20T12:00:00Z",
        False,
        False,
    )
    assert message["body"] == {"contentType": "text", "content": "Hello\r\n"}


async def test_one_message_and_its_bytes(client: Client) -> None:
    await client.send(KOBE)
    ident = (await client.read("/messages")).json["value"][0]["id"]
    one, whole = await client.read(f"/messages/{ident}"), await client.read(f"/messages('{ident}')/$value")
    assert one.json["id"] == ident
    assert (whole.body, whole.headers["Content-Type"]) == (KOBE, "text/plain")


async def test_ids_are_case_sensitive(client: Client) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    answer = await client.read(f"/messages/{ident.swapcase()}")
    assert (answer.status, answer.code) == (404, "ErrorItemNotFound")


BAD_QUERIES = [
    "$top=0",
    "$top=1001",
    "$top=x",
    "$select=nonsense",
    "$skiptoken=eA==",
    "$skiptoken=czp4",
    "$skiptoken=x",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
async def test_bad_queries(client: Client, emulator: Emulator, query: str) -> None:
    assert (await client.read(f"/messages?{query}")).status == 400
    assert not len(emulator.not_emulated)


@pytest.mark.parametrize("query", ["$search=x", "$orderby=subject", "$expand=attachments", "$filter=isRead eq true"])
async def test_queries_that_are_missing_here_are_gaps(client: Client, emulator: Emulator, query: str) -> None:
    assert (await client.read(f"/messages?{query}")).status == 400
    assert [gap.what.partition("=")[0] for gap in emulator.not_emulated] == [query.partition("=")[0]]


async def test_sending_is_not_reading(client: Client) -> None:
    answer = await client.graph("GET", "/users/bob@contoso.example/messages")
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_read_basic_shows_no_bodies(client: Client, emulator: Emulator, planted: Seed) -> None:
    await client.send()
    app = emulator.world.add_app("Basic", ["Mail.ReadBasic.All"])
    planted.secrets[app.client_id] = emulator.world.add_secret(app)
    (message,) = (await client.graph("GET", "/users/bob@contoso.example/messages", app)).json["value"]
    assert message["subject"] == "Hi"
    assert "body" not in message
    assert "bodyPreview" not in message
    assert (await client.graph("GET", f"/users/bob@contoso.example/messages/{message['id']}/$value", app)).status == 403


@pytest.mark.parametrize(("prefer", "gaps"), [('IdType="ImmutableId"', 0), ('idtype="immutableid", x=1', 1)])
async def test_preferences(client: Client, emulator: Emulator, prefer: str, gaps: int) -> None:
    path = "/users/bob@contoso.example/messages"
    answer = await client.graph("GET", path, client.planted.reader, headers={"Prefer": prefer})
    assert (answer.headers["Preference-Applied"], len(emulator.not_emulated)) == ('IdType="ImmutableId"', gaps)


async def test_importance_and_sender(client: Client) -> None:
    await client.send(b"To: bob@contoso.example\r\nX-Priority: 1 (Highest)\r\nSender: s@x.example\r\n\r\n")
    (message,) = (await client.read("/messages?$select=importance,sender,from")).json["value"]
    assert message["importance"] == "high"
    assert message["from"] is None
    assert message["sender"]["emailAddress"]["address"] == "s@x.example"


HOSTILE = [
    b"To: bob@contoso.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nno end",
    b"To: bob@contoso.example\r\nContent-Type: text/html; charset=nonsense\r\n\r\n\xff\xfe",
    b"To: bob@contoso.example\r\nSubject: \xff=?x?b?!?=\r\nContent-Type: ;;;\r\n\r\n",
    b"To: bob@contoso.example\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n???",
    b"To: bob@contoso.example\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nside",
    b"To: bob@contoso.example",
]


@pytest.mark.parametrize("mail", HOSTILE)
async def test_hostile_mails_can_be_shown(client: Client, mail: bytes) -> None:
    await client.send(mail)
    assert len((await client.read("/messages")).json["value"]) == 1
