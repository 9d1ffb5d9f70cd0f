"""The parts of a mail, as Graph and Outlook see them; and the way between them and MIME."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Person:
    """A mailbox in a header: display name and address."""

    name: str
    address: str


@dataclass
class Attachment:
    """One attachment; `id` is opaque and stays. `item` attachments hold a whole mail (message/rfc822) as content."""

    id: str
    kind: Literal["file", "item", "reference"]
    name: str
    content_type: str
    content: bytes = field(repr=False)
    inline: bool = False
    content_id: str | None = None
    modified: float = 0.0


@dataclass
class Content:
    """The parts of a mail. `headers` are further ones, in order, by their names in the mail."""

    subject: str = ""
    body: str = ""
    body_type: Literal["text", "html"] = "text"
    sender: Person | None = None
    from_: Person | None = None
    to: list[Person] = field(default_factory=list)
    cc: list[Person] = field(default_factory=list)
    bcc: list[Person] = field(default_factory=list)
    reply_to: list[Person] = field(default_factory=list)
    importance: Literal["low", "normal", "high"] = "normal"
    read_receipt: bool = False
    delivery_receipt: bool = False
    date: float = 0.0
    message_id: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


def parse(mime: bytes) -> Content:
    """The parts of a mail, however broken it is."""
    raise NotImplementedError


def compose(content: Content) -> bytes:
    """The MIME of these parts."""
    raise NotImplementedError
