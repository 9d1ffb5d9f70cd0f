"""SMTP replies as bytes: `250 2.0.0 text`, the codes of errors from the catalogue."""

import base64
from collections.abc import Sequence
from typing import Final

from pillarbox.core.errors import InvalidInput, PillarboxError

MAX_LINE: Final = 512
"""Longest line of a reply with its CRLF (RFC 5321 section 4.5.3.1.5)."""

OK: Final = b"250 2.0.0 OK\r\n"
SENDER_OK: Final = b"250 2.1.0 Sender OK\r\n"
RECIPIENT_OK: Final = b"250 2.1.5 Recipient OK\r\n"
GO_AHEAD: Final = b"354 End data with <CR><LF>.<CR><LF>\r\n"
AUTHENTICATED: Final = b"235 2.7.0 Authentication successful\r\n"
READY_FOR_TLS: Final = b"220 2.0.0 Ready to start TLS\r\n"
BYE: Final = b"221 2.0.0 Bye\r\n"
CANNOT_VERIFY: Final = b"252 2.5.2 Cannot verify; send some mail\r\n"

HELP: Final = b"214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\r\n"


def greeting(hostname: str, banner: str) -> bytes:
    """The first line of the server."""
    return f"220 {hostname} {banner}".encode("ascii", "backslashreplace")[: MAX_LINE - 2] + b"\r\n"


def challenge(text: bytes) -> bytes:
    """What AUTH asks for (RFC 4954 section 4)."""
    return b"334 " + base64.b64encode(text) + b"\r\n"


def queued(queue_id: str) -> bytes:
    """The acknowledgement: from here on the message is ours."""
    return f"250 2.0.0 queued as {queue_id}\r\n".encode("ascii")


def lines(code: int, texts: Sequence[str]) -> bytes:
    """A reply of several lines without enhanced codes, as EHLO's is (RFC 2034 section 4)."""
    *first, last = texts
    reply = "".join([*(f"{code}-{text}\r\n" for text in first), f"{code} {last}\r\n"])
    return reply.encode("ascii", "backslashreplace")


def error(error: PillarboxError) -> bytes:
    """The reply to an error, in ASCII on one line."""
    reply = "".join(c if c.isprintable() else "?" for c in error.smtp_reply)
    return reply.encode("ascii", "backslashreplace")[: MAX_LINE - 2] + b"\r\n"


def refuse(code: str, /, **params: object) -> bytes:
    """The reply to an error of the protocol, by its code in the catalogue."""
    return error(InvalidInput(code, **params))
