"""A stored mail as Graph's message resource: how each property is made (facts 3.5).

Mails may be hostile: the old parser of the standard library (policy compat32) raises on none of them.
"""

import time
from collections.abc import Callable
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Parsed
from typing import Any

from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.world.mailbox import Message

ON_DEMAND = ("internetMessageHeaders",)
"""Properties that must be selected to be seen."""
WITH_BODY = ("body", "bodyPreview")
"""Properties that Mail.ReadBasic does not show."""
PREVIEW = 255


class View:
    """A mail, its headers and its parts, for the properties to look at."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.headers = mime.headers_of(message.mime)
        self.parsed: Parsed = message_from_bytes(message.mime)

    def text(self, name: str) -> str:
        """The first header of that name as people read it (RFC 2047), empty if there is none."""
        return decoded(mime.header(self.headers, name) or "")

    def people(self, name: str) -> list[dict[str, Any]]:
        """The mailboxes in the headers of that name (lower case)."""
        pairs = mime.mailboxes(self.headers, name)
        return [
            {"emailAddress": {"name": decoded(shown) or _clean(address), "address": _clean(address)}}
            for shown, address in pairs
        ]

    def person(self, name: str) -> dict[str, Any] | None:
        """The first of them."""
        return next(iter(self.people(name)), None)

    def body(self) -> dict[str, str]:
        """The HTML part if there is one, else the plain text."""
        parts = [part for part in self.parsed.walk() if not _is_attachment(part)]
        for kind in ("html", "plain"):
            for part in parts:
                if part.get_content_type() == f"text/{kind}":
                    return {"contentType": "html" if kind == "html" else "text", "content": _text(part)}
        return {"contentType": "text", "content": ""}

    def has_attachments(self) -> bool:
        """Whether there is an attachment that is not inline; those do not count."""
        return any(map(_is_attachment, self.parsed.walk()))

    def show_headers(self) -> list[dict[str, str]]:
        """All headers in order, undecoded."""
        return [{"name": name, "value": _clean(value)} for name, value in self.headers]


def decoded(value: str) -> str:
    """A header value with its encoded words read (RFC 2047); what cannot be read stays."""
    value = _clean(value)
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):
        return value


def _clean(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_attachment(part: Parsed) -> bool:
    return part.get_content_disposition() == "attachment"


def _text(part: Parsed) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


PROPERTIES: dict[str, Callable[[View], Any]] = {
    "id": lambda view: view.message.id,
    "createdDateTime": lambda view: _stamp(view.message.received),
    "lastModifiedDateTime": lambda view: _stamp(view.message.received),
    "changeKey": lambda view: f"CQAAAB{view.message.serial:012d}",
    "categories": lambda view: [],
    "receivedDateTime": lambda view: _stamp(view.message.received),
    "sentDateTime": lambda view: _stamp(view.message.received),
    "hasAttachments": lambda view: view.has_attachments(),
    "internetMessageId": lambda view: view.message.internet_message_id,
    "subject": lambda view: view.text("subject"),
    "bodyPreview": lambda view: view.body()["content"][:PREVIEW],
    "importance": lambda view: {"1": "high", "5": "low"}.get(view.text("x-priority")[:1], "normal"),
    "parentFolderId": lambda view: view.message.folder.id,
    "conversationId": lambda view: view.message.id,
    "isDeliveryReceiptRequested": lambda view: False,
    "isReadReceiptRequested": lambda view: bool(view.text("disposition-notification-to")),
    "isRead": lambda view: view.message.read,
    "isDraft": lambda view: view.message.draft,
    "body": lambda view: view.body(),
    "sender": lambda view: view.person("sender") or view.person("from"),
    "from": lambda view: view.person("from"),
    "toRecipients": lambda view: view.people("to"),
    "ccRecipients": lambda view: view.people("cc"),
    "bccRecipients": lambda view: view.people("bcc"),
    "replyTo": lambda view: view.people("reply-to"),
    "internetMessageHeaders": lambda view: view.show_headers(),
}
"""How each property of a message is made; dates are the service's, not those of the header (facts 3.3)."""

DEFAULT = [name for name in PROPERTIES if name not in ON_DEMAND]
"""What Graph gives without $select."""


def show(message: Message, names: list[str]) -> dict[str, Any]:
    """These properties of a message, for JSON."""
    view = View(message)
    return {"@odata.etag": f'W/"{message.serial}"'} | {name: PROPERTIES[name](view) for name in names}
