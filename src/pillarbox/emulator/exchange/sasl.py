"""What clients say in SASL: strict base64, and the XOAUTH2 string (facts 4)."""

import base64
import binascii
import re
from dataclasses import dataclass, field

XOAUTH2 = re.compile(r"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01", re.IGNORECASE)


@dataclass(frozen=True)
class Credentials:
    """Whose mailbox a client wants to enter, and its access token."""

    user: str
    token: str = field(repr=False)


def decode(line: bytes | str) -> bytes:
    """The bytes behind a base64 line (RFC 4648 section 4), `=` alone for none; a ValueError for anything else."""
    text = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
    if text == b"=":
        return b""
    # The strict mode of Python 3.11 lets too much padding pass.
    if len(text) % 4 or text.endswith(b"==="):
        raise ValueError("no base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def parse_xoauth2(message: bytes) -> Credentials:
    """Read `user=<mailbox>^Aauth=Bearer <token>^A^A`; a ValueError if it does not have that form."""
    found = XOAUTH2.fullmatch(message.decode("utf-8"))
    if found is None:
        raise ValueError("no XOAUTH2 message")
    return Credentials(found[1], found[2])
