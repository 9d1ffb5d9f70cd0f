"""An attachment as clients write it in JSON: a file, or a mail as item."""

import re
from collections.abc import Callable
from typing import Any

from pillarbox.emulator.graph import fields
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.ids import item_id
from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.mail.content import Attachment, Content

BASE = ("contentType", "id", "isInline", "lastModifiedDateTime", "name", "size")
KINDS = {
    "microsoft.graph.fileattachment": (*BASE, "contentBytes", "contentId", "contentLocation"),
    "microsoft.graph.itemattachment": (*BASE, "item"),
    "microsoft.graph.referenceattachment": BASE,
}
"""The types of attachments, and their properties."""
SPELLING = {
    "microsoft.graph.fileattachment": "microsoft.graph.fileAttachment",
    "microsoft.graph.itemattachment": "microsoft.graph.itemAttachment",
    "microsoft.graph.referenceattachment": "microsoft.graph.referenceAttachment",
}
OTHER_ITEMS = ("microsoft.graph.event", "microsoft.graph.contact")
"""Microsoft takes them in item attachments too, the emulator does not."""
MAX_DEPTH = 8
"""Mails inside of mails; nobody says how many Exchange takes."""
READ_ONLY = ("id", "lastModifiedDateTime")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

ReadItem = Callable[[Request, Any, int], Content]


def read_attachment(request: Request, value: Any, read_item: ReadItem, depth: int = 0) -> Attachment:
    """The attachment in a request, with a new id; a GraphError for what does not fit the model, or is a link."""
    kind = _kind(value)
    known = fields.record(value, SPELLING[kind], dict.fromkeys(KINDS[kind]))
    _check(known)
    if kind.endswith("referenceattachment"):
        request.miss("referenceAttachment")
        raise GraphError("ErrorInvalidRequest", "Attachments of type 'referenceAttachment' are not supported.")
    if kind.endswith("itemattachment"):
        return _item(request, known, read_item, depth)
    return Attachment(
        id=item_id(request.world.entropy),
        kind="file",
        name=required_text(known, "name"),
        content_type=content_type(known),
        content=fields.binary(required(known, "contentBytes"), "contentBytes"),
        inline=_inline(known),
        content_id=fields.string(known.get("contentId"), "contentId").strip("<>") or None,
        modified=request.call.now,
    )


def content_type(known: dict[str, Any]) -> str:
    """The media type that an attachment is given; a GraphError if a header could not hold it."""
    text = fields.string(known.get("contentType"), "contentType")
    if CONTROL.search(text):
        raise GraphError("ErrorInvalidProperty", "The property 'contentType' has control characters.")
    return text or "application/octet-stream"


def required(known: dict[str, Any], name: str) -> Any:
    """A property that must be there."""
    if known.get(name) is None:
        raise GraphError("ErrorRequiredPropertyMissing", f"Required property is missing: '{name}'.")
    return known[name]


def required_text(known: dict[str, Any], name: str) -> str:
    """A text that must be there and not empty."""
    return fields.string(required(known | {name: known.get(name) or None}, name), name)


def _check(known: dict[str, Any]) -> None:
    """Refuse what is read-only, and what is of a wrong type though nothing is made of it.

    Programs send a `size`, which is counted here, and `contentLocation`, which Microsoft does not support.
    """
    if any(name in known for name in READ_ONLY):
        raise GraphError("ErrorInvalidPropertySet")
    content_type(known)
    fields.string(known.get("contentLocation"), "contentLocation")
    if known.get("size") is not None:
        fields.integer(known["size"], "size", bits=32)


def _kind(value: Any) -> str:
    """The type, without which no property of a file or an item is known: the base type is abstract."""
    named = value.get("@odata.type") if isinstance(value, dict) else None
    if named is None:
        fields.record(value, "microsoft.graph.attachment", dict.fromkeys(BASE))
        raise GraphError("ErrorInvalidRequest", "The type of the attachment is missing: '@odata.type'.")
    kind = fields.type_of(value)
    if kind not in KINDS:
        fields.unknown_type(named)
    return kind


def _item(request: Request, known: dict[str, Any], read_item: ReadItem, depth: int) -> Attachment:
    item = known.get("item")
    kind = fields.type_of(item)
    if kind in OTHER_ITEMS:
        request.miss(f"itemAttachment: {kind}")
        raise GraphError("ErrorInvalidRequest", f"Items of type '{kind}' are not supported.")
    required(known, "item")
    if depth >= MAX_DEPTH:
        raise GraphError("ErrorInvalidRequest", "Attachments are nested too deep.")
    content = read_item(request, item, depth + 1)
    return Attachment(
        id=item_id(request.world.entropy),
        kind="item",
        name=fields.string(known.get("name"), "name") or content.subject,
        content_type="message/rfc822",
        content=compose(content),
        inline=_inline(known),
        modified=request.call.now,
    )


def _inline(known: dict[str, Any]) -> bool:
    return known.get("isInline") is not None and fields.boolean(known["isInline"], "isInline")
