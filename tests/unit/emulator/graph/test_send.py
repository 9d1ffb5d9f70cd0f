"""sendMail: what is accepted, what is refused, and that accepted means delivered."""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock

ALICE = "/users/alice@contoso.example/sendMail"
BOB = {"emailAddress": {"address": "bob@contoso.example", "name": "Bob"}}
MESSAGE = {"subject": "Grüße", "body": {"contentType": "HTML", "content": "<b>ü</b>"}, "toRecipients": [BOB]}


def mail(headers: bytes = b"To: bob@contoso.example", body: bytes = b"Hello") -> bytes:
    return b"From: alice@contoso.example\r\n" + headers + b"\r\n\r\n" + body


async def test_accepted_has_no_body_and_no_content_type(client: Client) -> None:
    answer = await client.send()
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (202, b"", "0")
    assert "Content-Type" not in answer.headers


async def test_every_answer_carries_ids_and_diagnostics(client: Client) -> None:
    answer = await client.send(headers={"client-request-id": "mine"})
    assert answer.headers["client-request-id"] == "mine"
    assert len(answer.headers["request-id"]) == 36
    assert answer.headers["x-ms-ags-diagnostic"].startswith('{"ServerInfo":{"DataCenter":')
    assert answer.headers["Date"] == "Fri, 20 Nov 2026 12:00:00 GMT"


async def test_without_a_client_request_id_the_own_one_is_echoed(client: Client) -> None:
    answer = await client.send()
    assert answer.headers["client-request-id"] == answer.headers["request-id"]


async def test_the_ledger_has_all_facts(client: Client, emulator: Emulator, planted: Seed, clock: Clock) -> None:
    answer = await client.send(
        mail(b"To: bob@contoso.example\r\nMessage-ID: <1@x>"), headers={"client-request-id": "c"}
    )
    (entry,) = emulator.ledger.entries
    assert (entry.sequence, entry.time, entry.tenant) == (1, clock.now, planted.tenant.id)
    assert (entry.mailbox, entry.app_id) == ("alice@contoso.example", planted.gateway.client_id)
    assert (entry.request_id, entry.client_request_id) == (answer.headers["request-id"], "c")
    assert (entry.recipients, entry.message_id) == (["bob@contoso.example"], "<1@x>")
    assert (entry.size, len(entry.sha256)) == (len(entry.raw or b""), 64)
    assert entry.headers[0] == ("From", "alice@contoso.example")


PATHS = [
    "/users('alice@contoso.example')/microsoft.graph.sendMail",
    "//users/ALICE@contoso.example/sendmail",
    "/Users/alice%40contoso.example/SendMail",
]


@pytest.mark.parametrize("path", PATHS)
async def test_spellings_of_the_path(client: Client, path: str) -> None:
    body = base64.b64encode(mail())
    assert (await client.graph("POST", path, data=body, headers={"Content-Type": "text/plain"})).status == 202


async def test_the_object_id_and_an_alias_are_names_of_the_mailbox(
    client: Client, emulator: Emulator, planted: Seed
) -> None:
    user = emulator.world.add_user(planted.tenant, "dave", aliases=["d@contoso.example"])
    for name in (user.id, "d@contoso.example"):
        assert (await client.send(b"To: bob@contoso.example\r\n\r\n", name)).status == 202


async def test_base64_may_have_line_breaks(client: Client) -> None:
    body = base64.encodebytes(mail(body=b"x" * 200)).replace(b"\n", b"\r\n")
    answer = await client.graph("POST", ALICE, data=body, headers={"Content-Type": "text/plain; charset=utf-8"})
    assert answer.status == 202


@pytest.mark.parametrize("body", [b"", b"\r\n", b"From: a@b", b"QQ", b"QUJD=", b"Q-_D", b"\xff\xfe"])
async def test_bad_base64(client: Client, body: bytes) -> None:
    answer = await client.graph("POST", ALICE, data=body, headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (400, "ErrorMimeContentInvalidBase64String")
    assert answer.json["error"]["message"] == "Invalid base64 string for MIME content."


async def test_the_error_envelope(client: Client) -> None:
    answer = await client.graph("POST", ALICE, data=b"", headers={"Content-Type": "text/plain"})
    inner = answer.json["error"]["innerError"]
    assert inner["date"] == "2026-11-20T12:00:00"
    assert inner["request-id"] == answer.headers["request-id"]


@pytest.mark.parametrize("headers", [b"Subject: x", b"To:", b"To: undisclosed-recipients:;", b"To: bob", b"Cc: <@x>"])
async def test_mail_without_a_good_recipient(client: Client, headers: bytes) -> None:
    answer = await client.send(mail(headers))
    assert (answer.status, answer.code) == (400, "ErrorInvalidRecipients")


@pytest.mark.parametrize(("count", "status"), [(500, 202), (501, 400)])
async def test_at_most_500_recipients(client: Client, count: int, status: int) -> None:
    to = b",\r\n ".join(b"r%d@fabrikam.example" % number for number in range(count))
    assert (await client.send(mail(b"To: " + to))).status == status


async def test_a_foreign_from_is_refused_unless_switched_off(client: Client, emulator: Emulator) -> None:
    foreign = b"From: bob@contoso.example\r\nTo: bob@contoso.example\r\n\r\n"
    assert (await client.send(foreign)).code == "ErrorSendAsDenied"
    emulator.world.checks_from = False
    assert (await client.send(foreign)).status == 202


REFUSED = [
    ("ghost@contoso.example", 404, "ErrorInvalidUser"),
    ("nomailbox@contoso.example", 404, "MailboxNotEnabledForRESTAPI"),
    ("unlicensed@contoso.example", 404, "MailboxNotEnabledForRESTAPI"),
]


@pytest.mark.parametrize(("user", "status", "code"), REFUSED)
async def test_mailboxes_that_cannot_send(client: Client, user: str, status: int, code: str) -> None:
    answer = await client.send(user=user)
    assert (answer.status, answer.code) == (status, code)


async def test_without_the_role_sending_is_denied(client: Client, planted: Seed) -> None:
    for app in (planted.unconsented, planted.reader):
        answer = await client.send(app=app)
        assert (answer.status, answer.code) == (403, "ErrorAccessDenied")


async def test_consent_counts_for_tokens_fetched_afterwards(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.consent(planted.unconsented)
    assert (await client.send(app=planted.unconsented)).status == 202


async def test_me_is_refused(client: Client) -> None:
    answer = await client.graph("POST", "/me/sendMail")
    assert answer.status == 400
    assert answer.json["error"]["message"] == "/me request is only valid with delegated authentication flow."


@pytest.mark.parametrize("chunked", [False, True])
async def test_requests_over_4_mb(client: Client, emulator: Emulator, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"Q" * (4 * 1024 * 1024 + 4)

    body = pieces() if chunked else io.BytesIO(b"Q" * (4 * 1024 * 1024 + 4))
    answer = await client.graph("POST", ALICE, data=body, headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code, len(emulator.ledger)) == (413, "RequestEntityTooLarge", 0)


async def test_a_request_of_just_4_mb_is_taken(client: Client) -> None:
    body = io.BytesIO(base64.b64encode(mail(body=b"x" * (3 * 1024 * 1024 - 100))))
    assert (await client.graph("POST", ALICE, data=body, headers={"Content-Type": "text/plain"})).status == 202


async def test_chunked_requests_are_taken(client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield base64.b64encode(mail())

    assert (await client.graph("POST", ALICE, data=pieces(), headers={"Content-Type": "text/plain"})).status == 202


async def test_other_content_types_are_refused(client: Client) -> None:
    answer = await client.graph("POST", ALICE, data=b"x", headers={"Content-Type": "message/rfc822"})
    assert (answer.status, answer.code) == (415, "UnsupportedMediaType")


async def test_json_becomes_mime(client: Client) -> None:
    assert (await client.send_json(MESSAGE)).status == 202
    (message,) = (await client.read("/messages")).json["value"]
    assert (message["subject"], message["body"]["contentType"]) == ("Grüße", "html")
    assert message["body"]["content"].strip() == "<b>ü</b>"
    assert message["from"]["emailAddress"] == {"name": "Alice", "address": "alice@contoso.example"}


async def test_json_names_in_pascal_case(client: Client, emulator: Emulator) -> None:
    answer = await client.graph("POST", ALICE, json={"Message": MESSAGE, "SaveToSentItems": True})
    assert (answer.status, len(emulator.ledger)) == (202, 1)


@pytest.mark.parametrize("value", [False, "false", "False"])
async def test_save_to_sent_items_may_be_a_string(client: Client, emulator: Emulator, value: Any) -> None:
    await client.send_json(MESSAGE, saveToSentItems=value)
    assert list(emulator.world.mailbox("alice@contoso.example").messages(9e9)) == []


async def test_json_bcc_is_kept_from_recipients(client: Client) -> None:
    await client.send_json(MESSAGE | {"bccRecipients": [{"emailAddress": {"address": "carol@contoso.example"}}]})
    (message,) = (await client.read("/messages", "carol@contoso.example")).json["value"]
    assert (message["bccRecipients"], message["toRecipients"]) == ([], [BOB])


@pytest.mark.parametrize("inline", [False, True])
async def test_inline_attachments_do_not_count(client: Client, inline: bool) -> None:
    file: dict[str, Any] = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "a.txt",
        "contentType": "text/plain",
    }
    file |= {"contentBytes": base64.b64encode(b"Hi").decode(), "contentId": "1", "isInline": inline}
    assert (await client.send_json(MESSAGE | {"attachments": [file]})).status == 202
    (message,) = (await client.read("/messages")).json["value"]
    assert message["hasAttachments"] is not inline


BAD_MESSAGES = [
    ({}, "ErrorInvalidRecipients"),
    ({"toRecipients": []}, "ErrorInvalidRecipients"),
    ({"toRecipients": [{"emailAddress": {"address": "bob"}}]}, "ErrorInvalidRecipients"),
    ({"toRecipients": 7}, "BadRequest"),
    ({"toRecipients": [{}]}, "BadRequest"),
    (MESSAGE | {"body": "text"}, "BadRequest"),
    (MESSAGE | {"attachments": [{"name": "a", "contentBytes": "?"}]}, "BadRequest"),
    (MESSAGE | {"attachments": [{"@odata.type": "#microsoft.graph.itemAttachment"}]}, "BadRequest"),
    (MESSAGE | {"from": {"emailAddress": {"address": "bob@contoso.example"}}}, "ErrorSendAsDenied"),
    (MESSAGE | {"internetMessageHeaders": [{"name": "List-Id", "value": "x"}]}, "InvalidInternetMessageHeader"),
    (
        MESSAGE | {"internetMessageHeaders": [{"name": "x-1", "value": "x"}] * 6},
        "InvalidInternetMessageHeaderCollection",
    ),
    ("text", "ErrorInvalidRequest"),
]


@pytest.mark.parametrize(("message", "code"), BAD_MESSAGES)
async def test_bad_messages(client: Client, emulator: Emulator, message: Any, code: str) -> None:
    answer = await client.send_json(message)
    assert (answer.code, len(emulator.ledger)) == (code, 0)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
async def test_broken_json(client: Client, body: bytes) -> None:
    answer = await client.graph("POST", ALICE, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "BadRequest")
