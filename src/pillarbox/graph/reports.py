"""Reports in a mailbox that something could not be delivered (NDR, RFC 3464).

Exchange marks its own in the header. What a report says of each recipient stands in its MIME, which takes a further
right: that it tells of a failure, and not of a delay, no other report has in its header.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.core.headers import without_comments
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience, one_page

PAGE: Final = 100
_MOST_SUBJECT: Final = 300
_MOST_MIME: Final = 128 * 1024
"""Bytes of a report that are read: what it says of recipients stands before the message that it gives back."""
_MOST_TOLD: Final = 10
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_OURS: Final = "x-pillarbox-id"
_REPORT: Final = re.compile(
    r'\s*multipart/report\s*;(?:.*;)?\s*report-type\s*=\s*"?delivery-status"?\s*(?:;|\Z)', re.IGNORECASE | re.DOTALL
)
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]+>")
_STATUS: Final = re.compile(
    rb"^Content-Type:(?:[ \t]|\r?\n[ \t])*message/(?:global-)?delivery-status\b", re.IGNORECASE | re.MULTILINE
)
_CODED: Final = re.compile(rb"^Content-Transfer-Encoding:[ \t]*base64\b", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
_NEXT_PART: Final = re.compile(rb"^--", re.MULTILINE)
_BLOCKS: Final = re.compile(r"\r?\n[ \t]*\r?\n")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A report, by the id of its message, about the message of a Message-ID; `subject` is how Exchange calls it.

    `is_ndr`: its header says that it tells of a failure.
    """

    about: str
    subject: str
    id: str = ""
    is_ndr: bool = False


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The reports on one page of an inbox, the link to the next, and when the last message on it came, if told."""

    reports: list[DeliveryReport]
    next: str | None
    until: float | None


def came_since(mailbox: str, since: float) -> str:
    """The path to what came into an inbox since then, the oldest first."""
    moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"/users/{quote(mailbox, safe='')}/mailFolders/inbox/messages?$filter=receivedDateTime%20ge%20{moment}"
        f"&$orderby=receivedDateTime&$select=id,subject,receivedDateTime,internetMessageHeaders&$top={PAGE}"
    )


async def reports(client: GraphClient, path: str, token: TokenSource, patience: Patience) -> ReportPage:
    """The reports on one page. Mail.ReadBasic is enough. Raises as `paging.one_page`.

    https://learn.microsoft.com/graph/api/mailfolder-list-messages
    """
    page = await one_page(client, path, token, patience=patience)
    found = [report for message in page.value if (report := report_in(message))]
    return ReportPage(found, page.next, _came_at(page.value[-1]) if page.value else None)


def _came_at(message: Any) -> float | None:
    try:
        return datetime.fromisoformat(message["receivedDateTime"]).timestamp()
    except (TypeError, KeyError, ValueError, OverflowError):
        return None


async def details(client: GraphClient, mailbox: str, report: DeliveryReport, token: TokenSource) -> str | None:
    """What a report says of each recipient (`said_in`); None where it may not be read. Needs Mail.Read.

    https://learn.microsoft.com/graph/api/message-get ($value)
    """
    path = f"/users/{quote(mailbox, safe='')}/messages/{quote(report.id, safe='')}/$value"
    answer = await client.request("GET", path, token, limit=_MOST_MIME)
    return said_in(answer.body) if answer.status == 200 else None


def report_in(message: Any) -> DeliveryReport | None:
    """The report of a delivery that a message is, as Graph tells it. Pure.

    None for any other mail, such as a receipt that a person has read something (RFC 8098), and for notices of our own.
    """
    if not isinstance(message, dict):
        return None
    fields = _fields(message.get("internetMessageHeaders"))
    is_ndr = "x-ms-exchange-message-is-ndr" in fields
    is_report = is_ndr or _REPORT.match(without_comments(fields.get("content-type", "")))
    about = _about(fields)
    if not is_report or _OURS in fields or not about:
        return None
    ident, subject = message.get("id"), _line(str(message.get("subject") or ""))
    return DeliveryReport(about, subject, ident if isinstance(ident, str) else "", is_ndr)


def _about(fields: Mapping[str, str]) -> str:
    """The Message-ID that a report is about: the last of References, as those before it are of what that answered."""
    for name in ("original-message-id", "in-reply-to", "references"):
        if found := _MESSAGE_ID.findall(fields.get(name, "")):
            return str(found[-1])
    # Some programs write it without brackets.
    return fields.get("in-reply-to", "").strip()


def said_in(mime: bytes) -> str | None:
    """Of each recipient that got nothing: address, status, and what was said (RFC 3464 section 2.3). Pure.

    Empty where it tells of none, but of a delay, say; None where no such part in what was read is legible.

    Read by its lines, not as MIME: whoever wrote it, it costs one pass over what is at the most a few pages.
    """
    begins = _STATUS.search(mime)
    if begins is None:
        return None
    if _CODED.search(mime, mime.rfind(b"\n--", 0, begins.start()) + 1, _end_of_header(mime, begins.end())):
        return None
    ends = _NEXT_PART.search(mime, begins.end())
    part = mime[begins.end() : ends.start() if ends else len(mime)].decode("utf-8", "replace")
    told = [said for block in _BLOCKS.split(part) if (said := _said_of(block))]
    return "; ".join(told[:_MOST_TOLD])


def _end_of_header(mime: bytes, at: int) -> int:
    end = _EMPTY_LINE.search(mime, at)
    return end.end() if end else len(mime)


def _said_of(block: str) -> str:
    fields = dict(_lines(block))
    recipient = fields.get("final-recipient", "").partition(";")[2].strip()
    status = fields.get("status", "").strip()
    # It must be there (section 2.3.3); where it is not, the status tells as much.
    action = fields.get("action", "").strip().lower() or ("failed" if status.startswith("5") else "")
    if not recipient or action != "failed":
        return ""
    reason = fields.get("diagnostic-code", "").partition(";")[2].strip()
    return _line(" ".join(filter(None, (f"{recipient}:", status, reason))))


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
