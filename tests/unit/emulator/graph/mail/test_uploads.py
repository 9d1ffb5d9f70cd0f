"""Upload sessions: parts in order, and what is refused."""

import io
from typing import Any
from urllib.parse import unquote

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.faults import Fault
from tests.unit.emulator.conftest import Client, Clock, Reply
from tests.unit.emulator.graph.mail.writer import Writer

SIZE = 3_483_322
PART = 2_097_152
ITEM = {"attachmentType": "file", "name": "big.bin", "size": SIZE}
DATA = bytes(range(251)) * (SIZE // 251 + 1)


@pytest.fixture
def writer(client: Client) -> Writer:
    return Writer(client)


class Upload:
    """One session."""

    def __init__(self, client: Client, session: Any, message: str) -> None:
        self.client, self.session, self.message = client, session, message
        self.path = session["uploadUrl"].removeprefix(client.emulator.url)

    async def put(self, start: int, end: int, total: int = SIZE, **more: Any) -> Reply:
        """The bytes from `start` up to `end`, which is not sent."""
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{total}", "Content-Type": "application/octet-stream"}
        headers |= more.pop("headers", {})
        body = io.BytesIO(more.pop("data", DATA[start:end]))
        return await self.client.request("PUT", self.path, data=body, headers=headers, **more)


async def start(writer: Writer, **item: Any) -> Upload:
    message = await writer.draft()
    answer = await ask(writer, message, AttachmentItem=ITEM | item)
    assert answer.status == 201, answer.body
    return Upload(writer.client, answer.json, message)


async def ask(writer: Writer, message: str, **body: Any) -> Reply:
    return await writer.call("POST", f"/messages/{message}/attachments/createUploadSession", json=body)


async def test_a_session_says_where_and_until_when(writer: Writer, emulator: Emulator) -> None:
    upload = await start(writer)
    assert upload.session["uploadUrl"].startswith(f"{emulator.url}/api/gv1.0/users('")
    assert "/AttachmentSessions('" in upload.session["uploadUrl"]
    assert upload.session["expirationDateTime"] == "2026-11-20T14:00:00Z"
    assert upload.session["nextExpectedRanges"] == ["0-"]


async def test_a_file_in_parts(writer: Writer, emulator: Emulator) -> None:
    upload = await start(writer, contentType="image/png", contentId="<1@x>", isInline=True)
    first = await upload.put(0, PART)
    assert (first.status, first.json["nextExpectedRanges"]) == (200, [str(PART)])
    assert first.json["ExpirationDateTime"] == "2026-11-20T14:00:00Z"
    assert (await upload.client.request("GET", upload.path)).json == first.json
    last = await upload.put(PART, SIZE)
    assert (last.status, last.body, "Content-Type" in last.headers) == (201, b"", False)
    place = unquote(last.headers["Location"])
    assert place.startswith(f"{emulator.url}/api/gv1.0/Users('")
    ident = place.rpartition("Attachments('")[2].removesuffix("')")
    found = await writer.call("GET", f"/messages/{upload.message}/attachments/{ident}/$value")
    assert (found.body == DATA[:SIZE], found.headers["Content-Type"]) == (True, "image/png")
    shown = await writer.get(upload.message, f"/attachments/{ident}?$select=name,size,isInline,contentId")
    assert (shown["name"], shown["size"], shown["isInline"], shown["contentId"]) == ("big.bin", SIZE, True, "1@x")


async def test_the_file_is_sent(writer: Writer, emulator: Emulator) -> None:
    upload = await start(writer)
    await upload.put(0, SIZE)
    await writer.send(upload.message)
    (received,) = (await writer.client.read("/messages")).json["value"]
    (file,) = (await writer.client.read(f"/messages/{received['id']}/attachments?$select=name,size")).json["value"]
    assert (file["name"], file["size"]) == ("big.bin", SIZE)


@pytest.mark.parametrize("name", ["attachmentItem", "attachmentitem", "AttachmentItem"])
async def test_the_parameter_in_any_case(writer: Writer, name: str) -> None:
    assert (await ask(writer, await writer.draft(), **{name: ITEM})).status == 201


BAD_ITEMS = [
    (None, 400, "ErrorInvalidRequest"),
    ("x", 400, "RequestBodyRead"),
    (ITEM | {"size": 2_999_999}, 400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
    (ITEM | {"size": -1}, 400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
    (ITEM | {"size": 150 * 1024 * 1024 + 1}, 413, "ErrorAttachmentSizeLimitExceeded"),
    (ITEM | {"size": "3483322"}, 400, "RequestBodyRead"),
    (ITEM | {"size": 3483322.5}, 400, "RequestBodyRead"),
    (ITEM | {"size": True}, 400, "RequestBodyRead"),
    (ITEM | {"size": 10**30}, 400, "RequestBodyRead"),
    (ITEM | {"name": None}, 400, "ErrorRequiredPropertyMissing"),
    (ITEM | {"attachmentType": "item"}, 400, "ErrorInvalidRequest"),
    ({"name": "big.bin", "size": SIZE}, 400, "ErrorRequiredPropertyMissing"),
    (ITEM | {"size": None}, 400, "ErrorRequiredPropertyMissing"),
    (ITEM | {"contentType": "a/b\r\nX: y"}, 400, "ErrorInvalidProperty"),
    (ITEM | {"attachmentType": "odd"}, 400, "RequestBodyRead"),
    (ITEM | {"nonsense": 1}, 400, "RequestBodyRead"),
]


@pytest.mark.parametrize(("item", "status", "code"), BAD_ITEMS)
async def test_bad_items(writer: Writer, item: Any, status: int, code: str) -> None:
    answer = await ask(writer, await writer.draft(), AttachmentItem=item)
    assert (answer.status, answer.code) == (status, code)


async def test_what_is_missing_is_named(writer: Writer) -> None:
    answer = await ask(writer, await writer.draft(), AttachmentItem={"name": "big.bin", "size": SIZE})
    assert answer.json["error"]["message"] == "Required property is missing: 'attachmentType'."


async def test_unknown_parameters_are_refused(writer: Writer) -> None:
    assert (await ask(writer, await writer.draft(), AttachmentItem=ITEM, other=1)).code == "RequestBodyRead"


@pytest.mark.parametrize("size", [3_000_000, 150 * 1024 * 1024])
async def test_the_bounds_are_within(writer: Writer, size: int) -> None:
    assert (await ask(writer, await writer.draft(), AttachmentItem=ITEM | {"size": size})).status == 201


async def test_authorization_is_refused(writer: Writer, client: Client) -> None:
    upload = await start(writer)
    answer = await upload.put(0, PART, headers={"Authorization": f"Bearer {client.app_token(client.planted.writer)}"})
    assert (answer.status, answer.code) == (401, "InvalidAudienceForResource")


async def test_the_address_is_the_key(writer: Writer) -> None:
    upload = await start(writer)
    upload.path = upload.path[:-1] + ("A" if upload.path[-1] != "A" else "B")
    assert (await upload.put(0, PART)).status == 401
    upload.path = upload.path.partition("?")[0]
    assert (await upload.put(0, PART)).status == 401
    upload.path = upload.path.replace("AttachmentSessions('A", "AttachmentSessions('B")
    assert (await upload.put(0, PART)).code == "ErrorItemNotFound"


@pytest.mark.parametrize(
    ("first", "last", "total"), [(1, PART, SIZE), (PART, SIZE, SIZE), (0, PART, SIZE + 1), (0, 1, SIZE)]
)
async def test_parts_must_be_in_order_and_fit(writer: Writer, first: int, last: int, total: int) -> None:
    upload = await start(writer)
    answer = await upload.put(first, last, total, data=DATA[:PART])
    assert (answer.status, answer.code) == (416, "invalidRange")
    assert (await upload.put(0, PART)).status == 200


async def test_a_part_that_is_here_is_refused(writer: Writer) -> None:
    upload = await start(writer)
    await upload.put(0, PART)
    assert (await upload.put(0, PART)).status == 416
    assert (await upload.put(PART, SIZE)).status == 201


@pytest.mark.parametrize("value", ["", "0-9/3483322", "bytes 0-9/*", "bytes 0-9", "bytes=0-9/3483322", "bytes 0-x/1"])
async def test_broken_ranges(writer: Writer, value: str) -> None:
    upload = await start(writer)
    answer = await upload.put(0, 10, headers={"Content-Range": value})
    assert (answer.status, answer.code) == (400, "ErrorInvalidRequest")


@pytest.mark.parametrize("size", [4 * 1024 * 1024, 4 * 1024 * 1024 + 1])
async def test_a_part_has_less_than_4_mb(writer: Writer, size: int) -> None:
    upload = await start(writer, size=2 * size)
    answer = await upload.put(0, size, 2 * size, data=b"x" * size)
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")


async def test_a_session_is_cancelled(writer: Writer) -> None:
    upload = await start(writer)
    answer = await upload.client.request("DELETE", upload.path)
    assert (answer.status, answer.body) == (204, b"")
    assert (await upload.put(0, PART)).code == "ErrorItemNotFound"


async def test_a_session_ends_when_the_file_is_there(writer: Writer) -> None:
    upload = await start(writer)
    await upload.put(0, SIZE)
    assert (await upload.put(0, SIZE)).code == "ErrorItemNotFound"


async def test_a_session_ends_by_time(writer: Writer, emulator: Emulator, clock: Clock) -> None:
    upload = await start(writer)
    clock.now += 2 * 3600
    assert (await upload.put(0, PART)).code == "ErrorItemNotFound"
    await start(writer)
    await start(writer)
    clock.now += 2 * 3600
    await start(writer)
    assert len(emulator.world.mailbox("alice@contoso.example").uploads) == 1


async def test_a_draft_that_is_sent_takes_no_more(writer: Writer) -> None:
    upload = await start(writer)
    await writer.send(upload.message)
    assert (await upload.put(0, SIZE)).code == "ErrorItemNotFound"


async def test_the_limit_of_the_mailbox_counts(writer: Writer, emulator: Emulator) -> None:
    emulator.world.mailbox("alice@contoso.example").max_send_size = SIZE - 1
    answer = await (await start(writer)).put(0, SIZE)
    assert (answer.status, answer.code) == (413, "ErrorMessageSizeExceeded")


async def test_a_full_mailbox_takes_no_files(writer: Writer, emulator: Emulator) -> None:
    upload = await start(writer)
    emulator.world.mailbox("alice@contoso.example").full = True
    assert (await upload.put(0, SIZE)).code == "ErrorQuotaExceeded"


async def test_people_cannot_use_sessions_in_shared_mailboxes(client: Client, emulator: Emulator) -> None:
    alice = client.planted.user("alice")
    emulator.world.mailbox("bob@contoso.example").full_access.add(alice.id)
    scopes = ("Mail.ReadWrite", "Mail.ReadWrite.Shared")
    path = "/users/bob@contoso.example/messages"
    ident = (await client.as_user("POST", path, "alice", *scopes, json={})).json["id"]
    path = f"{path}/{ident}/attachments/createUploadSession"
    answer = await client.as_user("POST", path, "alice", *scopes, json={"AttachmentItem": ITEM})
    assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_other_paths_there_are_gaps(client: Client, emulator: Emulator) -> None:
    assert (await client.request("GET", "/api/v2.0/me")).status == 400
    assert len(emulator.not_emulated) == 1


async def test_parts_are_counted_by_template(writer: Writer, emulator: Emulator) -> None:
    await (await start(writer)).put(0, PART)
    template = "PUT /api/gv1.0/users/{user}/messages/{message}/AttachmentSessions/{session}"
    assert emulator.ledger.requests[template] == 1


async def test_rules_for_the_mailbox_hit_its_parts(writer: Writer, emulator: Emulator) -> None:
    upload = await start(writer)
    emulator.faults.add(Fault(mailbox="alice@contoso.example", method="PUT", status=503, times=1))
    assert [(await upload.put(0, PART)).status for _ in range(2)] == [503, 200]
