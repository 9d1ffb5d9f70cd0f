"""A stored mail as Graph's message resource: how each property is made (facts 3.5)."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote

from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail import parse
from pillarbox.emulator.mail.body_types import as_text
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.mail.headers import clean, decoded
from pillarbox.emulator.world.mailbox import Message

KIND = "microsoft.graph.message"
ON_DEMAND = ("internetMessageHeaders",)
"""Properties that must be selected to be seen."""
WITH_BODY = ("body", "bodyPreview")
"""Properties that Mail.ReadBasic does not show."""
PREVIEW = 255
MESSAGE_ID = re.compile(r"<[^<>\s]+>")
# FILETIME counts 100 nanoseconds from 1601.
EPOCH_1601 = 11_644_473_600


class View:
    """A mail for the properties to look at; it is parsed only when one of them needs more than headers."""

    def __init__(self, message: Message) -> None:
        self.message = message

    @cached_property
    def headers(self) -> mime.Headers:
        """The header block."""
        return self.message.headers

    @property
    def content(self) -> Content:
        """The parts."""
        return self.message.content

    def text(self, name: str) -> str:
        """The first header of that name as people read it (RFC 2047), empty if there is none."""
        return decoded(mime.header(self.headers, name) or "")

    def wants(self, receipt: Literal["read_receipt", "delivery_receipt"], name: str) -> bool:
        """Whether that receipt is asked for: by the header of that name, or in a draft that may still lack a From."""
        original = self.message.original
        if isinstance(original, Content):
            return original.read_receipt if receipt == "read_receipt" else original.delivery_receipt
        return mime.header(self.headers, name) is not None

    def people(self, name: str) -> list[dict[str, Any]]:
        """The mailboxes in the headers of that name; of what was written in parts they come as they were written."""
        original = self.message.original
        persons = original.people[name] if isinstance(original, Content) else parse.people(self.headers, name.lower())
        return [show_person(each) for each in persons]

    def person(self, name: str) -> dict[str, Any] | None:
        """The first of them."""
        return next(iter(self.people(name)), None)

    def sent(self) -> float:
        """When it was sent: by the service's clock, not by the header (facts 3.3); drafts keep what they have."""
        return (parse.date(self.headers) if self.message.draft else None) or self.message.received

    def body(self) -> dict[str, str]:
        """The HTML if there is any, else the text."""
        return {"contentType": self.content.body_type, "content": self.content.body}

    def preview(self) -> str:
        """The first characters of the body, as text."""
        content = self.content
        return (as_text(content.body) if content.body_type == "html" else content.body)[:PREVIEW]

    def has_attachments(self) -> bool:
        """Whether there is an attachment that is not inline; those do not count."""
        return any(not each.inline for each in self.content.attachments)

    def show_headers(self) -> list[dict[str, str]]:
        """All headers in order, undecoded."""
        return [{"name": name, "value": clean(value)} for name, value in self.headers]

    @cached_property
    def conversation(self) -> bytes:
        """16 bytes that all mails of a conversation share: by the first Message-ID that they refer to."""
        referred = f"{self.text('references')} {self.text('in-reply-to')}"
        found = MESSAGE_ID.search(referred)
        first = found[0] if found else self.message.internet_message_id
        return hashlib.sha256(first.encode()).digest()[:16]

    def conversation_index(self) -> str:
        """One byte, five of the time, and the conversation (MS-OXOMSG section 2.2.1.3)."""
        ticks = int((self.message.created + EPOCH_1601) * 10_000_000)
        when = max(ticks, 0).to_bytes(8, "big")[:5]
        return base64.b64encode(b"\x01" + when + self.conversation).decode()

    def web_link(self) -> str:
        """Where Outlook on the web shows it."""
        item = quote(self.message.id, safe="")
        return f"https://outlook.office365.com/owa/?ItemID={item}&exvsurl=1&viewmodel=ReadMessageItem"


def show_person(person: Person) -> dict[str, Any]:
    """A recipient; who has no name is called by the address."""
    return {"emailAddress": {"name": person.name or person.address, "address": person.address}}


def stamp(moment: float) -> str:
    """Edm.DateTimeOffset of seconds since 1970."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def change_key(message: Message) -> str:
    """What is new after each change."""
    return "CQAAABYAAAC" + base64.urlsafe_b64encode(message.serial.to_bytes(15, "big")).decode() + "A"


def etag(message: Message) -> str:
    """The ETag of a message, as If-Match has to name it."""
    return f'W/"{change_key(message)}"'


PROPERTIES: dict[str, Callable[[View], Any]] = {
    "id": lambda view: view.message.id,
    "createdDateTime": lambda view: stamp(view.message.created),
    "lastModifiedDateTime": lambda view: stamp(view.message.modified),
    "changeKey": lambda view: change_key(view.message),
    "categories": lambda view: list(view.message.categories),
    "receivedDateTime": lambda view: stamp(view.message.received),
    "sentDateTime": lambda view: stamp(view.sent()),
    "hasAttachments": lambda view: view.has_attachments(),
    "internetMessageId": lambda view: clean(view.message.internet_message_id),
    "subject": lambda view: view.text("subject"),
    "bodyPreview": lambda view: view.preview(),
    "importance": lambda view: parse.importance(view.headers),
    "parentFolderId": lambda view: view.message.folder.id,
    "conversationId": lambda view: "AAQkAG" + base64.urlsafe_b64encode(view.conversation + b"\0" * 17).decode() + "=",
    "conversationIndex": lambda view: view.conversation_index(),
    "isDeliveryReceiptRequested": lambda view: view.wants("delivery_receipt", "return-receipt-to"),
    "isReadReceiptRequested": lambda view: view.wants("read_receipt", "disposition-notification-to"),
    "isRead": lambda view: view.message.read,
    "isDraft": lambda view: view.message.draft,
    "webLink": lambda view: view.web_link(),
    "inferenceClassification": lambda view: view.message.inference,
    "body": lambda view: view.body(),
    "sender": lambda view: view.person("Sender") or view.person("From"),
    "from": lambda view: view.person("From"),
    "toRecipients": lambda view: view.people("To"),
    "ccRecipients": lambda view: view.people("Cc"),
    "bccRecipients": lambda view: view.people("Bcc"),
    "replyTo": lambda view: view.people("Reply-To"),
    "flag": lambda view: dict(view.message.flag),
    "internetMessageHeaders": lambda view: view.show_headers(),
}
"""How each property of a message is made."""

DEFAULT = [name for name in PROPERTIES if name not in ON_DEMAND]
"""What Graph gives without $select."""


def show(message: Message, names: Iterable[str]) -> dict[str, Any]:
    """These properties of a message, for JSON."""
    view = View(message)
    return {"@odata.etag": etag(message)} | {name: PROPERTIES[name](view) for name in names}
