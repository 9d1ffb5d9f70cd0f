"""Graph's sendMail: MIME in base64 or JSON in, 202 out (facts 3.3)."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from pillarbox.emulator import mime
from pillarbox.emulator.compose import compose
from pillarbox.emulator.delivery import Submission, deliver
from pillarbox.emulator.graph_error import GraphError
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import Tenant, User, World

MAX_RECIPIENTS = 500
"""Exchange's default per message (facts 3.10)."""


class Sender:
    """Accepts mails: checks them, delivers them, and notes them in the ledger."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger

    def send(self, call: Call, tenant: Tenant, user: User, app_id: str) -> Answer:
        """The answer to `POST /users/{id}/sendMail`; MIME is always saved, JSON may say no."""
        content, save = self._content(call, user)
        headers = mime.headers_of(content)
        recipients = mime.addresses(headers, "to", "cc", "bcc")
        self._check(user, headers, recipients)
        submission = Submission(
            tenant=tenant,
            sender=user,
            mime=content,
            headers=headers,
            recipients=recipients,
            app_id=app_id,
            request_id=call.request_id,
            client_request_id=call.client_request_id,
            save=save,
        )
        deliver(self._world, self._ledger, submission, call.now)
        return Answer(202)

    def _content(self, call: Call, user: User) -> tuple[bytes, bool]:
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
        return compose(message, user, self._world.entropy, call.now), save

    def _check(self, user: User, headers: mime.Headers, recipients: Sequence[str]) -> None:
        if not recipients or not all(map(_has_form, recipients)):
            raise GraphError("ErrorInvalidRecipients")
        if len(recipients) > MAX_RECIPIENTS:
            text = f"The message has more than {MAX_RECIPIENTS} recipients."
            raise GraphError("ErrorInvalidRecipients", text)
        senders = mime.addresses(headers, "from")
        if self._world.checks_from and not all(map(user.owns, senders)):
            raise GraphError("ErrorSendAsDenied")


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
