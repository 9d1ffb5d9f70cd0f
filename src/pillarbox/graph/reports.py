"""Reports of Exchange in a mailbox that something could not be delivered (NDR, RFC 3464).

That one is there is told by its header. What it says of each recipient stands in its MIME, which takes a further right.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience, one_page

_PAGE: Final = 100
_MOST_SUBJECT: Final = 300
_MOST_MIME: Final = 128 * 1024
"""Bytes of a report that are read: what it says of recipients stands before the message that it gives back."""
_MOST_TOLD: Final = 10
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_OURS: Final = "x-pillarbox-id"
_STATUS: Final = re.compile(rb"^Content-Type:[ \t]*message/(?:global-)?delivery-status\b", re.IGNORECASE | re.MULTILINE)
_NEXT_PART: Final = re.compile(rb"^--", re.MULTILINE)
_BLOCKS: Final = re.compile(r"\r?\n[ \t]*\r?\n")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A report, by the id of its message, about the message of a Message-ID; `subject` is how Exchange calls it."""

    about: str
    subject: str
    id: str = ""


def came_since(mailbox: str, since: float) -> str:
    """The path to what came into an inbox since then."""
    moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"/users/{quote(mailbox, safe='')}/mailFolders/inbox/messages?$filter=receivedDateTime%20ge%20{moment}"
        f"&$select=id,subject,internetMessageHeaders&$top={_PAGE}"
    )


async def reports(
    client: GraphClient, path: str, token: TokenSource, patience: Patience
) -> tuple[list[DeliveryReport], str | None]:
    """The reports on one page, and the link to the next. Mail.ReadBasic is enough. Raises as `paging.one_page`.

    https://learn.microsoft.com/graph/api/mailfolder-list-messages
    """
    page = await one_page(client, path, token, patience=patience)
    return [report for message in page.value if (report := report_in(message))], page.next


async def details(client: GraphClient, mailbox: str, report: DeliveryReport, token: TokenSource) -> str:
    """What a report says of each recipient (`said_in`); empty where it may not be read. Needs Mail.Read.

    https://learn.microsoft.com/graph/api/message-get ($value)
    """
    path = f"/users/{quote(mailbox, safe='')}/messages/{quote(report.id, safe='')}/$value"
    answer = await client.request("GET", path, token, limit=_MOST_MIME)
    return said_in(answer.body) if answer.status == 200 else ""


def report_in(message: Any) -> DeliveryReport | None:
    """The report that a message is, as Graph tells it; None for any other mail, and for notices of our own. Pure."""
    if not isinstance(message, dict):
        return None
    fields = _fields(message.get("internetMessageHeaders"))
    is_report = "x-ms-exchange-message-is-ndr" in fields or (
        fields.get("content-type", "").lower().startswith("multipart/report")
    )
    about = fields.get("in-reply-to", "").strip() or fields.get("references", "").rpartition(" ")[2].strip()
    if not is_report or _OURS in fields or not about:
        return None
    ident = message.get("id")
    return DeliveryReport(about, _line(str(message.get("subject") or "")), ident if isinstance(ident, str) else "")


def said_in(mime: bytes) -> str:
    """Of each recipient that got nothing: address, status, and what was said (RFC 3464 section 2.3). Pure.

    Read by its lines, not as MIME: whoever wrote it, it costs one pass over what is at the most a few pages.
    """
    begins = _STATUS.search(mime)
    if begins is None:
        return ""
    ends = _NEXT_PART.search(mime, begins.end())
    part = mime[begins.end() : ends.start() if ends else len(mime)].decode("utf-8", "replace")
    told = [said for block in _BLOCKS.split(part) if (said := _said_of(block))]
    return "; ".join(told[:_MOST_TOLD])


def _said_of(block: str) -> str:
    fields = dict(_lines(block))
    recipient = fields.get("final-recipient", "").partition(";")[2].strip()
    if not recipient or fields.get("action", "failed").strip().lower() != "failed":
        return ""
    reason = fields.get("diagnostic-code", "").partition(";")[2].strip()
    return _line(" ".join(filter(None, (f"{recipient}:", fields.get("status", "").strip(), reason))))


def _lines(block: str) -> Iterator[tuple[str, str]]:
    for line in _FOLD.sub("", block).splitlines():
        name, _, value = line.partition(":")
        yield name.strip().lower(), value


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text)[:_MOST_SUBJECT]


def _fields(told: object) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for field in told if isinstance(told, list) else []:
        if isinstance(field, dict):
            found.setdefault(str(field.get("name", "")).lower(), str(field.get("value", "")))
    return found
