"""Drafts: made from JSON and MIME, changed, sent, thrown away, and what is refused."""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import MIME, Client, Clock
from tests.unit.emulator.graph.mail.writer import ALICE, BOB, IMMUTABLE, Writer
from tests.unit.emulator.mail.odd import mails


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client)


async def test_a_draft_from_json(writer: Writer, emulator: Emulator) -> None:
    message = {"subject": "Grüße", "body": {"contentType": "HTML", "content": "<b>ü</b>"}, "toRecipients": [BOB]}
    answer = await writer.create(message | {"@odata.type": "#microsoft.graph.message", "categories": ["Red"]})
    made = answer.json
    assert (answer.status, made["isDraft"], made["isRead"], made["subject"]) == (201, True, True, "Grüße")
    assert (made["body"], made["toRecipients"]) == ({"contentType": "html", "content": "<b>ü</b>"}, [BOB])
    assert (made["from"], made["categories"]) == (None, ["Red"])
    assert made["internetMessageId"].endswith("@contoso.example>")
    assert (
        answer.headers["Location"] == f"{emulator.url}/v1.0/users('alice%40contoso.example')/messages('{quoted(made)}')"
    )
    assert await writer.get(made["id"]) == made | {"@odata.context": (await writer.get(made["id"]))["@odata.context"]}


def quoted(made: Any) -> str:
    return str(made["id"]).replace("=", "%3D")


async def test_a_draft_lies_in_drafts_or_where_it_is_put(writer: Writer) -> None:
    first, second = await writer.create(), await writer.create(folder="/mailFolders/archive")
    for made, folder in ((first, "drafts"), (second, "archive")):
        (found,) = (await writer.call("GET", f"/mailFolders/{folder}/messages")).json["value"]
        assert found["id"] == made.json["id"]
    assert (await writer.create(folder="/mailFolders/nowhere")).code == "ErrorFolderNotFound"


@pytest.mark.parametrize("mail", [pytest.param(mail, id=name) for name, mail in mails().items()])
async def test_mime_comes_back_byte_for_byte(writer: Writer, mail: bytes) -> None:
    made = await writer.create_mime(mail)
    assert (made.status, made.json["isDraft"]) == (201, True)
    assert (await writer.call("GET", f"/messages/{made.json['id']}/$value")).body == mail


async def test_message_ids_are_rewritten_on_demand(writer: Writer, emulator: Emulator) -> None:
    emulator.world.rewrites_message_ids = True
    made = (await writer.create_mime(MIME)).json
    mail = (await writer.call("GET", f"/messages/{made['id']}/$value")).body
    assert made["internetMessageId"] != "<1@x>"
    assert mail == b"Message-ID: " + made["internetMessageId"].encode() + b"\r\n" + MIME.replace(
        b"Message-ID: <1@x>\r\n", b""
    )


async def test_only_base64_is_mime(writer: Writer) -> None:
    answer = await writer.call("POST", "/messages", data=b"To: x", headers={"Content-Type": "text/plain"})
    assert answer.code == "ErrorMimeContentInvalidBase64String"


@pytest.mark.parametrize("kind", ["application/xml", "text/html"])
async def test_other_content_types_are_refused(writer: Writer, kind: str) -> None:
    ident = await writer.draft()
    for method, path in (("POST", "/messages"), ("PATCH", f"/messages/{ident}")):
        answer = await writer.call(method, path, data=b"{}", headers={"Content-Type": kind})
        assert (answer.status, answer.code) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("recipient", [{}, {"emailAddress": {"name": "Bob"}}, {"emailAddress": {"address": " "}}])
async def test_recipients_need_an_address(writer: Writer, recipient: Any) -> None:
    assert (await writer.create({"toRecipients": [recipient]})).code == "ErrorInvalidRecipients"


async def test_at_most_five_headers(writer: Writer) -> None:
    headers = [{"name": f"x-{number}", "value": "v"} for number in range(6)]
    assert (await writer.create({"internetMessageHeaders": headers[:5]})).status == 201
    assert (await writer.create({"internetMessageHeaders": headers})).code == "InvalidInternetMessageHeaderCollection"


async def test_at_most_five_headers_after_a_change_too(writer: Writer) -> None:
    def headers(*numbers: int) -> dict[str, Any]:
        return {"internetMessageHeaders": [{"name": f"X-{number}", "value": "v"} for number in numbers]}

    reply = {"singleValueExtendedProperties": [{"id": "String 0x1042", "value": "<0@x>"}]}
    path = f"/messages/{await writer.draft(**headers(1, 2, 3, 4), **reply)}"
    assert (await writer.call("PATCH", path, json=headers(5, 6))).code == "InvalidInternetMessageHeaderCollection"
    assert (await writer.call("PATCH", path, json=headers(4, 5))).status == 200
    assert (await writer.call("PATCH", path, json=headers(6))).code == "InvalidInternetMessageHeaderCollection"
    assert (await writer.call("PATCH", path, json={"subject": "x"})).status == 200


async def test_mime_with_more_headers_can_change_otherwise(writer: Writer) -> None:
    made = await writer.create_mime(b"".join(b"X-%d: v\r\n" % number for number in range(6)) + b"\r\n")
    assert (await writer.call("PATCH", f"/messages/{made.json['id']}", json={"subject": "x"})).status == 200


async def test_null_is_refused_in_microsofts_words(writer: Writer) -> None:
    answer = await writer.call("PATCH", f"/messages/{await writer.draft()}", json={"isRead": None})
    kind = "'Edm.Boolean[Nullable=False]'"
    text = f"A null value was found for the property named 'isRead', which has the expected type {kind}. "
    assert answer.json["error"]["message"] == f"{text}The expected type {kind} does not allow null values."


SENDING = [(b"{}", 202, 0), (b'{"comment": "x"}', 400, 1), (b"x", 400, 1)]


@pytest.mark.parametrize(("body", "status", "gaps"), SENDING)
async def test_sending_a_draft_takes_no_body(
    writer: Writer, emulator: Emulator, body: bytes, status: int, gaps: int
) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await writer.send(await writer.draft(), data=body, headers=headers)).status == status
    assert (len(emulator.not_emulated), len(emulator.ledger)) == (gaps, status == 202)


async def test_a_full_mailbox_takes_no_drafts(writer: Writer, emulator: Emulator) -> None:
    emulator.world.mailbox("alice@contoso.example").full = True
    for answer in (await writer.create(), await writer.create_mime(MIME)):
        assert (answer.status, answer.code) == (403, "ErrorQuotaExceeded")


async def test_immutable_ids_on_demand(writer: Writer) -> None:
    made = await writer.create(headers=IMMUTABLE)
    assert made.headers["Preference-Applied"] == 'IdType="ImmutableId"'
    assert (await writer.get(made.json["id"]))["id"] != made.json["id"]


async def test_any_property_of_a_draft_can_change(writer: Writer) -> None:
    ident = await writer.draft(subject="one", internetMessageHeaders=[{"name": "x-a", "value": "1"}])
    change = {
        "subject": "two",
        "ccRecipients": [BOB],
        "importance": "low",
        "isRead": False,
        "flag": {"flagStatus": "flagged", "dueDateTime": {"dateTime": "2026-12-01T00:00:00.0000000"}},
        "inferenceClassification": "other",
        "internetMessageId": "<mine@x>",
        "internetMessageHeaders": [{"name": "X-A", "value": "2"}],
    }
    answer = await writer.call("PATCH", f"/messages/{ident}", json=change)
    assert answer.status == 200
    found = await writer.get(
        ident,
        "?$select=subject,toRecipients,ccRecipients,importance,isRead,flag,"
        "inferenceClassification,internetMessageId,internetMessageHeaders",
    )
    assert (found["subject"], found["toRecipients"], found["ccRecipients"]) == ("two", [BOB], [BOB])
    assert (found["importance"], found["isRead"], found["inferenceClassification"]) == ("low", False, "other")
    due = {"dateTime": "2026-12-01T00:00:00.0000000", "timeZone": "UTC"}
    assert found["flag"] == {"flagStatus": "flagged", "dueDateTime": due}
    assert found["internetMessageId"] == "<mine@x>"
    assert [each["value"] for each in found["internetMessageHeaders"] if each["name"].lower() == "x-a"] == ["2"]
    by_id = (await writer.call("GET", "/messages?$filter=internetMessageId eq '<mine@x>'")).json["value"]
    assert [each["id"] for each in by_id] == [ident]


async def test_a_changed_mime_draft_keeps_what_was_not_changed(writer: Writer) -> None:
    mail = b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nIn-Reply-To: <0@x>\r\nX-Raw: \xff\r\n\r\nHi"
    made = (await writer.create_mime(mail)).json
    await writer.call("PATCH", f"/messages/{made['id']}", json={"subject": "new"})
    changed = (await writer.call("GET", f"/messages/{made['id']}/$value")).body
    for kept in (b"To: bob@contoso.example", b"In-Reply-To: <0@x>", b"X-Raw: \xff", b"Subject: new", b"\r\n\r\nHi"):
        assert kept in changed
    assert (await writer.get(made["id"]))["internetMessageId"] == made["internetMessageId"]


async def test_each_change_has_another_etag(writer: Writer) -> None:
    made = (await writer.create()).json
    changed = (await writer.call("PATCH", f"/messages/{made['id']}", json={"isRead": False})).json
    assert changed["@odata.etag"] != made["@odata.etag"]
    assert changed["changeKey"] in changed["@odata.etag"]


async def test_receipts_are_asked_for(writer: Writer) -> None:
    ident = await writer.draft(isReadReceiptRequested=True, isDeliveryReceiptRequested=True)
    found = await writer.get(ident)
    assert (found["isReadReceiptRequested"], found["isDeliveryReceiptRequested"]) == (True, True)
    await writer.call("PATCH", f"/messages/{ident}", json={"isReadReceiptRequested": False})
    await writer.send(ident)
    (received,) = (await writer.client.read("/messages")).json["value"]
    assert (received["isReadReceiptRequested"], received["isDeliveryReceiptRequested"]) == (False, True)


@pytest.mark.parametrize(("method", "more"), [("PATCH", {"json": {"isRead": True}}), ("DELETE", {})])
async def test_an_old_etag_does_not_match(writer: Writer, method: str, more: Any) -> None:
    made = (await writer.create()).json
    path = f"/messages/{made['id']}"
    current = (await writer.call("PATCH", path, json={"isRead": False})).json["@odata.etag"]
    answer = await writer.call(method, path, headers={"If-Match": made["@odata.etag"]}, **more)
    assert (answer.status, answer.code) == (412, "ErrorIrresolvableConflict")
    assert (await writer.call(method, path, headers={"If-Match": f'W/"x", {current}'}, **more)).status in (200, 204)


BAD_CHANGES = [
    ({"nonsense": 1}, 400, "RequestBodyRead"),
    ({"Subject": "x"}, 400, "RequestBodyRead"),
    ({"isRead": "yes"}, 400, "RequestBodyRead"),
    ({"isRead": None}, 400, "RequestBodyRead"),
    ({"categories": "Red"}, 400, "RequestBodyRead"),
    ({"categories": [1]}, 400, "RequestBodyRead"),
    ({"flag": {"flagStatus": "odd"}}, 400, "RequestBodyRead"),
    ({"flag": {"flagStatus": "flagged", "dueDateTime": {"dateTime": "soon"}}}, 400, "RequestBodyRead"),
    ({"flag": {"colour": "red"}}, 400, "RequestBodyRead"),
    ({"changeKey": "x"}, 400, "ErrorInvalidPropertySet"),
    ({"receivedDateTime": "2026-11-20T12:00:00Z"}, 400, "ErrorInvalidPropertySet"),
    ({"attachments": []}, 400, "ErrorInvalidPropertySet"),
]


@pytest.mark.parametrize(("change", "status", "code"), BAD_CHANGES)
async def test_bad_changes_change_nothing(writer: Writer, change: Any, status: int, code: str) -> None:
    ident = await writer.draft(subject="old")
    answer = await writer.call("PATCH", f"/messages/{ident}", json={"subject": "new"} | change)
    assert (answer.status, answer.code, (await writer.get(ident))["subject"]) == (status, code, "old")


async def test_what_is_received_can_be_marked(writer: Writer) -> None:
    ident = await writer.received()
    before = (await writer.call("GET", f"/messages/{ident}/$value")).body
    marks = {
        "isRead": True,
        "categories": ["Red"],
        "flag": {"flagStatus": "complete"},
        "inferenceClassification": "other",
    }
    found = (await writer.call("PATCH", f"/messages/{ident}", json=marks)).json
    assert {name: found[name] for name in marks} == marks
    assert (await writer.call("GET", f"/messages/{ident}/$value")).body == before


@pytest.mark.parametrize("name", ["subject", "body", "toRecipients", "from", "internetMessageId", "replyTo"])
async def test_what_is_received_cannot_be_rewritten(writer: Writer, name: str) -> None:
    ident = await writer.received()
    value = {"body": {}, "toRecipients": [], "replyTo": [], "from": BOB}.get(name, "x")
    answer = await writer.call("PATCH", f"/messages/{ident}", json={name: value})
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_the_advanced_permission_rewrites(
    client: Client, writer: Writer, emulator: Emulator, planted: Seed
) -> None:
    app = emulator.world.add_app("Advanced", ["Mail-Advanced.ReadWrite.All"])
    planted.secrets[app.client_id] = emulator.world.add_secret(app)
    path = f"{ALICE}/messages/{await writer.received()}"
    assert (await client.graph("PATCH", path, app, json={"subject": "new"})).json["subject"] == "new"


async def test_reading_is_not_writing(client: Client, writer: Writer, planted: Seed) -> None:
    ident = await writer.draft()
    for method, path in (("POST", "/messages"), ("PATCH", f"/messages/{ident}"), ("DELETE", f"/messages/{ident}")):
        answer = await client.graph(method, f"{ALICE}{path}", planted.reader, json={})
        assert (answer.status, answer.code) == (403, "ErrorAccessDenied")
    assert (await client.graph("POST", f"{ALICE}/messages/{ident}/send", planted.reader)).status == 403


async def test_deleted_goes_to_deleted_items_and_then_away(writer: Writer) -> None:
    ident = (await writer.create(headers=IMMUTABLE)).json["id"]
    answer = await writer.call("DELETE", f"/messages/{ident}")
    assert (answer.status, answer.body) == (204, b"")
    assert len((await writer.call("GET", "/mailFolders/deleteditems/messages")).json["value"]) == 1
    assert (await writer.call("DELETE", f"/messages/{ident}")).status == 204
    assert (await writer.call("DELETE", f"/messages/{ident}")).code == "ErrorItemNotFound"


async def test_the_folder_in_the_path_counts(writer: Writer) -> None:
    ident = await writer.draft()
    assert (await writer.call("DELETE", f"/mailFolders/inbox/messages/{ident}")).code == "ErrorItemNotFound"
    assert (await writer.call("DELETE", f"/mailFolders/drafts/messages/{ident}")).status == 204


async def test_a_sent_draft_is_delivered_and_lies_in_sent_items(writer: Writer, emulator: Emulator) -> None:
    ident = await writer.draft(subject="out", body={"contentType": "html", "content": "<p>x"})
    draft = await writer.get(ident)
    answer = await writer.send(ident)
    assert (answer.status, answer.body, "Content-Type" in answer.headers) == (202, b"", False)
    (sent,) = (await writer.call("GET", "/mailFolders/sentitems/messages")).json["value"]
    assert (sent["isDraft"], sent["internetMessageId"]) == (False, draft["internetMessageId"])
    assert sent["from"]["emailAddress"] == {"name": "Alice", "address": "alice@contoso.example"}
    (received,) = (await writer.client.read("/messages")).json["value"]
    assert (received["subject"], received["isRead"]) == ("out", False)
    assert [entry.message_id for entry in emulator.ledger.entries] == [draft["internetMessageId"]]
    assert (await writer.call("GET", "/mailFolders/drafts/messages")).json["value"] == []


async def test_a_sent_mime_draft_is_sent_byte_for_byte(writer: Writer, emulator: Emulator) -> None:
    await writer.send((await writer.create_mime(MIME)).json["id"])
    (sent,) = (await writer.call("GET", "/mailFolders/sentitems/messages")).json["value"]
    assert emulator.ledger.entries[0].raw == MIME
    assert (await writer.call("GET", f"/messages/{sent['id']}/$value")).body == MIME


async def test_only_the_immutable_id_stays(writer: Writer) -> None:
    made = (await writer.create({"toRecipients": [BOB]}, headers=IMMUTABLE)).json
    mutable = (await writer.get(made["id"]))["id"]
    await writer.send(mutable)
    assert (await writer.call("GET", f"/messages/{mutable}")).code == "ErrorItemNotFound"
    assert (await writer.get(made["id"]))["isDraft"] is False


async def test_a_sent_draft_may_appear_late(writer: Writer, emulator: Emulator, clock: Clock) -> None:
    emulator.world.sent_copy_delay = 30
    ident = (await writer.create({"toRecipients": [BOB]}, headers=IMMUTABLE)).json["id"]
    await writer.send(ident)
    assert (await writer.call("GET", f"/messages/{ident}")).code == "ErrorItemNotFound"
    clock.now += 30
    assert (await writer.get(ident))["isDraft"] is False


@pytest.mark.parametrize("headers", [IMMUTABLE, {}])
@pytest.mark.parametrize(
    ("twice", "delay", "status"), [(False, 0, 404), (False, 9, 404), (True, 0, 202), (True, 9, 202)]
)
async def test_a_draft_is_sent_once_unless_switched(
    writer: Writer, emulator: Emulator, headers: dict[str, str], twice: bool, delay: int, status: int
) -> None:
    emulator.world.sends_drafts_twice, emulator.world.sent_copy_delay = twice, delay
    ident = (await writer.create({"toRecipients": [BOB]}, headers=headers)).json["id"]
    assert (await writer.send(ident)).status == 202
    assert (await writer.send(ident)).status == status
    assert len(emulator.ledger) == 1 + twice


async def test_what_is_received_cannot_be_sent(writer: Writer) -> None:
    assert (await writer.send(await writer.received())).code == "ErrorItemNotFound"


async def test_a_draft_without_recipients_stays_as_it_was(writer: Writer, emulator: Emulator) -> None:
    made = (await writer.create({"subject": "x"})).json
    assert (await writer.send(made["id"])).code == "ErrorInvalidRecipients"
    assert (await writer.get(made["id"]))["@odata.etag"] == made["@odata.etag"]
    assert len(emulator.ledger) == 0


async def test_sending_a_draft_needs_mail_send(
    client: Client, writer: Writer, emulator: Emulator, planted: Seed
) -> None:
    app = emulator.world.add_app("Drafts only", ["Mail.ReadWrite"])
    planted.secrets[app.client_id] = emulator.world.add_secret(app)
    path = f"{ALICE}/messages/{await writer.draft()}/send"
    assert (await client.graph("POST", path, app)).code == "ErrorAccessDenied"
    assert (await client.graph("POST", path, planted.gateway)).status == 202


async def test_a_person_keeps_and_sends_own_drafts(client: Client) -> None:
    scopes = ("Mail.ReadWrite", "Mail.Send")
    made = await client.as_user("POST", "/me/messages", "alice", *scopes, json={"toRecipients": [BOB]})
    assert made.status == 201
    assert (await client.as_user("POST", f"/me/messages/{made.json['id']}/send", "alice", *scopes)).status == 202


async def test_without_bytes_the_sent_draft_has_no_body(writer: Writer, emulator: Emulator) -> None:
    emulator.ledger.keep_bytes = False
    ident = (await writer.create({"toRecipients": [BOB], "body": {"content": "x" * 99}}, headers=IMMUTABLE)).json["id"]
    await writer.send(ident)
    found = await writer.get(ident)
    assert (found["isDraft"], found["bodyPreview"]) == (False, "")


async def test_a_send_without_length_is_refused(client: Client, writer: Writer, emulator: Emulator) -> None:
    path = f"/v1.0{ALICE}/messages/{await writer.draft()}/send"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {client.app_token(client.planted.writer)}\r\n\r\n"
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    stream, sink = await asyncio.open_connection("localhost", urlsplit(emulator.url).port, ssl=context)
    sink.write(head.encode())
    answer = await stream.read()
    sink.close()
    await sink.wait_closed()
    assert answer.startswith(b"HTTP/1.1 411 ")


async def test_query_options_are_refused_and_noted(writer: Writer, emulator: Emulator) -> None:
    ident = await writer.draft()
    path = f"/messages/{ident}"
    asked = [("DELETE", path), ("POST", f"{path}/send"), ("POST", "/messages"), ("PATCH", path)]
    for method, each in asked:
        answer = await writer.call(method, f"{each}?$top=1", json={})
        assert (answer.status, answer.code) == (400, "BadRequest")
    assert len(emulator.not_emulated) == len(asked)
