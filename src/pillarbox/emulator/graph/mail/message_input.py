"""A message as clients write it in JSON: checked against Microsoft's model, and put into the parts of a mail."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pillarbox.emulator.graph import fields
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail import attachment_input
from pillarbox.emulator.graph.mail.message import KIND, PROPERTIES
from pillarbox.emulator.graph.payload import LONGEST
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.world.mailbox import Message

MAX_HEADERS = 5
"""Custom headers of a whole message (facts 3.3)."""
HEADER_NAME = re.compile(r"[xX]-[!-9;-~]+")
EXTENDED = {"string 0x1042": "In-Reply-To", "string 0x1039": "References"}
"""The MAPI properties by which JSON can say what it replies to (facts 3.3), and the headers that they become."""
FLAG_TIMES = ("completedDateTime", "dueDateTime", "startDateTime")


@dataclass
class Changes:
    """What a JSON message sets: fields of Content, headers, and fields of the stored Message; `names` are Graph's."""

    names: set[str] = field(default_factory=set)
    content: dict[str, Any] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    marks: dict[str, Any] = field(default_factory=dict)

    def applied(self, content: Content) -> Content:
        """The parts with these changes; headers of the same name are replaced. A GraphError if there are too many."""
        names = {name.lower() for name, _ in self.headers}
        kept = [each for each in content.headers if each[0].lower() not in names]
        if "internetMessageHeaders" in self.names and sum(map(_is_custom, kept + self.headers)) > MAX_HEADERS:
            raise GraphError("InvalidInternetMessageHeaderCollection")
        return replace(content, **self.content, headers=kept + self.headers)

    def mark(self, message: Message) -> None:
        """Set what stands beside the parts: read, categories, flag, inference."""
        for name, value in self.marks.items():
            setattr(message, name, value)


def read_message(request: Request, value: Any, *, depth: int = 0) -> Changes:
    """What a message in a request says; a GraphError for whatever does not fit the model. `depth`: mails around it."""
    changes = Changes()
    for name, each in fields.record(value, KIND, KNOWN).items():
        changes.names.add(name)
        if name == "attachments":
            found = [attachment_input.read_attachment(request, one, read_item, depth) for one in fields.items(each)]
            changes.content["attachments"] = found
        elif name == "singleValueExtendedProperties":
            changes.headers += [_extended(request, one) for one in fields.items(each)]
        elif name in SETTERS:
            SETTERS[name](changes, each, name)
        elif name in UNSUPPORTED:
            request.miss(name)
            raise GraphError("ErrorInvalidProperty", f"The property '{name}' is not supported.")
        else:
            raise GraphError("ErrorInvalidPropertySet")
    return changes


def read_item(request: Request, value: Any, depth: int) -> Content:
    """The mail in an item attachment."""
    return read_message(request, value, depth=depth).applied(Content())


def _text(target: str) -> "Setter":
    def put(changes: Changes, value: Any, name: str) -> None:
        changes.content[target] = fields.string(value, name)

    return put


def _wish(target: str) -> "Setter":
    def put(changes: Changes, value: Any, name: str) -> None:
        changes.content[target] = value is not None and fields.boolean(value, name)

    return put


def _people(target: str) -> "Setter":
    def put(changes: Changes, value: Any, name: str) -> None:
        changes.content[target] = [_recipient(each) for each in fields.items(value)]

    return put


def _person(target: str) -> "Setter":
    def put(changes: Changes, value: Any, name: str) -> None:
        changes.content[target] = None if value is None else _recipient(value)

    return put


def _recipient(value: Any) -> Person:
    outer = fields.record(value, "microsoft.graph.recipient", {"emailAddress": None})
    inner = outer.get("emailAddress") or {}
    known = fields.record(inner, "microsoft.graph.emailAddress", {"address": None, "name": None})
    address = fields.string(known.get("address"), "address").strip()
    if not address:
        raise GraphError("ErrorInvalidRecipients")
    return Person(fields.string(known.get("name"), "name").strip(), address)


def _put_body(changes: Changes, value: Any, name: str) -> None:
    known = fields.record(value or {}, "microsoft.graph.itemBody", {"content": None, "contentType": None})
    kind = known.get("contentType")
    changes.content["body"] = fields.string(known.get("content"), "content")
    changes.content["body_type"] = "text" if kind is None else fields.choice(kind, "contentType", "text", "html")


def _put_importance(changes: Changes, value: Any, name: str) -> None:
    changes.content["importance"] = fields.choice(value, name, "low", "normal", "high")


def _put_headers(changes: Changes, value: Any, name: str) -> None:
    for each in fields.items(value):
        known = fields.record(each, "microsoft.graph.internetMessageHeader", {"name": None, "value": None})
        header = fields.string(known.get("name"), "name")
        if not HEADER_NAME.fullmatch(header):
            text = f"The internet message header name '{header[:LONGEST]}' should start with 'x-' or 'X-'."
            raise GraphError("InvalidInternetMessageHeader", text)
        changes.headers.append((header, fields.string(known.get("value"), "value")))


def _is_custom(header: tuple[str, str]) -> bool:
    return header[0].lower().startswith("x-")


def _put_read(changes: Changes, value: Any, name: str) -> None:
    changes.marks["read"] = fields.boolean(value, name)


def _put_categories(changes: Changes, value: Any, name: str) -> None:
    found = (fields.string(each, name) for each in fields.items(value))
    changes.marks["categories"] = list(dict.fromkeys(each for each in found if each))


def _put_inference(changes: Changes, value: Any, name: str) -> None:
    changes.marks["inference"] = fields.choice(value, name, "focused", "other")


def _put_flag(changes: Changes, value: Any, name: str) -> None:
    known = fields.record(value, "microsoft.graph.followupFlag", dict.fromkeys((*FLAG_TIMES, "flagStatus")))
    status = fields.choice(known.get("flagStatus", "notFlagged"), "flagStatus", "notFlagged", "complete", "flagged")
    changes.marks["flag"] = {"flagStatus": status} | {
        name: _time(known[name]) for name in FLAG_TIMES if known.get(name) is not None
    }


def _time(value: Any) -> dict[str, str]:
    known = fields.record(value, "microsoft.graph.dateTimeTimeZone", {"dateTime": None, "timeZone": None})
    moment = fields.moment(known.get("dateTime"), "dateTime")
    return {"dateTime": moment, "timeZone": fields.string(known.get("timeZone"), "timeZone") or "UTC"}


def _extended(request: Request, value: Any) -> tuple[str, str]:
    kind = "microsoft.graph.singleValueLegacyExtendedProperty"
    known = fields.record(value, kind, {"id": None, "value": None})
    ident = fields.string(known.get("id"), "id")
    header = EXTENDED.get(ident.lower())
    if header is None:
        request.miss(f"singleValueExtendedProperties: {ident[:100]}")
        raise GraphError("ErrorInvalidProperty", "The extended property is not supported.")
    return header, fields.string(known.get("value"), "value")


Setter = Callable[[Changes, Any, str], None]

SETTERS: dict[str, Setter] = {
    "subject": _text("subject"),
    "body": _put_body,
    "importance": _put_importance,
    "toRecipients": _people("to"),
    "ccRecipients": _people("cc"),
    "bccRecipients": _people("bcc"),
    "replyTo": _people("reply_to"),
    "from": _person("from_"),
    "sender": _person("sender"),
    "internetMessageId": _text("message_id"),
    "internetMessageHeaders": _put_headers,
    "isReadReceiptRequested": _wish("read_receipt"),
    "isDeliveryReceiptRequested": _wish("delivery_receipt"),
    "isRead": _put_read,
    "categories": _put_categories,
    "flag": _put_flag,
    "inferenceClassification": _put_inference,
}
"""How each property that can be set is read."""

UNSUPPORTED = ("extensions", "multiValueExtendedProperties", "uniqueBody")
"""Microsoft has them, the emulator does not."""

KNOWN = dict.fromkeys((*PROPERTIES, *SETTERS, *UNSUPPORTED, "attachments", "singleValueExtendedProperties"))
"""All properties of the type; letter case counts in them, unlike in parameters of actions (docs-contrib issue 8398)."""

ANYTIME = frozenset(
    (
        "categories",
        "flag",
        "importance",
        "inferenceClassification",
        "isDeliveryReceiptRequested",
        "isRead",
        "isReadReceiptRequested",
    )
)
"""What may change on a message that is no draft (Microsoft: Update message; facts 0.2)."""
