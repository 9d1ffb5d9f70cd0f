"""Upload sessions: files of 3 to 150 MB for drafts, in parts that are put to an address which is its own key.

The address is Outlook's, below `/api`, and takes no Authorization (facts 3.4; Microsoft: Attach large files to Outlook
messages). It stands on the host that was asked, so that the parts reach the emulator too.
"""

import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pillarbox.emulator.graph import fields, odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.attachment_input import content_type, required, required_text
from pillarbox.emulator.graph.mail.attachments import with_attachments
from pillarbox.emulator.graph.mail.message import stamp
from pillarbox.emulator.graph.mail.messages import FOLDER, find_message
from pillarbox.emulator.graph.payload import check_encoding
from pillarbox.emulator.graph.request import WRITE, Operation, Request
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ids import encode, item_id
from pillarbox.emulator.mail.content import Attachment
from pillarbox.emulator.world import Mailbox, World
from pillarbox.emulator.world.uploads import LIFETIME, OutOfOrder, UploadSession

MAX_SIZE = 150 * 1024 * 1024
MAX_PART = 4 * 1024 * 1024
"""A part has less."""
RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})", re.ASCII)
ITEM = "microsoft.graph.attachmentItem"
PROPERTIES = ("attachmentType", "contentId", "contentType", "isInline", "name", "size")

Handler = Callable[[World, Call, dict[str, str]], Answer]


def create(request: Request) -> Answer:
    """POST /users/{user}/messages/{message}/attachments/createUploadSession."""
    message = find_message(request)
    odata.check_accept(request)
    odata.allow(request.call, request.gaps)
    # To a mailbox that is not the person's own, large files cannot be attached (Microsoft Graph known issues).
    if not message.draft or request.caller.user not in (None, request.owner):
        raise GraphError("ErrorAccessDenied")
    given = fields.read_parameters(request.call, "createUploadSession", "attachmentitem")
    session = _read(request, given.get("attachmentitem"), message.immutable_id)
    uploads, now = request.mailbox.uploads, request.call.now
    request.mailbox.uploads = {key: each for key, each in uploads.items() if now < each.ends_at} | {session.id: session}
    user = quote(f"{request.owner.id}@{request.caller.tenant.id}", safe="@")
    path = f"/api/gv1.0/users('{user}')/messages('{quote(message.id, safe='')}')"
    shown = {
        "@odata.context": f"{request.call.base}/v1.0/$metadata#microsoft.graph.uploadSession",
        "uploadUrl": f"{request.call.base}{path}/AttachmentSessions('{quote(session.id, safe='')}')"
        f"?authtoken={session.token}",
        "expirationDateTime": stamp(session.ends_at),
        "nextExpectedRanges": ["0-"],
    }
    return Answer.json(shown, 201)


def put(world: World, call: Call, names: dict[str, str]) -> Answer:
    """PUT to the address: one part. The last one makes the attachment."""
    mailbox, session = _find(world, call, names)
    check_encoding(call)
    if call.too_large or len(call.body) >= MAX_PART:
        raise GraphError("RequestEntityTooLarge")
    found = RANGE.fullmatch(call.headers.get("Content-Range", "").strip())
    if found is None:
        raise GraphError("ErrorInvalidRequest", "The Content-Range header is missing or malformed.")
    try:
        session.take(int(found[1]), int(found[2]), int(found[3]), call.body)
    except OutOfOrder as error:
        raise GraphError("invalidRange", str(error), 416) from None
    return _finish(world, call, names, mailbox, session) if session.complete else _status(call, session)


def get(world: World, call: Call, names: dict[str, str]) -> Answer:
    """GET the address: where the next part begins."""
    return _status(call, _find(world, call, names)[1])


def cancel(world: World, call: Call, names: dict[str, str]) -> Answer:
    """DELETE the address: what came so far is thrown away."""
    mailbox, session = _find(world, call, names)
    del mailbox.uploads[session.id]
    return Answer(204)


def _read(request: Request, value: Any, message: str) -> UploadSession:
    if value is None:
        raise GraphError("ErrorInvalidRequest", "The 'AttachmentItem' parameter is missing.")
    known = fields.record(value, ITEM, dict.fromkeys(PROPERTIES))
    kind = fields.choice(required(known, "attachmentType"), "attachmentType", "file", "item", "reference")
    if kind != "file":
        raise GraphError("ErrorInvalidRequest", "Upload sessions are for file attachments only.")
    name, size = required_text(known, "name"), fields.integer(required(known, "size"), "size")
    if size < request.world.smallest_upload:
        raise GraphError("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    if size > MAX_SIZE:
        raise GraphError("ErrorAttachmentSizeLimitExceeded")
    inline = known.get("isInline")
    return UploadSession(
        id=item_id(request.world.entropy),
        token=f"{encode(request.world.entropy(24))}.{encode(request.world.entropy(180))}",
        message=message,
        ends_at=request.call.now + LIFETIME,
        name=name,
        size=size,
        content_type=content_type(known),
        inline=inline is not None and fields.boolean(inline, "isInline"),
        content_id=fields.string(known.get("contentId"), "contentId").strip("<>") or None,
    )


def _find(world: World, call: Call, names: dict[str, str]) -> tuple[Mailbox, UploadSession]:
    """The session that the address names, and the mailbox; it ends when its time is up."""
    if "Authorization" in call.headers:
        text = (
            "The audience claim value is invalid for current resource. Audience claim is 'https://graph.microsoft.com/'"
        )
        text += ", request url is 'https://outlook.office.com' and resource type is 'Exchange'."
        raise GraphError("InvalidAudienceForResource", text, 401)
    user_id, _, tenant_id = names["user"].partition("@")
    tenant = world.tenants.get(tenant_id)
    user = tenant.users.get(user_id) if tenant else None
    mailbox = user.open_mailbox if user else None
    session = mailbox.uploads.get(names["session"]) if mailbox else None
    if mailbox is None or session is None:
        raise GraphError("ErrorItemNotFound")
    if not hmac.compare_digest(call.query.get("authtoken", "").encode(), session.token.encode()):
        raise GraphError("InvalidAuthenticationToken", "Access token validation failure.")
    if call.now >= session.ends_at:
        del mailbox.uploads[session.id]
        raise GraphError("ErrorItemNotFound", "The upload session has expired.")
    return mailbox, session


def _status(call: Call, session: UploadSession) -> Answer:
    """Capital E: as live answers have it, unlike the answer that made the session (facts 3.4)."""
    context = f"{call.base}/api/gv1.0/$metadata#AttachmentSessions/$entity"
    shown = {"@odata.context": context, "ExpirationDateTime": stamp(session.ends_at)}
    return Answer.json(shown | {"nextExpectedRanges": [str(len(session.received))]})


def _finish(world: World, call: Call, names: dict[str, str], mailbox: Mailbox, session: UploadSession) -> Answer:
    """Make the attachment; an empty answer says where it is."""
    del mailbox.uploads[session.id]
    message = mailbox.message(session.message, call.now)
    if message is None or not message.draft:
        raise GraphError("ErrorItemNotFound")
    attached = message.content.attachments
    if sum(len(each.content) for each in attached) + session.size > mailbox.max_send_size:
        raise GraphError("ErrorMessageSizeExceeded")
    if mailbox.full:
        raise GraphError("ErrorQuotaExceeded")
    attachment = Attachment(
        id=item_id(world.entropy),
        kind="file",
        name=session.name,
        content_type=session.content_type,
        content=bytes(session.received),
        inline=session.inline,
        content_id=session.content_id,
        modified=call.now,
    )
    mailbox.edit(message, call.now, with_attachments(message, [*attached, attachment]))
    path = f"Users('{quote(names['user'], safe='@')}')/Messages('{quote(message.id, safe='')}')"
    place = f"{call.base}/api/gv1.0/{path}/Attachments('{quote(attachment.id, safe='')}')"
    return Answer(201, headers={"Location": place})


OPERATIONS = tuple(
    Operation("POST", f"{place}/messages/{{message}}/attachments/createUploadSession", create, WRITE)
    for place in ("/users/{user}", FOLDER)
)
PATH = "/api/gv1.0/users/{user}/messages/{message}/AttachmentSessions/{session}"
SESSIONS: tuple[tuple[str, str, Handler], ...] = (("PUT", PATH, put), ("GET", PATH, get), ("DELETE", PATH, cancel))
"""What the addresses of sessions answer; there is no caller, the key is in the address."""
