"""sendMail in both forms: 202 without a body, a copy in Sent Items, and a mail that arrives (facts 3.3)."""

import base64
from typing import Any

import pytest

from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target
from tests.contract.microsoft.web import Reply


def check_accepted(reply: Reply) -> None:
    """Taken, and nothing more is said."""
    assert (reply.status, reply.body) == (202, b"")
    assert "Content-Type" not in reply.headers


async def test_json_is_accepted_saved_and_arrives(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    reply = await graph.send_json(mails.json("json"))
    record.answer("answer", reply)
    check_accepted(reply)
    shown, _ = await recipient.whole("json")
    record.steps["arrived"] = record.redaction.value(shown)
    assert shown["subject"] == mails.subject("json")
    assert (shown["isDraft"], shown["isRead"]) == (False, False)
    assert shown["from"]["emailAddress"]["address"].lower() == sender.address.lower()
    copy, _ = await sender.whole("json", "sentitems")
    record.steps["copy"] = record.redaction.value(copy)
    assert (copy["isDraft"], copy["isRead"]) == (False, True)


async def test_mime_is_accepted_saved_and_arrives(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    reply = await graph.send_mime(mails.mime("mime", body="Grüße"))
    record.answer("answer", reply)
    check_accepted(reply)
    shown, mime = await recipient.whole("mime")
    record.steps["arrived"] = record.redaction.value(shown)
    assert "Grüße" in shown["body"]["content"]
    assert b"Subject: " in mime
    await sender.arrived("mime", "sentitems")


async def test_base64_of_mime_may_be_broken_into_lines(graph: Graph, mails: Mails, record: Record) -> None:
    body = base64.encodebytes(mails.mime("lines"))
    check_accepted(await graph.send_raw(body, "text/plain"))


@pytest.mark.parametrize("no", [False, "false"], ids=["boolean", "string"])
async def test_copy_in_sent_items_may_be_refused(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record, no: Any
) -> None:
    name = f"no copy {type(no).__name__}"
    check_accepted(await graph.send_json(mails.json(name), saveToSentItems=no))
    await recipient.arrived(name)
    copies = [each for each in await sender.ours("sentitems") if each["subject"].endswith(name)]
    record.finding("copies", len(copies), 0)


async def test_names_of_parameters_may_be_capitals(graph: Graph, target: Target, mails: Mails, record: Record) -> None:
    body = {"Message": mails.json("capitals"), "SaveToSentItems": False}
    path = f"/users/{target.sender_address}/microsoft.graph.sendMail"
    check_accepted(await graph.ask("POST", path, target.sender, json=body))


async def test_another_sender_is_refused(graph: Graph, target: Target, mails: Mails, record: Record) -> None:
    other = {"emailAddress": {"address": f"nobody@{target.domain}"}}
    reply = await graph.send_json(mails.json("another from", **{"from": other}))
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [403, "ErrorSendAsDenied"])


async def test_another_sender_in_mime(graph: Graph, target: Target, mails: Mails, record: Record) -> None:
    mime = mails.mime("another from mime")
    mime = mime.replace(f"From: {target.sender_address}".encode(), f"From: nobody@{target.domain}".encode())
    reply = await graph.send_mime(mime)
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [403, "ErrorSendAsDenied"])


async def test_unknown_recipient_is_told_by_mail(
    graph: Graph, target: Target, mails: Mails, sender: Mailbox, run: str, record: Record
) -> None:
    check_accepted(await graph.send_json(mails.json("bounce", f"nobody-{run}@{target.domain}")))
    bounce, mime = await sender.whole("bounce", "inbox")
    assert mails.subject("bounce") in bounce["subject"]
    record.finding("subject", bounce["subject"].partition("[")[0].strip(), "Undeliverable:")
    record.finding("report", b"multipart/report" in mime and b"message/delivery-status" in mime, True)
    status = [line.split()[1].decode() for line in mime.splitlines() if line.lower().startswith(b"status: ")]
    record.finding("status", status[:1], ["5.1.10"])
