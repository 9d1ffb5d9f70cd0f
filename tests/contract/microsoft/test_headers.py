"""Which headers survive, and who sees Bcc: what is said of it differs, so a tenant must answer (facts 0.8, 3.3, 8)."""

from email import message_from_bytes
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.microsoft.graph import Graph
from tests.contract.microsoft.mailbox import Mailbox
from tests.contract.microsoft.mails import RUN_HEADER, Mails
from tests.contract.microsoft.record import Record
from tests.contract.microsoft.target import Target

FATES = {
    "Auto-Submitted": "auto-generated",
    "Precedence": "bulk",
    "List-Unsubscribe": "<mailto:unsubscribe@contoso.example>",
    "List-Id": "<news.contoso.example>",
    "Reply-To": "reply@contoso.example",
    "In-Reply-To": "<1@contoso.example>",
    "References": "<1@contoso.example> <2@contoso.example>",
    "X-Priority": "1",
    "X-Contoso-Invoice": "4711",
    "Return-Path": "<bounce@contoso.example>",
    "Date": "Fri, 06 Nov 2026 10:00:00 +0000",
}
"""Header lines that are sent in MIME. The emulator keeps them all, until we know better."""


def values(shown: dict[str, Any], name: str) -> list[str]:
    """What the mail has in headers of that name."""
    return [each["value"] for each in shown["internetMessageHeaders"] if each["name"].lower() == name.lower()]


async def test_fate_of_headers_in_mime(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    reply = await graph.send_mime(mails.mime("fate", *(f"{name}: {value}" for name, value in FATES.items())))
    assert reply.status == 202
    arrived, _ = await recipient.whole("fate")
    copy, mime = await sender.whole("fate", "sentitems")
    record.finding("the header of the copy is shown", bool(copy["internetMessageHeaders"]), False)
    kept = message_from_bytes(mime)
    for name, value in FATES.items():
        record.finding(f"recipient keeps {name}", values(arrived, name) == [value], True)
        record.finding(f"copy keeps {name}", kept.get_all(name) == [value], True)


async def test_message_id_of_mime(
    graph: Graph, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    ident = f"<{uuid4()}@certify.contoso.example>"
    await graph.send_mime(mails.mime("message id", f"Message-ID: {ident}"))
    arrived, _ = await recipient.whole("message id")
    copy, _ = await sender.whole("message id", "sentitems")
    record.finding("recipient has it", arrived["internetMessageId"] == ident, True)
    record.finding("copy has it", copy["internetMessageId"] == ident, True)
    record.finding("both have the same", arrived["internetMessageId"] == copy["internetMessageId"], True)


async def test_new_x_header_in_mime(graph: Graph, mails: Mails, recipient: Mailbox, run: str, record: Record) -> None:
    """They are said to be lost until the mailbox has once sent one of that name by JSON (facts 0.8)."""
    name = f"X-Certify-{run}"
    json = mails.json("new header json", internetMessageHeaders=[{"name": name, "value": "1"}])
    for step, sent in (("before", None), ("json", json), ("after", None)):
        subject = f"new header {step}"
        reply = await (graph.send_json(sent) if sent else graph.send_mime(mails.mime(subject, f"{name}: 1")))
        assert reply.status == 202
        shown, _ = await recipient.whole(subject)
        record.finding(f"{step}: arrives", values(shown, name) == ["1"], True)


async def test_x_headers_of_json_arrive(graph: Graph, mails: Mails, recipient: Mailbox, run: str) -> None:
    await graph.send_json(mails.json("x header"))
    shown, _ = await recipient.whole("x header")
    assert values(shown, RUN_HEADER) == [run]


async def test_bcc_in_mime_is_delivered_and_hidden(
    graph: Graph, target: Target, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    mime = mails.mime("bcc", f"Bcc: {target.recipient_address}", to=target.sender_address)
    assert (await graph.send_mime(mime)).status == 202
    shown, received = await recipient.whole("bcc")
    copy, kept = await sender.whole("bcc", "sentitems")
    record.finding("recipient sees Bcc", bool(shown["bccRecipients"]) or b"\nbcc:" in received.lower(), False)
    record.finding("copy names Bcc", bool(copy["bccRecipients"]), True)
    record.finding("MIME of the copy has Bcc", b"\nbcc:" in kept.lower(), True)


async def test_bcc_in_json_is_delivered_and_hidden(
    graph: Graph, target: Target, mails: Mails, sender: Mailbox, recipient: Mailbox, record: Record
) -> None:
    bcc = [{"emailAddress": {"address": target.recipient_address}}]
    await graph.send_json(mails.json("bcc json", target.sender_address, bccRecipients=bcc))
    shown, received = await recipient.whole("bcc json")
    assert not shown["bccRecipients"]
    assert b"\nbcc:" not in received.lower()
    copy, _ = await sender.whole("bcc json", "sentitems")
    assert [each["emailAddress"]["address"].lower() for each in copy["bccRecipients"]] == [recipient.address.lower()]


@pytest.mark.parametrize(
    ("case", "headers", "assumed"),
    [
        ("five", [f"x-{number}" for number in range(5)], [202, ""]),
        ("six", [f"x-{number}" for number in range(6)], [400, "InvalidInternetMessageHeaderCollection"]),
        ("not x", ["Auto-Submitted"], [400, "InvalidInternetMessageHeader"]),
        ("bare x", ["x"], [400, "InvalidInternetMessageHeader"]),
    ],
)
async def test_headers_of_json(
    graph: Graph, mails: Mails, record: Record, case: str, headers: list[str], assumed: list[Any]
) -> None:
    sent = [{"name": name, "value": "1"} for name in headers]
    reply = await graph.send_json(mails.json(f"headers {case}", internetMessageHeaders=sent))
    record.answer("answer", reply)
    record.finding("answer", [reply.status, reply.code], assumed)
