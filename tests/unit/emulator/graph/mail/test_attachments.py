"""Attachments: listed, read, added and taken away."""

import base64
from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.mail.writer import ALICE, BOB, Writer
from tests.unit.emulator.mail.odd import mails

FILE = {
    "@odata.type": "#microsoft.graph.fileAttachment",
    "name": "Größe.bin",
    "contentType": "application/pdf",
    "contentBytes": base64.b64encode(b"\x00\xff").decode(),
}
ITEM = {
    "@odata.type": "#microsoft.graph.itemAttachment",
    "name": "the mail",
    "item": {"@odata.type": "microsoft.graph.message", "subject": "inner", "body": {"content": "x"}},
}


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client)


async def attached(writer: Writer, *values: Any) -> tuple[str, list[Any]]:
    """The path of a draft's attachments, and what the answers to adding these showed."""
    path = f"/messages/{await writer.draft()}/attachments"
    answers = [await writer.call("POST", path, json=each) for each in values]
    assert [each.status for each in answers] == [201] * len(values)
    return path, [each.json for each in answers]


async def test_a_file_is_added_and_read(writer: Writer) -> None:
    path, (made,) = await attached(writer, FILE)
    expected = FILE | {"size": 2, "isInline": False, "contentId": None, "contentLocation": None}
    assert {name: made[name] for name in expected} == expected
    answer = await writer.call("GET", f"{path}/{made['id']}")
    assert answer.json == made
    value = await writer.call("GET", f"{path}/{made['id']}/$value")
    assert (value.body, value.headers["Content-Type"]) == (b"\x00\xff", "application/pdf")


async def test_the_location_names_the_attachment(writer: Writer, emulator: Emulator) -> None:
    path = f"/messages/{await writer.draft()}/attachments"
    answer = await writer.call("POST", path, json=FILE)
    place = answer.headers["Location"].removeprefix(f"{emulator.url}/v1.0")
    found = await writer.client.graph("GET", place, writer.client.planted.writer)
    assert found.json["id"] == answer.json["id"]


async def test_an_item_has_no_bytes_but_mime(writer: Writer) -> None:
    path, (made,) = await attached(writer, ITEM)
    assert (made["contentType"], "contentBytes" in made, made["name"]) == (None, False, "the mail")
    value = await writer.call("GET", f"{path}/{made['id']}/$value")
    assert value.headers["Content-Type"] == "text/plain"
    assert b"Subject: inner\r\n" in value.body


@pytest.mark.parametrize("expand", ["microsoft.graph.itemattachment/item", "Microsoft.Graph.ItemAttachment/item"])
async def test_the_item_is_shown_on_demand(writer: Writer, expand: str) -> None:
    path, (made, _) = await attached(writer, ITEM, FILE)
    one = await writer.call("GET", f"{path}/{made['id']}?$expand={expand}")
    assert (one.json["item"]["subject"], one.json["item"]["body"]["content"]) == ("inner", "x")
    first, second = (await writer.call("GET", f"{path}?$expand={expand}")).json["value"]
    assert (first["item"]["subject"], "item" in second) == ("inner", False)


async def test_the_list_shows_what_is_selected(writer: Writer) -> None:
    path, _ = await attached(writer, FILE, ITEM)
    found = (await writer.call("GET", f"{path}?$select=name,contentBytes")).json["value"]
    assert [set(each) for each in found] == [
        {"@odata.type", "@odata.mediaContentType", "id", "name", "contentBytes"},
        {"@odata.type", "id", "name"},
    ]


async def test_attachments_are_counted(writer: Writer) -> None:
    path, _ = await attached(writer, FILE, FILE)
    assert (await writer.call("GET", f"{path}/$count")).body == b"2"


@pytest.mark.parametrize("query", ["$select=nonsense", "$filter=isInline eq true", "$expand=x", "includeHidden=true"])
async def test_queries_that_are_refused(writer: Writer, emulator: Emulator, query: str) -> None:
    path, _ = await attached(writer, FILE)
    assert (await writer.call("GET", f"{path}?{query}")).status == 400
    assert len(emulator.not_emulated) == 1


async def test_messages_are_expanded_with_attachments(writer: Writer) -> None:
    path, (made,) = await attached(writer, FILE)
    message = await writer.get(path.split("/")[2], "?$expand=attachments")
    assert [each["id"] for each in message["attachments"]] == [made["id"]]


@pytest.mark.parametrize("inline", [False, True])
async def test_inline_attachments_do_not_count(writer: Writer, inline: bool) -> None:
    path, _ = await attached(writer, FILE | {"isInline": inline, "contentId": "<1@x>"})
    assert (await writer.get(path.split("/")[2]))["hasAttachments"] is not inline


async def test_drafts_are_made_with_attachments(writer: Writer) -> None:
    ident = await writer.draft(attachments=[FILE, ITEM])
    assert len((await writer.call("GET", f"/messages/{ident}/attachments")).json["value"]) == 2


async def test_ids_stay_when_the_draft_changes_and_is_sent(writer: Writer) -> None:
    path, made = await attached(writer, FILE, ITEM)
    await writer.call("PATCH", f"/messages/{path.split('/')[2]}", json={"subject": "new"})
    await writer.send(path.split("/")[2])
    (sent,) = (await writer.call("GET", "/mailFolders/sentitems/messages")).json["value"]
    found = (await writer.call("GET", f"/messages/{sent['id']}/attachments")).json["value"]
    assert [each["id"] for each in found] == [each["id"] for each in made]


async def test_recipients_get_the_files(writer: Writer) -> None:
    path, _ = await attached(writer, FILE, ITEM)
    await writer.send(path.split("/")[2])
    (received,) = (await writer.client.read("/messages")).json["value"]
    first, second = (await writer.client.read(f"/messages/{received['id']}/attachments")).json["value"]
    assert (first["name"], first["contentBytes"]) == (FILE["name"], FILE["contentBytes"])
    assert (second["@odata.type"], second["name"]) == (ITEM["@odata.type"], ITEM["name"])


async def test_an_attachment_is_taken_away(writer: Writer) -> None:
    path, (first, second) = await attached(writer, FILE, ITEM)
    assert (await writer.call("DELETE", f"{path}/{first['id']}")).status == 204
    assert [each["id"] for each in (await writer.call("GET", path)).json["value"]] == [second["id"]]


@pytest.mark.parametrize("more", ["", "/$value"])
async def test_an_unknown_attachment(writer: Writer, more: str) -> None:
    path, (made,) = await attached(writer, FILE)
    answer = await writer.call("GET", f"{path}/{made['id'].swapcase()}{more}")
    assert (answer.status, answer.code) == (404, "ErrorItemNotFound")


async def test_what_is_received_keeps_its_attachments(writer: Writer, planted: Seed) -> None:
    mail = mails()["inline-images.eml"].replace(b"bob@", b"alice@").replace(b"From: Alice <alice@", b"From: <bob@")
    await writer.client.send(mail, "bob@contoso.example")
    (message,) = (await writer.call("GET", "/mailFolders/inbox/messages")).json["value"]
    path = f"/messages/{message['id']}/attachments"
    first = (await writer.call("GET", path)).json["value"][0]
    session = {"AttachmentItem": {"attachmentType": "file", "name": "x", "size": 4_000_000}}
    for answer in (
        await writer.call("POST", path, json=FILE),
        await writer.call("DELETE", f"{path}/{first['id']}"),
        await writer.call("POST", f"{path}/createUploadSession", json=session),
    ):
        assert (answer.status, answer.code) == (403, "ErrorAccessDenied")
    assert message["hasAttachments"] is False


BAD = [
    ({}, "ErrorInvalidRequest"),
    ([], "BadRequest"),
    ({"name": "a", "contentBytes": "YQ=="}, "RequestBodyRead"),
    (FILE | {"contentBytes": "?"}, "RequestBodyRead"),
    (FILE | {"isInline": "yes"}, "RequestBodyRead"),
    (FILE | {"nonsense": 1}, "RequestBodyRead"),
    (FILE | {"id": "x"}, "ErrorInvalidPropertySet"),
    (FILE | {"lastModifiedDateTime": "2026-11-20T12:00:00Z"}, "ErrorInvalidPropertySet"),
    (ITEM | {"id": "x"}, "ErrorInvalidPropertySet"),
    (FILE | {"size": "2"}, "RequestBodyRead"),
    (FILE | {"size": 2**31}, "RequestBodyRead"),
    (FILE | {"contentLocation": 7}, "RequestBodyRead"),
    (FILE | {"contentType": 7}, "RequestBodyRead"),
    (ITEM | {"contentType": 7}, "RequestBodyRead"),
    (FILE | {"contentType": "a/b\r\nX-Evil: 1"}, "ErrorInvalidProperty"),
    (FILE | {"contentType": "a/b\0"}, "ErrorInvalidProperty"),
    (FILE | {"name": None}, "ErrorRequiredPropertyMissing"),
    (ITEM | {"item": {"nonsense": 1}}, "RequestBodyRead"),
    (ITEM | {"item": 7}, "RequestBodyRead"),
    (ITEM | {"contentBytes": "YQ=="}, "RequestBodyRead"),
]


@pytest.mark.parametrize(("value", "code"), BAD)
async def test_bad_attachments(writer: Writer, value: Any, code: str) -> None:
    path = f"/messages/{await writer.draft()}/attachments"
    assert (await writer.call("POST", path, json=value)).code == code
    assert (await writer.call("GET", path)).json["value"] == []


async def test_a_full_mailbox_takes_no_files(writer: Writer, emulator: Emulator) -> None:
    path = f"/messages/{await writer.draft()}/attachments"
    emulator.world.mailbox("alice@contoso.example").full = True
    assert (await writer.call("POST", path, json=FILE)).code == "ErrorQuotaExceeded"


async def test_reading_is_not_writing(client: Client, writer: Writer, planted: Seed) -> None:
    path, (made,) = await attached(writer, FILE)
    assert (await client.graph("GET", f"{ALICE}{path}", planted.reader)).status == 200
    assert (await client.graph("POST", f"{ALICE}{path}", planted.reader, json=FILE)).status == 403
    assert (await client.graph("DELETE", f"{ALICE}{path}/{made['id']}", planted.reader)).status == 403


async def test_hostile_types_of_content_do_not_reach_the_header(writer: Writer) -> None:
    path, (made,) = await attached(writer, FILE | {"contentType": "a b/ü"})
    value = await writer.call("GET", f"{path}/{made['id']}/$value")
    assert value.headers["Content-Type"] == "application/octet-stream"


async def test_the_old_etag_does_not_match(writer: Writer) -> None:
    made = (await writer.create({"toRecipients": [BOB]})).json
    path = f"/messages/{made['id']}/attachments"
    headers = {"If-Match": made["@odata.etag"]}
    added = await writer.call("POST", path, json=FILE, headers=headers)
    assert added.status == 201
    assert (await writer.call("POST", path, json=FILE, headers=headers)).status == 412
    assert (await writer.call("DELETE", f"{path}/{added.json['id']}", headers=headers)).status == 412


async def test_query_options_are_refused_and_noted(writer: Writer, emulator: Emulator) -> None:
    path, (made,) = await attached(writer, FILE)
    session = f"{path}/createUploadSession"
    asked = [("GET", f"{path}/$count"), ("POST", path), ("DELETE", f"{path}/{made['id']}"), ("POST", session)]
    for method, each in asked:
        answer = await writer.call(method, f"{each}?$top=1", json=FILE)
        assert (answer.status, answer.code) == (400, "BadRequest")
    assert len(emulator.not_emulated) == len(asked)


@pytest.mark.parametrize("path", ["attachments", "attachments/createUploadSession"])
async def test_only_json_is_taken(writer: Writer, path: str) -> None:
    path = f"/messages/{await writer.draft()}/{path}"
    answer = await writer.call("POST", path, data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (415, "UnsupportedMediaType")


async def test_the_size_is_counted_whatever_is_said(writer: Writer) -> None:
    _, (made,) = await attached(writer, FILE | {"size": 7_000_000, "contentLocation": None})
    assert made["size"] == 2


@pytest.mark.parametrize("value", [FILE | {"nonsense": 1}, ITEM | {"item": {"nonsense": 1}}])
async def test_unknown_properties_are_noted(writer: Writer, emulator: Emulator, value: Any) -> None:
    assert (await writer.call("POST", f"/messages/{await writer.draft()}/attachments", json=value)).status == 400
    assert [gap.what.startswith("property nonsense of microsoft.graph.") for gap in emulator.not_emulated] == [True]


async def test_the_bytes_take_no_options(writer: Writer, emulator: Emulator) -> None:
    path, (made,) = await attached(writer, FILE)
    assert (await writer.call("GET", f"{path}/{made['id']}/$value?foo=bar")).code == "BadRequest"
    assert [gap.what for gap in emulator.not_emulated] == ["foo"]
