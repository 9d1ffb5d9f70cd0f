"""Reports of Exchange in a mailbox that something could not be delivered (NDR, RFC 3464), by their headers alone."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core.bearer import TokenSource
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience, one_page

_MOST_PAGES: Final = 20
_PAGE: Final = 100
_MOST_SUBJECT: Final = 300
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_OURS: Final = "x-pillarbox-id"


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A report about the message of a Message-ID; `subject` is how Exchange calls it."""

    about: str
    subject: str


async def reports_since(
    client: GraphClient, mailbox: str, since: float, token: TokenSource, patience: Patience
) -> AsyncIterator[DeliveryReport]:
    """The reports that came into the inbox since then, at most those among 2,000 messages. Mail.ReadBasic is enough.

    Raises as `paging.one_page`. https://learn.microsoft.com/graph/api/mailfolder-list-messages
    """
    moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    link: str | None = (
        f"/users/{quote(mailbox, safe='')}/mailFolders/inbox/messages?$filter=receivedDateTime%20ge%20{moment}"
        f"&$select=subject,internetMessageHeaders&$top={_PAGE}"
    )
    for _ in range(_MOST_PAGES):
        if link is None:
            return
        page = await one_page(client, link, token, patience=patience)
        for message in page.value:
            if report := report_in(message):
                yield report
        link = page.next


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
    return DeliveryReport(about, _CONTROL.sub(" ", str(message.get("subject") or ""))[:_MOST_SUBJECT])


def _fields(told: object) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for field in told if isinstance(told, list) else []:
        if isinstance(field, dict):
            found.setdefault(str(field.get("name", "")).lower(), str(field.get("value", "")))
    return found
