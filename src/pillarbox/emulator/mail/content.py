"""The parts of a mail, as Graph and Outlook see them. `parse` and `compose` are the ways between them and MIME."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Literal

BodyType = Literal["text", "html"]
Importance = Literal["low", "normal", "high"]


@dataclass
class Person:
    """A mailbox in a header: display name and address."""

    name: str
    address: str


@dataclass
class Attachment:
    """One attachment; `id` is opaque and stays. `item` attachments hold a whole mail (message/rfc822) as content.

    `modified` is in seconds since 1970, None where nothing but the mail itself says when.
    """

    id: str
    kind: Literal["file", "item"]
    name: str
    content_type: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None
    modified: float | None = None


@dataclass
class Content:
    """The parts of a mail. `headers` are further ones, in order, by their names in the mail.

    `date` is in seconds since 1970, None for none. An empty `message_id` leaves the header out.
    """

    subject: str = ""
    body: str = ""
    body_type: BodyType = "text"
    sender: Person | None = None
    from_: Person | None = None
    to: list[Person] = field(default_factory=list)
    cc: list[Person] = field(default_factory=list)
    bcc: list[Person] = field(default_factory=list)
    reply_to: list[Person] = field(default_factory=list)
    importance: Importance = "normal"
    read_receipt: bool = False
    delivery_receipt: bool = False
    date: float | None = None
    message_id: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)

    @property
    def people(self) -> dict[str, list[Person]]:
        """The mailboxes that it names, by header."""
        return {
            "From": [self.from_] if self.from_ else [],
            "Sender": [self.sender] if self.sender else [],
            "To": self.to,
            "Cc": self.cc,
            "Bcc": self.bcc,
            "Reply-To": self.reply_to,
        }

    def attachment(self, ident: str) -> Attachment | None:
        """The attachment with that id, None if there is none."""
        return next((each for each in self.attachments if each.id == ident), None)


def attachment_id(index: int, content: bytes) -> str:
    """The id of the attachment at that place of a received mail: the same however often the mail is parsed."""
    digest = hashlib.sha512(b"%d:" % index + content).digest()
    return "AAMkAG" + base64.urlsafe_b64encode(digest + digest[:2]).decode()
