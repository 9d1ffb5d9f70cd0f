"""An attachment of a stored mail as Graph's attachment resource."""

import base64
from collections.abc import Collection
from typing import Any

from pillarbox.emulator.graph.mail.message import DEFAULT, show, stamp
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.content import Attachment
from pillarbox.emulator.world.mailbox import Message

MESSAGE = "#microsoft.graph.message"
# An item has no place of its own in a folder, and no use for what says where it lies.
NOT_OF_ITEMS = frozenset(("bccRecipients", "changeKey", "inferenceClassification", "parentFolderId"))


def show_attachment(
    message: Message, attachment: Attachment, names: Collection[str] = (), *, item: bool = False
) -> dict[str, Any]:
    """These properties of an attachment (none: all) for JSON; `item` shows the mail in an item attachment too."""
    shown: dict[str, Any] = {
        "id": attachment.id,
        "lastModifiedDateTime": stamp(message.modified if attachment.modified is None else attachment.modified),
        "name": attachment.name,
        "contentType": None if attachment.kind == "item" else attachment.content_type,
        "size": len(attachment.content),
        "isInline": attachment.inline,
    }
    if attachment.kind == "file":
        shown |= {"contentId": attachment.content_id, "contentLocation": None}
        if not names or "contentBytes" in names:
            shown["contentBytes"] = base64.b64encode(attachment.content).decode()
    picked = {name: value for name, value in shown.items() if not names or name == "id" or name in names}
    annotations = {"@odata.type": f"#microsoft.graph.{attachment.kind}Attachment"}
    if attachment.kind == "file":
        annotations["@odata.mediaContentType"] = attachment.content_type
    elif item:
        picked["item"] = _item(message, attachment)
    return annotations | picked


def _item(message: Message, attachment: Attachment) -> dict[str, Any]:
    headers = mime.headers_of(attachment.content)
    inside = Message(
        id="",
        immutable_id="",
        serial=message.serial,
        uid=0,
        folder=message.folder,
        internet_message_id=mime.header(headers, "message-id") or "",
        received=message.received,
        created=message.created,
        modified=message.modified,
        visible_from=0.0,
        read=True,
    )
    inside.replace(attachment.content)
    shown = show(inside, [name for name in DEFAULT if name not in NOT_OF_ITEMS])
    del shown["@odata.etag"]
    return {"@odata.type": MESSAGE} | shown
