"""Drafts: made, changed, sent; which ids stay; and what a message that is no draft refuses (facts 3.4, 0.2)."""

import base64
from typing import Any

import pytest

from tests.contract.microsoft.graph import IMMUTABLE, Graph, segment
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.web import Reply

PREFER = {"Prefer": IMMUTABLE}


async def draft(graph: Graph, mailbox: Mailbox, message: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Make a draft."""
    reply = await graph.ask("POST", f"{mailbox.path}/messages", json=message, headers=headers)
    assert reply.status == 201, f"{reply.status} {reply.code}"
    return dict(reply.json)


async def test_draft_is_made(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:
    reply = await graph.ask("POST", f"{sender.path}/messages", json=mails.json("draft"))
    record.answer("answer", reply)
    assert (reply.status, reply.json["isDraft"]) == (201, True)
    drafts = await sender.ours("drafts")
    assert reply.json["id"] in [each["id"] for each in drafts]


async def test_draft_may_be_made_of_mime(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:

    body = base64.b64encode(mails.mime("mime draft", "Message-ID: <draft@certify.contoso.example>"))
    reply = await graph.ask("POST", f"{sender.path}/messages", data=body, headers={"Content-Type": "text/plain"})
    record.answer("answer", reply)
    assert (reply.status, reply.json["isDraft"]) == (201, True)
    kept = reply.json["internetMessageId"] == "<draft@certify.contoso.example>"
    record.finding("keeps the Message-ID", kept, True)


async def test_draft_may_be_changed(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:
    made = await draft(graph, sender, mails.json("to be changed"))
    changed = mails.subject("changed")
    reply = await graph.ask("PATCH", f"{sender.path}/messages/{segment(made['id'])}", json={"subject": changed})
    record.answer("answer", reply)
    assert (reply.status, reply.json["subject"]) == (200, changed)


async def test_immutable_id_stays_from_draft_to_sent_copy(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    made = await draft(graph, sender, mails.json("immutable"), **PREFER)
    path = f"{sender.path}/messages/{segment(made['id'])}"
    reply = await graph.ask("POST", f"{path}/send", headers=PREFER)
    record.answer("send", reply)
    assert (reply.status, reply.body) == (202, b"")
    await recipient.arrived("immutable")
    await sender.arrived("immutable", "sentitems")
    copy = await graph.ask("GET", path, headers=PREFER)
    record.answer("copy", copy)
    assert (copy.status, copy.json["isDraft"]) == (200, False)
    record.finding("Message-ID stays", copy.json["internetMessageId"] == made["internetMessageId"], True)


async def test_usual_id_changes_when_a_draft_is_sent(
    graph: Graph, mails: Mails, sender: Mailbox, record: Record
) -> None:
    made = await draft(graph, sender, mails.json("mutable"))
    path = f"{sender.path}/messages/{segment(made['id'])}"
    await graph.ask("POST", f"{path}/send")
    await sender.arrived("mutable", "sentitems")
    gone = await graph.ask("GET", path)
    record.answer("gone", gone)
    record.finding("refusal", [gone.status, gone.code], [404, "ErrorItemNotFound"])


async def test_draft_sent_twice(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:
    made = await draft(graph, sender, mails.json("twice"), **PREFER)
    path = f"{sender.path}/messages/{segment(made['id'])}/send"
    assert (await graph.ask("POST", path, headers=PREFER)).status == 202
    await sender.arrived("twice", "sentitems")
    again = await graph.ask("POST", path, headers=PREFER)
    record.answer("again", again)
    record.finding("again", [again.status, again.code], [404, "ErrorItemNotFound"])


async def test_draft_without_recipients_is_not_sent(
    graph: Graph, mails: Mails, sender: Mailbox, record: Record
) -> None:
    made = await draft(graph, sender, mails.json("no recipients", toRecipients=[]))
    reply = await graph.ask("POST", f"{sender.path}/messages/{segment(made['id'])}/send")
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [400, "ErrorInvalidRecipients"])


@pytest.mark.parametrize("field", ["subject", "body", "toRecipients"])
async def test_message_that_is_no_draft_keeps_its_words(
    graph: Graph, mails: Mails, sender: Mailbox, record: Record, field: str
) -> None:
    name = f"sent {field}"
    await graph.send_json(mails.json(name))
    path = f"{sender.path}/messages/{segment((await sender.arrived(name, 'sentitems'))['id'])}"
    reply = await graph.ask("PATCH", path, json={field: mails.json("rewritten")[field]})
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [403, "ErrorAccessDenied"])
    assert (await graph.ask("PATCH", path, json={"isRead": False})).status == 200


@pytest.mark.ahead("move")
async def test_message_moves_and_is_deleted(graph: Graph, mails: Mails, sender: Mailbox, record: Record) -> None:
    made = await draft(graph, sender, mails.json("moved"))
    path = f"{sender.path}/messages/{segment(made['id'])}"
    moved = await graph.ask("POST", f"{path}/move", json={"destinationId": "archive"})
    record.answer("moved", moved)
    assert moved.status == 201
    assert moved.json["id"] != made["id"]
    deleted = await graph.ask("DELETE", f"{sender.path}/messages/{segment(moved.json['id'])}")
    record.answer("deleted", deleted)
    assert (deleted.status, deleted.body) == (204, b"")
    await sender.arrived("moved", "deleteditems")


@pytest.mark.ahead("createReply and its like")
@pytest.mark.parametrize(("action", "status"), [("createReply", 201), ("createReplyAll", 201), ("createForward", 201)])
async def test_answer_begins_as_a_draft(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record, action: str, status: int
) -> None:
    await graph.send_json(mails.json(f"before {action}"))
    arrived = await recipient.arrived(f"before {action}")
    reply: Reply = await graph.ask("POST", f"{recipient.path}/messages/{segment(arrived['id'])}/{action}", json={})
    record.answer("answer", reply)
    assert (reply.status, reply.json["isDraft"]) == (status, True)
    record.finding("prefix", reply.json["subject"].partition("[")[0].strip(), "FW:" if "Forward" in action else "RE:")
