"""Graph's mail calls: send, drafts, and looking for what was sent."""

import base64
import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pillarbox.core import headers
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import InvalidInput
from pillarbox.graph.client import Answer, GraphClient

_MIME: Final = {"Content-Type": "text/plain"}
_IMMUTABLE: Final = {"Prefer": 'IdType="ImmutableId"'}
"""Ids that stay when a message moves, such as from Drafts to Sent Items.
https://learn.microsoft.com/graph/outlook-immutable-id"""
_JSON: Final = {"Content-Type": "application/json", **_IMMUTABLE}
_TIMES: Final = "id,isDraft,createdDateTime"
_MOST: Final = 1000
"""Messages that Graph lists at once at the most: https://learn.microsoft.com/graph/api/user-list-messages"""
_LIST_BYTES: Final = 8 * 1024 * 1024
"""Of a list of so many, with the headers of each."""
QUEUE_ID: Final = "x-pillarbox-id"
"""The header field by which a message of ours is known."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A message in a mailbox, as far as it was told.

    `age` is seconds from its making to the answer, both by Microsoft's clocks; `queue_id` is what its X-Pillarbox-Id
    says, empty where it has none or it was not asked for.
    """

    id: str
    is_draft: bool
    age: float | None = None
    queue_id: str = ""


async def send_mime(client: GraphClient, mailbox: str, mime: bytes, token: TokenSource) -> Answer:
    """Send a message as MIME from a mailbox; 202 means that Microsoft accepted it.

    The body is base64 on one line. Graph has no envelope: it sends to whom To, Cc and Bcc name.
    https://learn.microsoft.com/graph/api/user-sendmail
    """
    return await client.request(
        "POST",
        f"{_user(mailbox)}/sendMail",
        token,
        body=base64.b64encode(mime),
        headers=_MIME,
    )


async def create_draft(client: GraphClient, mailbox: str, mime: bytes, token: TokenSource) -> Answer:
    """Make a draft of MIME; 201 has its immutable id (`draft_in`). Needs Mail.ReadWrite.

    https://learn.microsoft.com/graph/api/user-post-messages
    """
    return await client.request(
        "POST",
        f"{_user(mailbox)}/messages?$select=id,internetMessageId",
        token,
        body=base64.b64encode(mime),
        headers={**_MIME, **_IMMUTABLE},
    )


async def send_draft(client: GraphClient, mailbox: str, draft_id: str, token: TokenSource) -> Answer:
    """Send a draft; 202 means that Microsoft accepted it. https://learn.microsoft.com/graph/api/message-send"""
    return await client.request("POST", f"{_message(mailbox, draft_id)}/send", token, headers=_IMMUTABLE)


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file for a draft: its name, media type and bytes, and how the text calls it that it is shown in."""

    name: str
    content_type: str
    size: int
    content_id: str = ""
    is_inline: bool = False


async def add_file(
    client: GraphClient, mailbox: str, draft_id: str, item: FileItem, content: bytes, token: TokenSource
) -> Answer:
    """Add a file of less than 3 MB to a draft; 201. https://learn.microsoft.com/graph/api/message-post-attachments"""
    shown = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "contentBytes": base64.b64encode(content).decode(),
        **_described(item),
    }
    path = f"{_message(mailbox, draft_id)}/attachments"
    return await client.request("POST", path, token, body=json.dumps(shown).encode(), headers=_JSON)


async def create_upload_session(
    client: GraphClient, mailbox: str, draft_id: str, item: FileItem, token: TokenSource
) -> Answer:
    """Begin to upload a file of 3 to 150 MB for a draft; 201 has the address (`uploads.session_in`).

    https://learn.microsoft.com/graph/api/attachment-createuploadsession
    """
    shown = {"AttachmentItem": {"attachmentType": "file", "size": item.size, **_described(item)}}
    path = f"{_message(mailbox, draft_id)}/attachments/createUploadSession"
    return await client.request("POST", path, token, body=json.dumps(shown).encode(), headers=_JSON)


def _described(item: FileItem) -> dict[str, Any]:
    described = {"name": item.name, "contentType": item.content_type, "isInline": item.is_inline}
    return described | ({"contentId": item.content_id} if item.content_id else {})


async def message_state(client: GraphClient, mailbox: str, message_id: str, token: TokenSource) -> Answer:
    """Whether a message is a draft still (`copy_in`); by an immutable id it is found wherever it lies."""
    path = f"{_message(mailbox, message_id)}?$select={_TIMES},parentFolderId,sentDateTime"
    return await client.request("GET", path, token, headers=_IMMUTABLE)


async def delete_message(client: GraphClient, mailbox: str, message_id: str, token: TokenSource) -> Answer:
    """Move a message to Deleted Items; 204."""
    return await client.request("DELETE", _message(mailbox, message_id), token, headers=_IMMUTABLE)


async def sent_copies(client: GraphClient, mailbox: str, message_id: str, token: TokenSource) -> Answer:
    """The messages of a Message-ID in Sent Items (`copies_in`), with their queue ids where Exchange shows them.

    Mail.ReadBasic is enough. Their making is asked for, as `sentDateTime` may be what the message's own Date said.
    """
    return await _listed(client, mailbox, "sentitems", message_id, token)


async def drafts(client: GraphClient, mailbox: str, message_id: str, token: TokenSource) -> Answer:
    """The messages of a Message-ID in Drafts (`copies_in`), with their queue ids where Exchange shows them."""
    return await _listed(client, mailbox, "drafts", message_id, token)


async def newest_drafts(client: GraphClient, mailbox: str, token: TokenSource) -> Answer:
    """What lies in Drafts, whoever wrote it (`message_ids_in`): the newest thousand."""
    query = f"$orderby=createdDateTime%20desc&$top={_MOST}&$select=id,internetMessageId"
    return await client.request(
        "GET",
        f"{_user(mailbox)}/mailFolders/drafts/messages?{query}",
        token,
        headers=_IMMUTABLE,
        limit=_LIST_BYTES,
    )


async def _listed(client: GraphClient, mailbox: str, folder: str, message_id: str, token: TokenSource) -> Answer:
    query = f"{_by_message_id(message_id)}&$top={_MOST}&$select={_TIMES},internetMessageHeaders"
    path = f"{_user(mailbox)}/mailFolders/{folder}/messages?{query}"
    return await client.request("GET", path, token, headers=_IMMUTABLE, limit=_LIST_BYTES)


async def queue_id(client: GraphClient, mailbox: str, message_id: str, token: TokenSource) -> str:
    """What the X-Pillarbox-Id of a message in a mailbox says, read from its MIME; empty where there is none.

    Needs Mail.Read. https://learn.microsoft.com/graph/outlook-get-mime-message
    """
    path = f"{_message(mailbox, message_id)}/$value"
    answer = await client.request("GET", path, token, headers=_IMMUTABLE, limit=headers.LONGEST_BLOCK)
    try:
        block = headers.scan(answer.body, max_block=headers.LONGEST_BLOCK) if answer.status == 200 else None
    except InvalidInput:
        block = None
    fields = block.named(QUEUE_ID.encode()) if block else ()
    return next((headers.value(answer.body, field).decode("ascii", "replace").strip() for field in fields), "")


def draft_in(answer: Answer) -> str:
    """The id of the draft that was made; empty where the answer tells none. Pure."""
    found = _object(answer) if answer.status == 201 else {}
    return found["id"] if isinstance(found.get("id"), str) else ""


def copy_in(answer: Answer) -> Copy | None:
    """The message that an answer tells of; None where it tells of none. Pure."""
    return _copy(_object(answer), answer) if answer.status == 200 else None


def copies_in(answer: Answer) -> list[Copy] | None:
    """The messages that an answer lists; None where it is no list, or no whole one. Pure."""
    told = _object(answer) if answer.status == 200 else {}
    value = told.get("value")
    if not isinstance(value, list) or "@odata.nextLink" in told:
        return None
    copies = [_copy(one, answer) for one in value]
    return [copy for copy in copies if copy] if all(copies) else None


def message_ids_in(answer: Answer) -> dict[str, str]:
    """The Message-IDs of the messages that an answer lists, by their ids; none where it is no list. Pure."""
    value = _object(answer).get("value") if answer.status == 200 else None
    told = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return {str(one.get("id")): str(one.get("internetMessageId")) for one in told}


def _copy(told: Any, answer: Answer) -> Copy | None:
    if not isinstance(told, dict) or not isinstance(told.get("id"), str) or not isinstance(told.get("isDraft"), bool):
        return None
    return Copy(told["id"], told["isDraft"], _age(told.get("createdDateTime"), answer.headers), _queue_id(told))


def _age(created: object, told: Mapping[str, str]) -> float | None:
    try:
        now = email.utils.parsedate_to_datetime(told.get("Date", ""))
        return (now - datetime.fromisoformat(str(created))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _queue_id(told: Mapping[str, Any]) -> str:
    fields = told.get("internetMessageHeaders")
    for field in fields if isinstance(fields, list) else []:
        if isinstance(field, dict) and str(field.get("name", "")).lower() == QUEUE_ID:
            return str(field.get("value", "")).strip()
    return ""


def _object(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body) if answer.whole else {}
    except (ValueError, RecursionError):
        value = {}
    return value if isinstance(value, dict) else {}


def _user(mailbox: str) -> str:
    return f"/users/{quote(mailbox, safe='')}"


def _message(mailbox: str, message_id: str) -> str:
    return f"{_user(mailbox)}/messages/{quote(message_id, safe='')}"


def _by_message_id(message_id: str) -> str:
    # A quotation mark within a string of OData is written twice (OData 4.01 URL conventions, section 5.1.1.6.1).
    doubled = message_id.replace("'", "''")
    return f"$filter=internetMessageId eq '{quote(doubled, safe='')}'"
