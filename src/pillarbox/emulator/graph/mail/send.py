"""Graph's sendMail: MIME in base64 or JSON in, 202 out (facts 3.3)."""

import base64
import binascii

from pillarbox.emulator.graph import fields, odata
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.mail.message_input import read_message
from pillarbox.emulator.graph.mail.submit import submit
from pillarbox.emulator.graph.payload import check_encoding
from pillarbox.emulator.graph.request import SEND, Operation, Request
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.mail.content import Content


def send(request: Request) -> Answer:
    """POST /users/{user}/sendMail; MIME is always saved, JSON may say no."""
    call = request.call
    _ = request.mailbox  # A mailbox that is not there comes before a body that is wrong.
    odata.allow(call, request.gaps)
    if call.content_type == "text/plain":
        submit(request, decode(call))
    else:
        _send_json(request)
    return Answer(202)


def _send_json(request: Request) -> None:
    given = fields.read_parameters(request.call, "sendMail", "message", "savetosentitems")
    if given.get("message") is None:
        raise GraphError("ErrorInvalidRequest", "The 'Message' parameter is missing.")
    changes = read_message(request, given["message"])
    save = _saves(given.get("savetosentitems"))
    submit(request, changes.applied(Content()), save=save, marks=changes.marks)


def _saves(value: object) -> bool:
    """True by default. Microsoft's own samples send the string "false" (facts 3.3)."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value is None or fields.boolean(value, "SaveToSentItems")


def decode(call: Call) -> bytes:
    """The MIME in a text/plain body; line breaks are allowed, anything else outside the alphabet is not."""
    check_encoding(call)
    text = call.body.translate(None, b"\r\n\t ")
    # The strict mode of Python 3.11 lets too much padding pass.
    padded = len(text) % 4 == 0 and not text.endswith(b"===")
    try:
        content = base64.b64decode(text, validate=True) if padded else b""
    except binascii.Error:
        content = b""
    if not content:
        raise GraphError("ErrorMimeContentInvalidBase64String")
    return content


OPERATIONS = (Operation("POST", "/users/{user}/sendMail", send, SEND),)
