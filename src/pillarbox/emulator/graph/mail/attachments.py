"""Attachments in Graph: listed, read, added to drafts and taken away (facts 3.4)."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pillarbox.emulator.graph import fields, odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.attachment import show_attachment
from pillarbox.emulator.graph.mail.attachment_input import BASE, read_attachment
from pillarbox.emulator.graph.mail.drafts import check_editable, check_match
from pillarbox.emulator.graph.mail.message_input import read_item
from pillarbox.emulator.graph.mail.messages import FOLDER, collection, find_message
from pillarbox.emulator.graph.request import READ, WRITE, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.mail.compose import MEDIA_TYPE
from pillarbox.emulator.mail.content import Attachment, Content
from pillarbox.emulator.world.mailbox import Message

PROPERTIES = (*BASE, "contentBytes", "contentId", "contentLocation")
KIND = odata.Kind(name="microsoft.graph.attachment", properties=dict.fromkeys(PROPERTIES, odata.OPAQUE))
ITEM = "microsoft.graph.itemattachment/item"
"""What `$expand` shows of an item attachment (Microsoft: Get attachment)."""


def list_all(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/attachments."""
    message, query = find_message(request), _query(request)
    item = bool(query.expand)
    found = [show_attachment(message, each, query.select, item=item) for each in message.content.attachments]
    return Answer.json({"@odata.context": odata.context(request, _path(request), query), "value": found})


def count(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/attachments/$count: a bare number."""
    message = find_message(request)
    odata.allow(request.call, request.gaps)
    return Answer(200, str(len(message.content.attachments)).encode(), {"Content-Type": "text/plain"})


def get(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/attachments/{attachment}."""
    message = find_message(request)
    attachment, query = _find(request, message), _query(request)
    shown = show_attachment(message, attachment, query.select, item=bool(query.expand))
    return Answer.json({"@odata.context": odata.context(request, _path(request), query, entity=True)} | shown)


def get_bytes(request: Request) -> Answer:
    """GET /users/{user}/messages/{message}/attachments/{attachment}/$value: the file, or the MIME of the item."""
    attachment = _find(request, find_message(request))
    odata.allow(request.call, request.gaps)
    kind = "text/plain" if attachment.kind == "item" else attachment.content_type
    return Answer(200, attachment.content, {"Content-Type": _media_type(kind)})


def create(request: Request) -> Answer:
    """POST /users/{user}/messages/{message}/attachments: a file under 3 MB (what a request can carry), or an item."""
    message = find_message(request)
    odata.check_accept(request)
    odata.allow(request.call, request.gaps)
    check_match(request, message)
    check_editable(request, message)
    attachment = read_attachment(request, fields.read_object(request.call), read_item)
    attach(request, message, attachment)
    path = _path(request)
    shown: dict[str, Any] = {"@odata.context": odata.context(request, path, odata.Query(), entity=True)}
    place = f"{request.call.base}/v1.0/{path}('{quote(attachment.id, safe='')}')"
    return Answer.json(shown | show_attachment(message, attachment), 201, {"Location": place})


def delete(request: Request) -> Answer:
    """DELETE /users/{user}/messages/{message}/attachments/{attachment}."""
    message = find_message(request)
    attachment = _find(request, message)
    odata.allow(request.call, request.gaps)
    check_match(request, message)
    check_editable(request, message)
    kept = [each for each in message.content.attachments if each is not attachment]
    request.mailbox.edit(message, request.call.now, with_attachments(message, kept))
    return Answer(204)


def attach(request: Request, message: Message, attachment: Attachment) -> None:
    """Add it to the message."""
    if request.mailbox.full:
        raise GraphError("ErrorQuotaExceeded")
    changed = with_attachments(message, [*message.content.attachments, attachment])
    request.mailbox.edit(message, request.call.now, changed)


def _find(request: Request, message: Message) -> Attachment:
    found = message.content.attachment(request.names["attachment"])
    if found is None:
        raise GraphError("ErrorItemNotFound")
    return found


def with_attachments(message: Message, attachments: list[Attachment]) -> Content:
    """The parts of the message with these attachments."""
    content = message.content
    return replace(content, attachments=attachments, message_id=content.message_id or message.internet_message_id)


def _query(request: Request) -> odata.Query:
    query = odata.read_one(request, KIND, "$expand")
    for name in query.expand:
        if name.lower() != ITEM:
            request.miss(f"$expand={name[:100]}")
            raise odata.no_property(name, KIND)
    return query


def _path(request: Request) -> str:
    return f"{odata.key(collection(request), request.names['message'])}/attachments"


def _media_type(kind: str) -> str:
    """The type of the bytes, if it is one that a header can carry."""
    return kind if MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"


OPERATIONS = tuple(
    operation
    for place in ("/users/{user}/messages/{message}/attachments", f"{FOLDER}/messages/{{message}}/attachments")
    for operation in (
        Operation("GET", place, list_all, READ),
        Operation("POST", place, create, WRITE),
        Operation("GET", f"{place}/$count", count, READ),
        Operation("GET", f"{place}/{{attachment}}", get, READ),
        Operation("DELETE", f"{place}/{{attachment}}", delete, WRITE),
        Operation("GET", f"{place}/{{attachment}}/$value", get_bytes, READ),
    )
)
