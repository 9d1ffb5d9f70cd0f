"""Mail that is too large for one call of Graph: from the SMTP door to the recipient, and what is refused."""

import asyncio
import email
import hashlib
import math
import os
import smtplib
from email import policy
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest

from pillarbox.admin import apps, mailboxes
from pillarbox.cli.local import Api
from pillarbox.core.accounts import MailboxChoice
from pillarbox.core.graph_limits import OURS, REQUEST, USUAL_MESSAGE, most_mime
from pillarbox.core.vault import Secret
from pillarbox.emulator.ledger import Entry
from pillarbox.emulator.world import Mailbox
from pillarbox.store.database import Row
from pillarbox.store.drafts import Drafts
from tests.conftest import House, MakeHouse
from tests.journeys import test_assurance_modes

ALICE, SCANNER = "alice@contoso.example", "scanner@contoso.example"
LARGE = {"smtp.max_size": "40000000"}
SMALL_REQUESTS = LARGE | {"delivery.request_limit": "65536"}
DRAFTS = "/messages"


async def furnished(make_house: MakeHouse, mode: str, **more: Any) -> House:
    """A house whose mailbox scanner@ sends in this mode, with the rights that it takes and no more."""
    reached = more.pop("reached", None)
    made = make_house if reached is None else partial(make_house, reached=reached)
    house = await test_assurance_modes.furnished(made, mode, **more)
    await house.gateway.submitters.refresh()
    return house


def mail(*files: bytes, **header: str) -> EmailMessage:
    """A mail with PDFs 1.pdf, 2.pdf, ..."""
    made = EmailMessage(policy=policy.SMTP)
    given = {"From": SCANNER, "To": ALICE, "Subject": "scan", "Message-ID": "<scan-1@device.example>"}
    for name, value in (given | header).items():
        made[name.replace("_", "-")] = value
    made.set_content("page 1\n")
    for number, content in enumerate(files, 1):
        made.add_attachment(content, maintype="application", subtype="pdf", filename=f"{number}.pdf")
    return made


def files(entry: Entry) -> dict[str | None, str]:
    """Digests of the files that arrived, by name."""
    assert entry.raw is not None
    arrived = email.message_from_bytes(entry.raw, policy=policy.default)
    return {part.get_filename(): digest(part.get_content()) for part in arrived.iter_attachments()}


def digest(content: bytes | str) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()


def arrived(house: House) -> list[Entry]:
    return house.microsoft.emulator.ledger.entries


def fault(house: House, **fields: Any) -> None:
    house.microsoft.emulator.faults.add(**{"times": 1, **fields})


def drafts(house: House) -> list[str | None]:
    """Subjects of what lies in Drafts and Deleted Items."""
    box = exchange(house)
    folders = (box.folders["drafts"], box.folders["deleteditems"])
    return [one.content.subject for folder in folders for one in box.messages(math.inf, folder)]


def exchange(house: House) -> Mailbox:
    """The mailbox of scanner@ as Exchange has it."""
    user = house.microsoft.seed.tenant.user(SCANNER)
    assert user is not None
    assert user.open_mailbox is not None
    return user.open_mailbox


async def again(house: House, queue_id: str) -> Row:
    """The message when it was sent after a person has retried it, as the waits are long."""
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    return await house.settled(queue_id)


def submit(house: House, made: EmailMessage, *options: str) -> tuple[int, bytes]:
    """Hand a mail in by SMTP; the last reply."""
    with smtplib.SMTP(*house.smtp, timeout=60) as client:
        client.login("printer", house.passwords["printer"])
        code, reply = client.mail(SCANNER, list(options))
        if code == 250:
            client.rcpt(ALICE)
            code, reply = client.data(made.as_bytes())
        return code, reply


async def test_a_20_mb_pdf_by_smtp_arrives_whole_in_the_mode_draft(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    pdf = os.urandom(20_000_000)
    made = mail(pdf, In_Reply_To="<0@x.example>", References="<0@x.example>")
    code, reply = await asyncio.to_thread(submit, house, made, f"SIZE={len(made.as_bytes())}")
    assert code == 250, reply
    (row,), _ = await house.gateway.outbox.page(9)
    await house.settled(row["id"])
    (entry,) = arrived(house)
    assert files(entry) == {"1.pdf": digest(pdf)}
    assert entry.recipients == [ALICE]
    headers = {name.lower(): value.strip() for name, value in entry.headers}
    assert headers["message-id"] == "<scan-1@device.example>"
    assert (headers["in-reply-to"], headers["references"]) == ("<0@x.example>", "<0@x.example>")
    assert not drafts(house)


async def test_40_mb_arrive_whole_where_exchange_lets_the_mailbox_send_more(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **{"smtp.max_size": "60000000", "delivery.send_limit": "60000000"})
    exchange(house).max_send_size = 60_000_000
    contents = [os.urandom(22_000_000), os.urandom(18_000_000)]
    code, reply = await asyncio.to_thread(submit, house, mail(*contents))
    assert code == 250, reply
    (row,), _ = await house.gateway.outbox.page(9)
    await house.settled(row["id"])
    assert files(arrived(house)[0]) == {"1.pdf": digest(contents[0]), "2.pdf": digest(contents[1])}


@pytest.mark.parametrize("mode", ["send-only", "verify"])
async def test_it_is_refused_at_mail_in_the_other_modes(make_house: MakeHouse, mode: str) -> None:
    house = await furnished(make_house, mode, **LARGE)
    code, reply = await asyncio.to_thread(submit, house, mail(), "SIZE=27000000")
    assert code == 552
    assert reply.startswith(b"5.3.4 ")
    assert b"Microsoft Graph" in reply


async def test_more_than_the_mailbox_may_send_is_refused_at_mail(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    code, reply = await asyncio.to_thread(submit, house, mail(), "SIZE=36800000")
    assert (code, reply[:6]) == (552, b"5.3.4 ")
    assert b"scanner@contoso.example may send" in reply


async def test_without_any_setting_a_mail_may_be_as_large_as_exchange_takes_it(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft")

    def talk() -> tuple[str, int, int]:
        with smtplib.SMTP(*house.smtp, timeout=60) as client:
            client.login("printer", house.passwords["printer"])
            shown = client.esmtp_features["size"]
            fits = client.mail(SCANNER, [f"SIZE={shown}"])[0]
            client.rset()
            return shown, fits, client.mail(SCANNER, [f"SIZE={int(shown) + 1}"])[0]

    assert await asyncio.to_thread(talk) == (str(USUAL_MESSAGE), 250, 552)


@pytest.mark.parametrize("kind", [b"multipart/signed", b"multipart/encrypted"])
async def test_what_is_signed_or_encrypted_is_refused_after_data_with_the_reason(
    make_house: MakeHouse, kind: bytes
) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    made = email.message_from_bytes(
        mail(os.urandom(3_000_000)).as_bytes().replace(b"multipart/mixed", kind), policy=policy.SMTP
    )
    assert isinstance(made, EmailMessage)
    code, reply = await asyncio.to_thread(submit, house, made)
    assert (code, reply[:6]) == (552, b"5.3.4 ")
    assert b"signed or encrypted" in reply


async def test_many_small_files_are_added_one_by_one(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **SMALL_REQUESTS)
    contents = [os.urandom(60_000) for _ in range(5)]
    await house.settled(await house.accept(mail(*contents).as_bytes(), ALICE))
    (entry,) = arrived(house)
    assert files(entry) == {f"{number}.pdf": digest(content) for number, content in enumerate(contents, 1)}


async def test_a_text_that_is_too_large_alone_is_refused_at_the_door(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **SMALL_REQUESTS)
    made = mail()
    made.set_content("line\n" * 40_000)
    code, reply = await asyncio.to_thread(submit, house, made)
    assert (code, reply[:6]) == (552, b"5.3.4 ")
    assert b"Without its attachments" in reply


async def test_a_signed_part_that_is_too_large_is_refused_at_the_door(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **SMALL_REQUESTS)
    made = mail(os.urandom(1000), os.urandom(80_000))
    raw = made.as_bytes().rpartition(b"Content-Type: application/pdf")
    changed = email.message_from_bytes(raw[0] + b"Content-Type: application/pkcs7-mime" + raw[2], policy=policy.SMTP)
    assert isinstance(changed, EmailMessage)
    code, reply = await asyncio.to_thread(submit, house, changed)
    assert (code, reply[:6]) == (552, b"5.3.4 ")
    assert b"signed or encrypted" in reply


async def test_what_graph_finds_too_large_for_one_call_is_divided(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path=DRAFTS, method="POST", status=413, code="ErrorMessageSizeExceeded")
    pdf = os.urandom(500_000)
    row = await house.settled(await house.accept(mail(pdf).as_bytes(), ALICE))
    assert [files(entry) for entry in arrived(house)] == [{"1.pdf": digest(pdf)}]
    assert len(await house.gateway.outbox.attempts(row["seq"])) == 1
    assert not drafts(house)


@pytest.mark.parametrize(
    "failure",
    [
        {"path": DRAFTS, "method": "POST", "status": 503},
        {"path": DRAFTS, "method": "POST", "status": 503, "when": "after"},
        {"path": DRAFTS, "method": "POST", "cut": True, "when": "after"},
        {"path": "createUploadSession", "status": 503},
        {"path": "createUploadSession", "cut": True},
        {"path": "createUploadSession", "next_link_host": "evil.example"},
        {"path": "/AttachmentSessions", "method": "PUT", "status": 404, "nth": 2},
        {"path": "/AttachmentSessions", "method": "PUT", "status": 401},
    ],
    ids=str,
)
async def test_whatever_goes_wrong_before_sending_is_tried_again_and_sent_once(
    make_house: MakeHouse, failure: dict[str, Any]
) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, **failure)
    pdf = os.urandom(4_500_000)
    queue_id = await house.accept(mail(pdf).as_bytes(), ALICE)
    row = await house.settled(queue_id, "deferred")
    assert row["cause"] == "unreachable"
    assert not arrived(house)
    await again(house, queue_id)
    assert [files(entry) for entry in arrived(house)] == [{"1.pdf": digest(pdf)}]
    assert not drafts(house)


async def test_a_part_that_got_lost_goes_again_within_the_attempt(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="/AttachmentSessions", method="PUT", status=503, nth=2)
    pdf = os.urandom(9_000_000)
    row = await house.settled(await house.accept(mail(pdf).as_bytes(), ALICE))
    assert len(await house.gateway.outbox.attempts(row["seq"])) == 1
    assert files(arrived(house)[0]) == {"1.pdf": digest(pdf)}


async def test_no_token_goes_to_the_address_of_an_upload(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    await house.settled(await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE))
    # The emulator answers 401 to a part that brings one.
    assert 401 not in house.microsoft.emulator.ledger.answers


async def test_a_draft_that_is_complete_is_the_one_that_is_sent_again(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, pattern="POST .*/send$", status=503)
    await house.settled(await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE))
    assert len(arrived(house)) == 1
    requests = house.microsoft.emulator.ledger.requests
    assert sum(count for call, count in requests.items() if call.endswith("createUploadSession")) == 1


async def test_a_mail_that_was_sent_without_an_answer_is_not_sent_again(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, pattern="POST .*/send$", cut=True, when="after")
    await house.settled(await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE))
    assert len(arrived(house)) == 1


async def test_what_exchange_finds_too_large_fails_and_leaves_no_draft(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    exchange(house).max_send_size = 5_000_000
    row = await house.settled(await house.accept(mail(os.urandom(4_500_000)).as_bytes(), ALICE), "failed", "bounced")
    assert row["cause"] == "too_large"
    # The draft of the notice may be on its way.
    assert "scan" not in drafts(house)


async def test_a_mailbox_can_have_a_limit_of_its_own(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(send_limit=5_000_000))
    await house.gateway.submitters.refresh()
    code, reply = await asyncio.to_thread(submit, house, mail(), "SIZE=5000001")
    assert (code, reply[:6]) == (552, b"5.3.4 ")


@pytest.mark.parametrize("how", ["chosen", "found by a test"])
async def test_a_mode_that_is_new_counts_for_the_next_mail(make_house: MakeHouse, how: str) -> None:
    house = await test_assurance_modes.furnished(make_house, "draft", **LARGE)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    first = "send-only" if how == "chosen" else ""
    await house.gateway.accounts.choose(mailbox, MailboxChoice(first))
    await house.gateway.submitters.refresh()
    assert (await asyncio.to_thread(submit, house, mail(), "SIZE=9000000"))[0] == 552
    api = Api(house.gateway.settings.socket, None, ())
    if how == "chosen":
        await asyncio.to_thread(api.patch, f"/api/v1/mailboxes/{SCANNER}", {"assurance": "draft"})
    else:
        await asyncio.to_thread(api.post, f"/api/v1/mailboxes/{SCANNER}:test")
    assert (await asyncio.to_thread(submit, house, mail(), "SIZE=9000000"))[0] == 250


async def test_an_inline_image_and_a_mail_in_the_mail_arrive_as_what_they_are(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    picture, inner = os.urandom(4_000_000), mail(os.urandom(3_000_000), Subject="offer")
    made = mail()
    made.add_alternative("<img src='cid:logo@x'>", subtype="html")
    page = list(made.iter_parts())[1]
    assert isinstance(page, EmailMessage)
    page.add_related(picture, maintype="image", subtype="png", cid="<logo@x>", filename="l.png", disposition="inline")
    made.add_attachment(inner)
    await house.settled(await house.accept(made.as_bytes(), ALICE))
    (entry,) = arrived(house)
    assert entry.raw is not None
    parts = list(email.message_from_bytes(entry.raw, policy=policy.default).walk())
    (image,) = (one for one in parts if one.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_content_disposition()) == ("<logo@x>", "inline")
    assert digest(image.get_content()) == digest(picture)
    (attached,) = (one for one in parts if (one.get_filename() or "").endswith(".eml"))
    assert attached.get_filename() == "offer.eml"


class Crash(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("point", "created"), [("before_create", 1), ("after_create", 2), ("after_begun_draft", 2), ("after_keep_draft", 1)]
)
async def test_an_attempt_that_ends_in_the_middle_leaves_no_draft_and_is_sent_once(
    make_house: MakeHouse, point: str, created: int
) -> None:
    left = [point]

    def reached(passed: str) -> None:
        if passed in left:
            left.remove(passed)
            raise Crash(passed)

    house = await furnished(make_house, "draft", reached=reached, **LARGE)
    pdf = os.urandom(4_000_000)
    await house.settled(await house.accept(mail(pdf).as_bytes(), ALICE))
    assert [files(entry) for entry in arrived(house)] == [{"1.pdf": digest(pdf)}]
    assert not drafts(house)
    assert house.microsoft.emulator.ledger.requests["POST /v1.0/users/{user}/messages"] == created


async def test_the_draft_of_an_attempt_that_was_cut_off_is_thrown_away_when_its_message_is_canceled(
    make_house: MakeHouse,
) -> None:
    def reached(passed: str) -> None:
        if passed == "after_begun_draft":
            raise Crash(passed)

    house = await furnished(make_house, "draft", reached=reached, **LARGE)
    queue_id = await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE)
    await house.settled(queue_id, "uncertain")
    assert await house.gateway.outbox.cancel(queue_id)
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    (draft,) = await Drafts(house.gateway.database).left(row["mailbox_id"], math.inf, 9)
    assert draft.id == queue_id
    assert len(drafts(house)) == 1


async def test_no_other_draft_is_made_while_one_that_is_not_whole_cannot_be_thrown_away(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="/AttachmentSessions", method="PUT", status=400)
    fault(house, pattern="GET .*/messages/.*", status=400, times=2)
    queue_id = await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE)
    await house.settled(queue_id, "deferred")
    assert len(drafts(house)) == 1
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id, "deferred")
    assert (row["attempts"], row["code"]) == (2, "draft.not_made")
    assert len(drafts(house)) == 1
    await again(house, queue_id)
    assert len(arrived(house)) == 1
    assert not drafts(house)


async def test_one_that_is_out_of_reach_holds_nothing_up_where_the_mode_makes_none(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="/AttachmentSessions", method="PUT", status=400)
    fault(house, pattern="GET .*/messages/.*", status=403, times=99)
    queue_id = await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE)
    await house.settled(queue_id, "deferred")
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice("send-only"))
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(mailbox.id)
    row = await house.settled(queue_id, "deferred", "failed", "bounced")
    assert (row["state"], row["code"]) == ("bounced", "mail.too_large_for_graph")


@pytest.mark.parametrize("size", [4_000_000, 1000])
async def test_a_draft_that_was_just_made_is_not_asked_for_before_it_is_sent(make_house: MakeHouse, size: int) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, pattern="GET .*/messages/.*", status=400)
    row = await house.settled(await house.accept(mail(os.urandom(size)).as_bytes(), ALICE))
    assert row["attempts"] == 1


async def test_a_mailbox_that_takes_drafts_and_no_uploads_refuses_the_message_alone(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="createUploadSession", status=403, code="ErrorAccessDenied")
    row = await house.settled(await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE), "failed", "bounced")
    assert (row["cause"], row["code"]) == ("too_large", "ErrorAccessDenied")
    assert not drafts(house)


# ---- where Graph does not take the MIME


async def test_where_graph_refuses_the_mime_a_draft_is_made_in_json_and_the_losses_are_told(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path=DRAFTS, method="POST", status=400, code="ErrorMimeContentInvalid")
    pdf = os.urandom(4_000_000)
    made = mail(
        pdf, In_Reply_To="<0@x.example>", References="<0@x.example>", X_Job="7", Auto_Submitted="auto-generated"
    )
    made.replace_header("To", "Alice <alice@contoso.example>, hidden@fabrikam.example")
    queue_id = await house.accept(made.as_bytes(), ALICE, "bob@contoso.example")
    row = await house.settled(queue_id)
    (entry,) = arrived(house)
    assert files(entry) == {"1.pdf": digest(pdf)}
    assert sorted(entry.recipients) == [ALICE, "bob@contoso.example"]
    assert entry.raw is not None
    parsed = email.message_from_bytes(entry.raw, policy=policy.default)
    kept = ("Message-ID", "In-Reply-To", "References", "Subject", "X-Job", "X-Pillarbox-Id")
    assert [str(parsed[name]) for name in kept] == [
        *("<scan-1@device.example>", "<0@x.example>", "<0@x.example>", "scan", "7", queue_id)
    ]
    text = parsed.get_body()
    assert text is not None
    assert text.get_content().strip() == "page 1"
    told = str([attempt["notes"] for attempt in await house.gateway.outbox.attempts(row["seq"])])
    assert "ErrorMimeContentInvalid" in told
    assert "Auto-Submitted" in told
    assert not drafts(house)


async def test_where_json_is_refused_too_the_mail_fails(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, pattern="POST .*/messages$", status=400, code="ErrorMimeContentInvalid", times=2)
    row = await house.settled(await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE), "failed", "bounced")
    assert row["cause"] == "bad_content"


async def test_a_message_id_that_exchange_replaces_in_the_draft_is_put_back(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    house.microsoft.emulator.world.rewrites_message_ids = True
    pdf = os.urandom(4_000_000)
    await house.settled(await house.accept(mail(pdf).as_bytes(), ALICE))
    (entry,) = arrived(house)
    assert entry.raw is not None
    parsed = email.message_from_bytes(entry.raw, policy=policy.default)
    assert (parsed["Message-ID"], files(entry)) == ("<scan-1@device.example>", {"1.pdf": digest(pdf)})


async def test_what_waits_when_its_mailbox_loses_the_mode_draft_is_refused_before_it_goes_to_graph(
    make_house: MakeHouse,
) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="createUploadSession", status=503)
    queue_id = await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE)
    await house.settled(queue_id, "deferred")
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice("send-only"))
    await house.gateway.outbox.retry(queue_id)
    house.gateway.wake(1)
    row = await house.settled(queue_id, "failed", "bounced")
    assert (row["cause"], row["code"]) == ("too_large", "mail.too_large_for_graph")
    assert not any(call.endswith("/sendMail") for call in house.microsoft.emulator.ledger.requests)


async def test_another_app_registration_counts_for_the_next_mail(make_house: MakeHouse) -> None:
    house = await test_assurance_modes.furnished(make_house, "draft", **LARGE)
    mailbox = await house.gateway.accounts.mailbox(SCANNER)
    assert mailbox is not None
    await house.gateway.accounts.choose(mailbox, MailboxChoice(""))
    await house.gateway.accounts.set_assurance(mailbox, "draft")
    await house.gateway.submitters.refresh()
    assert (await asyncio.to_thread(submit, house, mail(), "SIZE=9000000"))[0] == 250
    api = Api(house.gateway.settings.socket, None, ())
    await asyncio.to_thread(api.put, f"/api/v1/mailboxes/{SCANNER}", {"app": mailbox.app.name})
    # What was found with the other one's rights does not count any more.
    assert (await asyncio.to_thread(submit, house, mail(), "SIZE=9000000"))[0] == 552


async def test_a_sign_in_counts_for_the_next_mail(make_house: MakeHouse) -> None:
    house = await make_house(LARGE | {"sign_in.password_grant": "true"})
    accounts, seed = house.gateway.accounts, house.microsoft.seed
    await house.furnish(ALICE)
    secret = Secret(seed.secrets.get(seed.desktop.client_id, "public-apps-have-none"))
    await apps.add(accounts, "desktop", seed.tenant.id, seed.desktop.client_id, secret)
    await accounts.set_assurance(await mailboxes.change(accounts, ALICE, "desktop"), "draft")
    await house.gateway.submitters.refresh()

    def mail_of_9_mb() -> int:
        with smtplib.SMTP(*house.smtp, timeout=60) as client:
            client.login("printer", house.passwords["printer"])
            return client.mail(ALICE, ["SIZE=9000000"])[0]

    assert await asyncio.to_thread(mail_of_9_mb) == 250
    # What was found with the app's own rights says nothing of those of a person.
    given = {"password": seed.passwords[ALICE]}
    api = Api(house.gateway.settings.socket, None, ())
    await asyncio.to_thread(api.post, f"/api/v1/mailboxes/{ALICE}:password", given)
    assert await asyncio.to_thread(mail_of_9_mb) == 552


# ---- borders


@pytest.mark.parametrize(
    ("size", "smallest"),
    [
        *((2_999_999, 3_000_000), (3_000_000, 3_000_000), (3_145_728, 3_000_000), (3_145_729, 3_000_000)),
        *((3_000_000, 3_145_728), (3_140_000, 3_145_728), (3_145_728, 3_145_728)),
    ],
)
async def test_a_file_about_as_large_as_what_needs_an_upload_arrives(
    make_house: MakeHouse, size: int, smallest: int
) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    house.microsoft.emulator.world.smallest_upload = smallest
    pdf = os.urandom(size)
    await house.settled(await house.accept(mail(pdf).as_bytes(), ALICE))
    assert files(arrived(house)[0]) == {"1.pdf": digest(pdf)}


@pytest.mark.parametrize("more", [0, 1])
async def test_a_mail_goes_whole_up_to_the_limit_of_one_call(make_house: MakeHouse, more: int) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    made = mail(os.urandom(2_200_000)).as_bytes()
    added = (await house.settled(await house.accept(made, ALICE)))["size"] - len(made)
    size = most_mime(REQUEST) + OURS + more
    padded = made.replace(b"page 1", b"page 1" + b"y" * (size - added - len(made)))
    row = await house.settled(await house.accept(padded, ALICE))
    told = str([attempt["notes"] for attempt in await house.gateway.outbox.attempts(row["seq"])])
    assert (row["size"], "attachments uploaded" in told) == (size, bool(more))


async def test_that_the_host_of_uploads_is_out_of_reach_holds_up_no_other_mail(make_house: MakeHouse) -> None:
    house = await furnished(make_house, "draft", **LARGE)
    fault(house, path="createUploadSession", next_link_host="evil.example", times=99)
    queue_id = await house.accept(mail(os.urandom(4_000_000)).as_bytes(), ALICE)
    for _ in range(6):
        await house.settled(queue_id, "deferred")
        await house.gateway.outbox.retry(queue_id)
        house.gateway.wake(1)
    await house.settled(queue_id, "deferred")
    await house.settled(await house.accept(mail().as_bytes(), ALICE))
