"""sendMail: what is accepted, what is refused, and that accepted means delivered."""

import base64
import contextlib
import io
import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.emulator import Emulator
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.graph.caller import Caller
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.message_input import KNOWN, read_message
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.mail.content import Content
from pillarbox.emulator.mail.parse import parse
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import ServicePrincipal, World
from tests.unit.emulator.conftest import Client, Clock

ALICE = "/users/alice@contoso.example/sendMail"
BOB = {"emailAddress": {"address": "bob@contoso.example", "name": "Bob"}}
CALL = Call("POST", "https://localhost", ALICE, "", {}, b"", 0.0, "1")
PRINCIPAL = ServicePrincipal("1", "2", "App")
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
    assert ("From", "alice@contoso.example") in entry.headers


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


FILE = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "YQ=="}
SELF = {"emailAddress": {"address": "alice@contoso.example"}}
UNREADABLE = "RequestBodyRead"

BAD_MESSAGES = [
    ({}, "ErrorInvalidRecipients"),
    ({"toRecipients": []}, "ErrorInvalidRecipients"),
    ({"toRecipients": [{"emailAddress": {"address": "bob"}}]}, "ErrorInvalidRecipients"),
    ({"toRecipients": [{}]}, "ErrorInvalidRecipients"),
    ({"toRecipients": 7}, UNREADABLE),
    ({"toRecipients": None}, UNREADABLE),
    ({"toRecipients": [7]}, UNREADABLE),
    ({"toRecipients": [{"address": "bob@contoso.example"}]}, UNREADABLE),
    (MESSAGE | {"body": "text"}, UNREADABLE),
    (MESSAGE | {"body": {"contentType": "rtf", "content": ""}}, UNREADABLE),
    (MESSAGE | {"subject": 7}, UNREADABLE),
    (MESSAGE | {"subject": {}}, UNREADABLE),
    (MESSAGE | {"isReadReceiptRequested": "true"}, UNREADABLE),
    (MESSAGE | {"importance": "urgent"}, UNREADABLE),
    (MESSAGE | {"nonsense": 1}, UNREADABLE),
    (MESSAGE | {"Subject": "x"}, UNREADABLE),
    (MESSAGE | {"@odata.type": "#microsoft.graph.event"}, UNREADABLE),
    (MESSAGE | {"id": "x"}, "ErrorInvalidPropertySet"),
    (MESSAGE | {"isDraft": False}, "ErrorInvalidPropertySet"),
    (MESSAGE | {"extensions": []}, "ErrorInvalidProperty"),
    (MESSAGE | {"singleValueExtendedProperties": [{"id": "String 0x1", "value": "x"}]}, "ErrorInvalidProperty"),
    (MESSAGE | {"attachments": [{"name": "a", "contentBytes": "YQ=="}]}, UNREADABLE),
    (MESSAGE | {"attachments": [{"name": "a"}]}, "ErrorInvalidRequest"),
    (MESSAGE | {"attachments": [FILE | {"@odata.type": "#microsoft.graph.nothing"}]}, UNREADABLE),
    (MESSAGE | {"attachments": [FILE | {"contentBytes": "?"}]}, UNREADABLE),
    (MESSAGE | {"attachments": [FILE | {"contentBytes": None}]}, "ErrorRequiredPropertyMissing"),
    (MESSAGE | {"attachments": [FILE | {"name": ""}]}, "ErrorRequiredPropertyMissing"),
    (MESSAGE | {"attachments": [{"@odata.type": "#microsoft.graph.itemAttachment"}]}, "ErrorRequiredPropertyMissing"),
    (MESSAGE | {"attachments": [{"@odata.type": "#microsoft.graph.referenceAttachment"}]}, "ErrorInvalidRequest"),
    (MESSAGE | {"from": {"emailAddress": {"address": "bob@contoso.example"}}}, "ErrorSendAsDenied"),
    (MESSAGE | {"sender": {"emailAddress": {"address": "bob@contoso.example"}}}, "ErrorSendAsDenied"),
    (MESSAGE | {"from": SELF, "sender": {"emailAddress": {"address": "bob@contoso.example"}}}, "ErrorSendAsDenied"),
    (MESSAGE | {"internetMessageHeaders": [{"name": "List-Id", "value": "x"}]}, "InvalidInternetMessageHeader"),
    (MESSAGE | {"internetMessageHeaders": [{"name": "x-a: b", "value": "x"}]}, "InvalidInternetMessageHeader"),
    (
        MESSAGE | {"internetMessageHeaders": [{"name": "x-1", "value": "x"}] * 6},
        "InvalidInternetMessageHeaderCollection",
    ),
    ("text", UNREADABLE),
    (None, "ErrorInvalidRequest"),
]


@pytest.mark.parametrize(("message", "code"), BAD_MESSAGES)
async def test_bad_messages(client: Client, emulator: Emulator, message: Any, code: str) -> None:
    answer = await client.send_json(message)
    assert (answer.code, len(emulator.ledger)) == (code, 0)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
async def test_broken_json(client: Client, body: bytes) -> None:
    answer = await client.graph("POST", ALICE, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "BadRequest")


@pytest.mark.parametrize(("name", "value"), [("bccRecipients", []), ("SaveToSentItems", "no"), ("saveToSentItems", 1)])
async def test_parameters_are_known_and_of_their_types(
    client: Client, emulator: Emulator, name: str, value: Any
) -> None:
    answer = await client.send_json(MESSAGE, **{name: value})
    assert (answer.status, answer.code, len(emulator.ledger)) == (400, UNREADABLE, 0)


async def test_unknown_parameters_and_properties_are_noted(client: Client, emulator: Emulator) -> None:
    await client.send_json(MESSAGE, Nonsense=1)
    await client.send_json(MESSAGE | {"Subject": "x"})
    await client.send_json(MESSAGE | {"toRecipients": [{"address": "bob@contoso.example"}]})
    await client.send_json(MESSAGE | {"@odata.type": "#microsoft.graph.event"})
    assert [gap.what for gap in emulator.not_emulated] == [
        "parameter Nonsense",
        "property Subject of microsoft.graph.message",
        "property address of microsoft.graph.recipient",
        "type #microsoft.graph.event",
    ]


DEEP = 900
NESTED = "[" * DEEP + "]" * DEEP


@pytest.mark.parametrize(
    "text",
    [
        '{"@odata.type": %s}',
        '{"subject": %s}',
        '{"body": %s}',
        '{"toRecipients": %s}',
        '{"flag": {"flagStatus": %s}}',
        '{"attachments": [{"@odata.type": %s}]}',
        '{"attachments": [{"@odata.type": "#microsoft.graph.itemAttachment", "item": {"@odata.type": %s}}]}',
        '{"attachments": [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": %s}]}',
    ],
)
async def test_what_is_nested_deep_is_refused_everywhere(client: Client, text: str) -> None:
    body = '{"message": %s}' % (text % NESTED)
    answer = await client.graph("POST", ALICE, data=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status == 400


async def test_query_options_are_refused(client: Client, emulator: Emulator) -> None:
    assert (await client.graph("POST", f"{ALICE}?$select=id", json={"message": MESSAGE})).code == "BadRequest"
    assert len(emulator.not_emulated) == 1


@pytest.mark.parametrize("kind", ["referenceAttachment", "itemAttachment"])
async def test_links_and_events_are_gaps(client: Client, emulator: Emulator, kind: str) -> None:
    value: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{kind}", "name": "a"}
    if kind == "itemAttachment":
        value["item"] = {"@odata.type": "#microsoft.graph.event"}
    assert (await client.send_json(MESSAGE | {"attachments": [value]})).code == "ErrorInvalidRequest"
    assert len(emulator.not_emulated) == 1


def raw(emulator: Emulator) -> Any:
    return message_from_bytes(emulator.ledger.entries[-1].raw or b"", policy=SMTP)


async def test_everything_that_json_says_is_in_the_mail(client: Client, emulator: Emulator) -> None:
    more = {
        "replyTo": [{"emailAddress": {"address": "carol@contoso.example"}}],
        "importance": "High",
        "isReadReceiptRequested": True,
        "internetMessageId": "<mine@contoso.example>",
        "internetMessageHeaders": [{"name": "X-Own", "value": "Größe"}],
        "singleValueExtendedProperties": [{"id": "String 0x1042", "value": "<0@x>"}],
        "@odata.type": "#microsoft.graph.message",
    }
    assert (await client.send_json(MESSAGE | more)).status == 202
    mail = raw(emulator)
    assert (mail["From"], mail["To"], mail["Sender"]) == (
        "Alice <alice@contoso.example>",
        "Bob <bob@contoso.example>",
        None,
    )
    assert (mail["Reply-To"], mail["Importance"]) == ("carol@contoso.example", "high")
    assert mail["Disposition-Notification-To"] == "Alice <alice@contoso.example>"
    assert (mail["Message-ID"], mail["X-Own"], mail["In-Reply-To"]) == ("<mine@contoso.example>", "Größe", "<0@x>")
    assert mail["Date"] == "Fri, 20 Nov 2026 12:00:00 -0000"
    assert not mail.defects


async def test_items_and_inline_images_are_attached(client: Client, emulator: Emulator) -> None:
    inner = {"subject": "inner", "body": {"content": "x"}, "attachments": [FILE]}
    item = {"@odata.type": "#microsoft.graph.itemAttachment", "name": "i", "item": inner}
    image = FILE | {"isInline": True, "contentId": "1@x", "contentType": "image/gif"}
    assert (await client.send_json(MESSAGE | {"attachments": [item, image]})).status == 202
    kinds = [part.get_content_type() for part in raw(emulator).walk()]
    assert kinds[:6] == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/gif",
    ]
    assert "message/rfc822" in kinds


async def test_items_within_items_have_an_end(client: Client) -> None:
    item: dict[str, Any] = {"subject": "innermost"}
    for _ in range(9):
        item = {"attachments": [{"@odata.type": "#microsoft.graph.itemAttachment", "item": item}]}
    assert (await client.send_json(MESSAGE | item)).code == "ErrorInvalidRequest"


async def test_marks_are_on_the_sent_copy(client: Client) -> None:
    await client.send_json(MESSAGE | {"categories": ["Red", "Red"], "flag": {"flagStatus": "flagged"}})
    found = (await client.read("/mailFolders/sentitems/messages", "alice@contoso.example")).json["value"][0]
    assert (found["categories"], found["flag"]) == (["Red"], {"flagStatus": "flagged"})


FROM_BOB = b"From: bob@contoso.example\r\nTo: carol@contoso.example\r\nDate: x\r\nMessage-ID: <1@x>\r\n\r\n"
FROM = {"from": {"emailAddress": {"address": "bob@contoso.example"}}}


async def test_who_may_send_as_another_does(client: Client, emulator: Emulator, planted: Seed) -> None:
    bob = emulator.world.mailbox("bob@contoso.example")
    bob.send_as.add(planted.user("alice").id)
    assert (await client.send(FROM_BOB)).status == 202
    assert (await client.send_json(MESSAGE | FROM)).status == 202
    assert (raw(emulator)["From"], raw(emulator)["Sender"]) == ("bob@contoso.example", None)


async def test_who_may_send_on_behalf_is_named_as_sender(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.mailbox("bob@contoso.example").send_on_behalf.add(planted.user("alice").id)
    assert (await client.send_json(MESSAGE | FROM)).status == 202
    assert (raw(emulator)["From"], raw(emulator)["Sender"]) == ("bob@contoso.example", "Alice <alice@contoso.example>")


@pytest.mark.parametrize(("right", "sender"), [("send_as", None), ("send_on_behalf", "Alice <alice@contoso.example>")])
async def test_people_send_from_the_mailbox_of_another(
    client: Client, emulator: Emulator, planted: Seed, right: str, sender: str | None
) -> None:
    getattr(emulator.world.mailbox("bob@contoso.example"), right).add(planted.user("alice").id)
    path, scopes = "/users/bob@contoso.example/sendMail", ("Mail.Send", "Mail.Send.Shared")
    headers, mail = {"Content-Type": "text/plain"}, b"Sender: bob@contoso.example\r\n" + FROM_BOB
    for more in ({"json": {"message": MESSAGE}}, {"data": base64.b64encode(mail), "headers": headers}):
        assert (await client.as_user("POST", path, "alice", *scopes, **more)).status == 202
        found = raw(emulator).get_all("Sender")
        # With the right to send as Bob, MIME stays as it is.
        assert found == ([sender] if sender else ["bob@contoso.example"] if "data" in more else None)


async def test_mime_on_behalf_names_the_sender(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.world.mailbox("bob@contoso.example").send_on_behalf.add(planted.user("alice").id)
    assert (await client.send(FROM_BOB)).status == 202
    assert emulator.ledger.entries[0].raw == b"Sender: Alice <alice@contoso.example>\r\n" + FROM_BOB


@pytest.mark.parametrize(("scopes", "status"), [(["Mail.Send"], 403), (["Mail.Send", "Mail.Send.Shared"], 202)])
async def test_people_need_the_shared_permission_for_another_from(
    client: Client, emulator: Emulator, planted: Seed, scopes: list[str], status: int
) -> None:
    emulator.world.mailbox("bob@contoso.example").send_as.add(planted.user("alice").id)
    answer = await client.as_user("POST", "/me/sendMail", "alice", *scopes, json={"message": MESSAGE | FROM})
    assert answer.status == status


async def test_a_full_mailbox_does_not_send(client: Client, emulator: Emulator) -> None:
    emulator.world.mailbox("alice@contoso.example").full = True
    answer = await client.send()
    assert (answer.status, answer.code, len(emulator.ledger)) == (403, "ErrorQuotaExceeded", 0)


async def test_a_mail_over_the_limit_of_the_mailbox_is_refused(client: Client, emulator: Emulator) -> None:
    emulator.world.mailbox("alice@contoso.example").max_send_size = 50
    answer = await client.send()
    assert (answer.status, answer.code) == (413, "ErrorMessageSizeExceeded")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda kind: st.lists(kind) | st.dictionaries(st.text(), kind),
)
PEOPLE = st.lists(
    st.fixed_dictionaries({"emailAddress": st.fixed_dictionaries({"address": st.text(), "name": st.text()})})
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), JSON | PEOPLE | st.text(st.characters())))
def test_any_json_becomes_mime_or_is_refused(message: dict[str, Any]) -> None:
    world = World()
    request = Request(CALL, Caller(world.add_tenant("x"), PRINCIPAL, None, frozenset()), {}, world, Ledger(), Gaps())
    with contextlib.suppress(GraphError):
        json.dumps(parse(compose(read_message(request, message).applied(Content()))).subject).encode()
