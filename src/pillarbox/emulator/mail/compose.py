"""A Graph JSON message becomes MIME, as Exchange does when a mail is sent by JSON."""

import base64
import binascii
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.ids import Entropy, guid
from pillarbox.emulator.world import User

MAX_HEADERS = 5
RECIPIENTS = {"toRecipients": "To", "ccRecipients": "Cc", "bccRecipients": "Bcc", "replyTo": "Reply-To"}
IMPORTANCE = {"low": "5", "high": "1"}


def compose(message: dict[str, Any], user: User, entropy: Entropy, now: float) -> bytes:
    """The MIME of a JSON message, sent by `user`; what Graph would refuse raises GraphError."""
    mail = EmailMessage(policy=SMTP)
    try:
        _write_headers(mail, message, user, entropy, now)
        _write_body(mail, message.get("body") or {})
        for attachment in message.get("attachments") or []:
            _attach(mail, attachment)
        return mail.as_bytes()
    except (TypeError, ValueError, AttributeError, LookupError, MessageError) as error:
        raise GraphError("BadRequest", f"Unable to read JSON request payload: {type(error).__name__}.") from error


def _write_headers(mail: EmailMessage, message: dict[str, Any], user: User, entropy: Entropy, now: float) -> None:
    mail["From"] = _address(message["from"]) if message.get("from") else Address(user.name, addr_spec=user.upn)
    for field, name in RECIPIENTS.items():
        if message.get(field):
            mail[name] = [_address(each) for each in message[field]]
    mail["Subject"] = " ".join(str(message.get("subject") or "").split())
    mail["Date"] = formatdate(now)
    mail["Message-ID"] = message.get("internetMessageId") or f"<{guid(entropy)}@{user.upn.rpartition('@')[2]}>"
    importance = IMPORTANCE.get(str(message.get("importance", "")).lower())
    if importance:
        mail["X-Priority"] = importance
    _write_own_headers(mail, message.get("internetMessageHeaders") or [])


def _write_own_headers(mail: EmailMessage, headers: list[dict[str, str]]) -> None:
    if len(headers) > MAX_HEADERS:
        raise GraphError("InvalidInternetMessageHeaderCollection")
    for header in headers:
        if not header["name"].lower().startswith("x-"):
            text = f"The internet message header name '{header['name']}' should start with 'x-' or 'X-'."
            raise GraphError("InvalidInternetMessageHeader", text)
        mail[header["name"]] = header["value"]


def _write_body(mail: EmailMessage, body: dict[str, Any]) -> None:
    html = str(body.get("contentType", "text")).lower() == "html"
    mail.set_content(str(body.get("content") or ""), subtype="html" if html else "plain")


def _attach(mail: EmailMessage, attachment: dict[str, Any]) -> None:
    kind = str(attachment.get("@odata.type", "#microsoft.graph.fileAttachment"))
    if not kind.endswith("fileAttachment"):
        raise GraphError("BadRequest", f"Attachments of type '{kind}' are not emulated.")
    maintype, _, subtype = str(attachment.get("contentType") or "application/octet-stream").partition("/")
    try:
        content = base64.b64decode(attachment["contentBytes"], validate=True)
    except binascii.Error:
        raise GraphError("BadRequest", "Cannot convert the literal to the expected type 'Edm.Binary'.") from None
    inline = attachment.get("isInline") is True
    mail.add_attachment(
        content,
        maintype=maintype,
        subtype=subtype.partition(";")[0] or "octet-stream",
        filename=attachment["name"],
        disposition="inline" if inline else "attachment",
        cid=f"<{attachment['contentId']}>" if attachment.get("contentId") else None,
    )


def _address(recipient: dict[str, Any]) -> Address:
    fields = recipient["emailAddress"]
    address = str(fields.get("address") or "").strip()
    if "@" not in address:
        raise GraphError("ErrorInvalidRecipients")
    return Address(str(fields.get("name") or ""), addr_spec=address)
