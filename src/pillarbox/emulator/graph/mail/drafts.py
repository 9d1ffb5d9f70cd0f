"""Drafts in Graph: made, changed, sent, thrown away (facts 0.2, 3.4)."""

import math
from urllib.parse import quote

from pillarbox.emulator.graph import fields, odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.folders import find_folder
from pillarbox.emulator.graph.mail.message import etag
from pillarbox.emulator.graph.mail.message_input import ANYTIME, Changes, read_message
from pillarbox.emulator.graph.mail.messages import FOLDER, collection, find_message
from pillarbox.emulator.graph.mail.schema import MESSAGE
from pillarbox.emulator.graph.mail.selection import Selection
from pillarbox.emulator.graph.mail.send import decode
from pillarbox.emulator.graph.mail.submit import submit
from pillarbox.emulator.graph.request import SEND, WRITE, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.content import Content
from pillarbox.emulator.world.delivery import new_message_id
from pillarbox.emulator.world.mailbox import Folder, Message

ADVANCED = ("Mail-Advanced.ReadWrite.All", "Mail-Advanced.ReadWrite")
"""What it takes to rewrite a mail that is no draft: app-only and delegated (facts 0.2)."""


def create(request: Request) -> Answer:
    """POST /users/{user}/messages, or into a folder: a draft from JSON, or from MIME in base64."""
    folder = find_folder(request) if "folder" in request.names else request.mailbox.folders["drafts"]
    selection = Selection.of(request, odata.read_one(request, MESSAGE))
    if request.call.content_type == "text/plain":
        changes, mail = Changes(), _read_mime(request)
        ident = mime.header(mime.headers_of(mail), "message-id") or _new_id(request)
        message = _add(request, folder, mail, ident)
    else:
        changes = read_message(request, fields.read_object(request.call))
        content = changes.applied(Content())
        content.message_id = content.message_id or _new_id(request)
        message = _add(request, folder, content, content.message_id)
    changes.mark(message)
    return _shown(request, message, selection, created=True)


def update(request: Request) -> Answer:
    """PATCH /users/{user}/messages/{message}: anything of a draft, else only what does not change the mail."""
    message = find_message(request)
    selection = Selection.of(request, odata.read_one(request, MESSAGE))
    check_match(request, message)
    changes = read_message(request, fields.read_object(request.call))
    if "attachments" in changes.names:
        raise GraphError("ErrorInvalidPropertySet")
    if not changes.names <= ANYTIME:
        check_editable(request, message)
    changed = None
    if changes.content or changes.headers:
        changed = changes.applied(message.content)
        changed.message_id = changed.message_id or message.internet_message_id
    changes.mark(message)
    request.mailbox.edit(message, request.call.now, changed)
    return _shown(request, message, selection)


def delete(request: Request) -> Answer:
    """DELETE /users/{user}/messages/{message}: to Deleted Items, and out of there for good."""
    message = find_message(request)
    odata.allow(request.call, request.gaps)
    check_match(request, message)
    mailbox = request.mailbox
    bin_ = mailbox.folders["deleteditems"]
    if message.folder is bin_:
        mailbox.remove(message)
    else:
        mailbox.move(message, bin_, request.call.now)
    return Answer(204)


def send(request: Request) -> Answer:
    """POST /users/{user}/messages/{message}/send; the draft becomes the sent copy, and only its immutable id stays."""
    headers = request.call.headers
    _ = request.mailbox
    odata.allow(request.call, request.gaps)
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        raise GraphError("LengthRequired", "The request must have a Content-Length header.", 411)
    if request.call.body.strip() not in (b"", b"{}"):  # An empty object says nothing either.
        request.miss("body")
        raise GraphError("BadRequest", "The operation 'send' takes no request body.")
    message = _find_again(request) if request.world.sends_drafts_twice else find_message(request)
    if not message.draft and not request.world.sends_drafts_twice:
        raise GraphError("ErrorItemNotFound")
    submit(request, message.original, draft=message if message.draft else None)
    return Answer(202)


def check_editable(request: Request, message: Message) -> None:
    """Refuse to change what is in a mail that is no draft, unless the caller may do that too (facts 0.2)."""
    if not message.draft and not request.may(*ADVANCED):
        raise GraphError("ErrorAccessDenied")


def check_match(request: Request, message: Message) -> None:
    """Refuse to change another version than the one that If-Match names (RFC 9110 section 13.1.1)."""
    wanted = [each.strip() for each in request.call.headers.get("If-Match", "*").split(",")]
    if "*" not in wanted and etag(message) not in wanted:
        raise GraphError("ErrorIrresolvableConflict")


def _find_again(request: Request) -> Message:
    """The message though it is on its way to Sent Items, where nobody sees it yet, and has another id there."""
    ident = request.names["message"]
    found = request.mailbox.message(ident, math.inf) or request.mailbox.formerly(ident)
    return found or find_message(request)


def _add(request: Request, folder: Folder, mail: bytes | Content, ident: str) -> Message:
    if request.mailbox.full:
        raise GraphError("ErrorQuotaExceeded")
    return request.mailbox.add(folder, mail, ident, request.call.now, read=True, draft=True)


def _read_mime(request: Request) -> bytes:
    """The MIME byte for byte; Outlook is said to give it a Message-ID of its own, which is a switch of the world."""
    mail = decode(request.call)
    return mime.with_message_id(mail, _new_id(request)) if request.world.rewrites_message_ids else mail


def _new_id(request: Request) -> str:
    return new_message_id(request.world, request.caller.tenant)


def _shown(request: Request, message: Message, selection: Selection, *, created: bool = False) -> Answer:
    query = odata.Query(select=selection.names if request.call.query.get("$select") else ())
    shown = {"@odata.context": odata.context(request, collection(request), query, entity=True)}
    shown |= selection.show(message)
    headers = dict(selection.preferences.headers)
    if created:
        path = f"{odata.key('users', request.names['user'])}/messages"
        headers["Location"] = f"{request.call.base}/v1.0/{path}('{quote(shown['id'], safe='')}')"
    return Answer.json(shown, 201 if created else 200, headers)


REWRITE = (*WRITE, *ADVANCED)
ONE = "/messages/{message}"
OPERATIONS = tuple(
    operation
    for place in ("/users/{user}", FOLDER)
    for operation in (
        Operation("POST", f"{place}/messages", create, WRITE),
        Operation("PATCH", f"{place}{ONE}", update, REWRITE),
        Operation("DELETE", f"{place}{ONE}", delete, WRITE),
        Operation("POST", f"{place}{ONE}/send", send, SEND),
    )
)
