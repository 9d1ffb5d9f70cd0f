"""Limits that are cheap to see: size of a request, recipients of a mail, calls of a batch (facts 3.3, 3.7, 3.10)."""

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest

from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import Mails
from tests.contract.microsoft.record import Record

LIMIT = 4 * 1024 * 1024
LINE = "x" * 70 + "\r\n"


async def test_request_of_more_than_four_megabytes_is_refused(graph: Graph, mails: Mails, record: Record) -> None:
    mime = mails.mime("too large", body=LINE * (LIMIT * 3 // 4 // len(LINE) + 100))
    assert len(base64.b64encode(mime)) > LIMIT
    reply = await graph.send_mime(mime)
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [413, "RequestEntityTooLarge"])


async def test_mime_of_three_megabytes_is_taken(graph: Graph, mails: Mails, recipient: Mailbox, record: Record) -> None:
    mime = mails.mime("three megabytes", body=LINE * (LIMIT * 3 // 4 // len(LINE) - 20))
    assert LIMIT - 4096 < len(base64.b64encode(mime)) < LIMIT
    reply = await graph.send_mime(mime)
    record.answer("answer", reply)
    assert reply.status == 202
    await recipient.arrived("three megabytes")


async def test_more_than_five_hundred_recipients_are_refused(
    graph: Graph, mails: Mails, recipient: Mailbox, record: Record
) -> None:
    # One mailbox under many names: nobody else gets anything, should it be taken.
    local, _, domain = recipient.address.partition("@")
    many = [f"{local}+{number}@{domain}" for number in range(501)]
    reply = await graph.send_json(mails.json("many", *many))
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [400, "ErrorInvalidRecipients"])


@pytest.mark.ahead("batch")
async def test_batch_of_more_than_twenty_is_refused(graph: Graph, sender: Mailbox, record: Record) -> None:
    url = f"{sender.path}/mailFolders/inbox?$select=id"
    asked = [{"id": str(number), "method": "GET", "url": url} for number in range(21)]
    reply = await graph.ask("POST", "/$batch", json={"requests": asked})
    record.answer("answer", reply)
    record.finding("refusal", [reply.status, reply.code], [400, "BadRequest"])


@pytest.mark.parametrize("mailboxes", [1, 2])
async def test_scope_of_concurrency(
    graph: Graph, sender: Mailbox, recipient: Mailbox, record: Record, mailboxes: int
) -> None:
    """Four at once, by app and mailbox or by app alone: the documents changed their mind (facts 3.9)."""
    used = [sender, recipient][:mailboxes]
    at_once = 12 if mailboxes == 1 else 4
    calls = [
        graph.ask("GET", f"{each.path}/messages?$top=50&$select=id,body", patient=False)
        for each in used
        for _ in range(at_once)
    ]
    replies = await asyncio.gather(*calls)
    seen: dict[str, Any] = dict(Counter(f"{reply.status} {reply.code}".strip() for reply in replies))
    record.note("answers", seen)
    for reply in replies:
        if reply.status == 429:
            record.note("Retry-After", reply.headers.get("Retry-After"))
            record.note("body", record.redaction.value(reply.json))
    assert {reply.status for reply in replies} <= {200, 429}
