"""Reading mail: folders, paging, filters, properties, raw MIME, and who may."""

from collections.abc import Callable

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import App
from tests.unit.emulator.conftest import MIME, Client

BOB = "/users/bob@contoso.example"

KOBE = (
    b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nMessage-ID: <a+b'c@x>\r\n"
    b"Date: Fri, 20 Nov 2026 11:59:00 +0000\r\n"
    b"Subject: =?utf-8?q?K=C3=B6?=\r\n\r\nHi"
)
WITH_FILE = (
    b"To: bob@contoso.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nSee file\r\n"
    b'--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="a.txt"\r\n\r\nHello\r\n--x--\r\n'
)


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


async def test_one_message_and_its_bytes(client: Client) -> None:
    await client.send(KOBE)
    ident = (await client.read("/messages")).json["value"][0]["id"]
    one, whole = await client.read(f"/messages/{ident}"), await client.read(f"/messages('{ident}')/$value")
    assert one.json["id"] == ident
    assert (whole.body, whole.headers["Content-Type"]) == (KOBE, "text/plain")


async def test_ids_are_case_sensitive(client: Client) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    other = ident[:-10] + ident[-10:-4].swapcase() + ident[-4:]
    answer = await client.read(f"/messages/{other}")
    assert (answer.status, answer.code) == (404, "ErrorItemNotFound")


@pytest.mark.parametrize("change", [str.lower, lambda ident: ident[:-1], lambda ident: f"{ident}=", lambda _: "x"])
async def test_ids_that_were_damaged_are_malformed(client: Client, change: Callable[[str], str]) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    answer = await client.read(f"/messages/{change(ident)}")
    assert (answer.status, answer.code) == (400, "ErrorInvalidIdMalformed")


async def test_sending_is_not_reading(client: Client) -> None:
    answer = await client.graph("GET", "/users/bob@contoso.example/messages")
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


@pytest.fixture
def basic(emulator: Emulator, planted: Seed) -> App:
    """An app that may see the envelopes of mails alone."""
    app = emulator.world.add_app("Basic", ["Mail.ReadBasic.All"])
    planted.secrets[app.client_id] = emulator.world.add_secret(app)
    return app


async def test_read_basic_shows_no_bodies(client: Client, basic: App) -> None:
    await client.send()
    (message,) = (await client.graph("GET", f"{BOB}/messages", basic)).json["value"]
    assert message["subject"] == "Hi"
    assert not message.keys() & {"body", "bodyPreview", "uniqueBody"}
    assert (await client.graph("GET", f"{BOB}/messages/{message['id']}/$value", basic)).status == 403


@pytest.mark.parametrize(
    "query",
    [
        "$filter=contains(bodyPreview,'x')",
        "$filter=contains(body/content,'x')",
        "$orderby=bodyPreview",
        "$expand=attachments",
    ],
)
async def test_read_basic_does_not_look_into_bodies(client: Client, basic: App, query: str) -> None:
    answer = await client.graph("GET", f"{BOB}/messages?{query}", basic)
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")
    assert (await client.read(f"/messages?{query}")).status == 200


async def test_read_basic_does_not_search(client: Client, emulator: Emulator, basic: App) -> None:
    answer = await client.graph("GET", f"{BOB}/messages?$search=x", basic)
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")
    assert not len(emulator.not_emulated)


async def test_read_basic_does_not_count_by_bodies(client: Client, basic: App) -> None:
    answer = await client.graph("GET", f"{BOB}/messages/$count?$filter=contains(bodyPreview,'x')", basic)
    assert answer.status == 403


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/messages/$count", b"3"),
        ("/mailFolders/inbox/messages/$count", b"3"),
        ("/mailFolders/drafts/messages/$count", b"0"),
        ("/messages/$count?$filter=subject eq 'hi'", b"2"),
    ],
)
async def test_a_bare_count(client: Client, path: str, number: bytes) -> None:
    for mail in (MIME, MIME, KOBE):
        await client.send(mail)
    answer = await client.read(path)
    assert (answer.body, answer.headers["Content-Type"]) == (number, "text/plain")


async def test_a_count_takes_filters_alone(client: Client, emulator: Emulator) -> None:
    assert (await client.read("/messages/$count?$top=1")).code == "BadRequest"
    assert [gap.what for gap in emulator.not_emulated] == ["$top"]


@pytest.mark.parametrize("query", ["foo=bar", "$top=1"])
async def test_the_mime_takes_no_options(client: Client, emulator: Emulator, query: str) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    assert (await client.read(f"/messages/{ident}/$value?{query}")).code == "BadRequest"
    assert [gap.what for gap in emulator.not_emulated] == [query.partition("=")[0]]


@pytest.mark.parametrize("path", ["/messages?$top=x", "/messages/$count?$filter=x", "/mailFolders?$top=x"])
async def test_a_mailbox_that_is_missing_comes_before_a_query_that_is_wrong(client: Client, path: str) -> None:
    assert (await client.read(path, "nomailbox@contoso.example")).code == "MailboxNotEnabledForRESTAPI"


async def test_a_message_below_its_folder_alone(client: Client) -> None:
    await client.send(KOBE)
    ident = (await client.read("/messages")).json["value"][0]["id"]
    assert (await client.read(f"/mailFolders/inbox/messages/{ident}")).json["id"] == ident
    assert (await client.read(f"/mailFolders/inbox/messages/{ident}/$value")).body == KOBE
    for path in (f"/mailFolders/drafts/messages/{ident}", f"/mailFolders/drafts/messages/{ident}/$value"):
        assert (await client.read(path)).code == "ErrorItemNotFound"


@pytest.mark.parametrize("word", ["attachments", "Attachments", "ATTACHMENTS"])
async def test_attachments_come_with_the_message(client: Client, word: str) -> None:
    await client.send(WITH_FILE)
    (message,) = (await client.read(f"/messages?$select=subject&$expand={word}")).json["value"]
    (attachment,) = message["attachments"]
    assert (attachment["name"], attachment["contentBytes"]) == ("a.txt", "SGVsbG8=")
    one = await client.read(f"/messages/{message['id']}?$expand={word}")
    assert one.json["attachments"] == message["attachments"]


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ("/messages", "messages"),
        ("/messages?$select=Subject,sender", "messages(subject,sender)"),
        ("/messages?$select=subject&$expand=Attachments", "messages(subject,attachments())"),
        ("/mailFolders/Inbox/messages?$select=id", "mailFolders('Inbox')/messages(id)"),
    ],
)
async def test_the_context_names_what_is_shown(client: Client, emulator: Emulator, path: str, context: str) -> None:
    shown = (await client.read(path)).json["@odata.context"]
    assert shown == f"{emulator.url}/v1.0/$metadata#users('bob%40contoso.example')/{context}"


async def test_the_context_of_one_message(client: Client) -> None:
    await client.send()
    ident = (await client.read("/messages")).json["value"][0]["id"]
    shown = (await client.read(f"/messages/{ident}?$select=subject")).json["@odata.context"]
    assert shown.endswith("/$metadata#users('bob%40contoso.example')/messages(subject)/$entity")


async def test_me_is_the_user_who_signed_in(client: Client, planted: Seed) -> None:
    await client.send()
    reply = await client.as_user("GET", "/me/messages", "bob", "Mail.Read")
    assert len(reply.json["value"]) == 1
    assert f"#users('{planted.user('bob').id}')/messages" in reply.json["@odata.context"]


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("$filter=isRead eq false", ["Kö", "Hi"]),
        ("$filter=from/emailAddress/address eq 'ALICE@contoso.example' and startswith(subject,'h')", ["Hi"]),
        ("$filter=receivedDateTime ge 2026-11-20T12:00:00Z", ["Kö", "Hi"]),
        ("$filter=receivedDateTime lt 2026-11-20T13:00:00%2B01:00", []),
        ("$filter=hasAttachments eq true", []),
        ("$filter=categories/any(c:c eq 'Red')", []),
        ("$filter=internetMessageId eq '<1@x>' and isRead eq true", []),
        ("$filter=internetMessageId eq '<1@x>' and isRead eq false", ["Hi"]),
        ("$filter=importance eq 'normal' and flag/flagStatus eq 'notFlagged'", ["Kö", "Hi"]),
        ("$orderby=subject", ["Hi", "Kö"]),
    ],
)
async def test_filters_on_real_mails(client: Client, query: str, subjects: list[str]) -> None:
    await client.send()
    await client.send(KOBE)
    assert [each["subject"] for each in (await client.read(f"/messages?{query}")).json["value"]] == subjects


async def test_importance_and_sender(client: Client, emulator: Emulator) -> None:
    emulator.world.checks_from = False
    await client.send(b"To: bob@contoso.example\r\nX-Priority: 1 (Highest)\r\nSender: s@x.example\r\n\r\n")
    (message,) = (await client.read("/messages?$select=importance,sender,from")).json["value"]
    assert message["importance"] == "high"
    assert message["from"]["emailAddress"]["address"] == "alice@contoso.example"
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
