"""Graph's sendMail: MIME in base64 or JSON in, 202 out (facts 3.3)."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import SEND, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.compose import compose
from pillarbox.emulator.world.delivery import Submission, deliver

MAX_RECIPIENTS = 500
"""Exchange's default per message (facts 3.10)."""


def send(request: Request) -> Answer:
    """POST /users/{user}/sendMail; MIME is always saved, JSON may say no."""
    call = request.call
    content, save = _content(request)
    headers = mime.headers_of(content)
    recipients = mime.addresses(headers, "to", "cc", "bcc")
    check(request, headers, recipients)
    submission = Submission(
        tenant=request.caller.tenant,
        sender=request.owner,
        mime=content,
        headers=headers,
        recipients=recipients,
        app_id=request.caller.app_id,
        request_id=call.request_id,
        client_request_id=call.client_request_id,
        save=save,
    )
    deliver(request.world, request.ledger, submission, call.now)
    return Answer(202)


def check(request: Request, headers: mime.Headers, recipients: Sequence[str]) -> None:
    """Refuse what Exchange does not send: bad or too many recipients, a From that is another's."""
    if not recipients or not all(map(_has_form, recipients)):
        raise GraphError("ErrorInvalidRecipients")
    if len(recipients) > MAX_RECIPIENTS:
        raise GraphError("ErrorInvalidRecipients", f"The message has more than {MAX_RECIPIENTS} recipients.")
    senders = mime.addresses(headers, "from")
    if request.world.checks_from and not all(map(request.owner.owns, senders)):
        raise GraphError("ErrorSendAsDenied")


def _content(request: Request) -> tuple[bytes, bool]:
    call, user = request.call, request.owner
    _ = request.mailbox  # A mailbox that is not there comes before a body that is wrong.
    if call.content_type == "text/plain":
        return decode(call.body), True
    if call.content_type != "application/json":
        raise GraphError("UnsupportedMediaType")
    fields = read_json(call.body)
    message = fields.get("message")
    if not isinstance(message, dict):
        raise GraphError("ErrorInvalidRequest", "The 'Message' parameter is missing or is no object.")
    # Microsoft's own samples send the string "false".
    save = str(fields.get("savetosentitems", True)).lower() != "false"
    return compose(message, user, request.world.entropy, call.now), save


def decode(body: bytes) -> bytes:
    """The MIME in a text/plain body; line breaks are allowed, anything else outside the alphabet is not."""
    text = body.translate(None, b"\r\n\t ")
    # The strict mode of Python 3.11 lets too much padding pass.
    padded = len(text) % 4 == 0 and not text.endswith(b"===")
    try:
        content = base64.b64decode(text, validate=True) if padded else b""
    except binascii.Error:
        content = b""
    if not content:
        raise GraphError("ErrorMimeContentInvalidBase64String")
    return content


def read_json(body: bytes) -> dict[str, Any]:
    """The parameters of an action, names in lower case: SDKs send `Message`, the documents say `message`."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise GraphError("BadRequest", "Unable to read JSON request payload.")
    return {name.lower(): value for name, value in fields.items()}


def _has_form(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and not any(sign in address for sign in " <>,;")


OPERATIONS = (Operation("POST", "/users/{user}/sendMail", send, SEND),)
