"""The bytes that a part carries, decoded piece by piece: an attachment is never whole in memory. Pure."""

import binascii
import quopri
from collections.abc import Iterator
from typing import Final

from pillarbox.mime.division import encoding
from pillarbox.mime.tree import Buffer, Part

PIECE: Final = 1024 * 1024
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64: Final = bytes(set(range(256)) - set(_ALPHABET))


def decoded(buffer: Buffer, part: Part) -> Iterator[bytes]:
    """What the part carries, in pieces of about PIECE bytes, by its Content-Transfer-Encoding (RFC 2045 section 6).

    Bytes that are not of base64's alphabet are passed over, as section 6.8 asks; what follows its padding is too.
    """
    match encoding(part):
        case "base64":
            return _base64(buffer, part.body, part.end)
        case "quoted-printable":
            return _quoted_printable(buffer, part.body, part.end)
    return (buffer[at : min(at + PIECE, part.end)] for at in range(part.body, part.end, PIECE))


def _base64(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    rest = b""
    for at in range(start, end, PIECE):
        rest += buffer[at : min(at + PIECE, end)].translate(None, _NO_BASE64)
        if b"=" in rest:
            break
        whole = len(rest) // 4 * 4
        yield binascii.a2b_base64(rest[:whole])
        rest = rest[whole:]
    rest = rest.partition(b"=")[0]
    if len(rest) % 4 == 1:
        rest = rest[:-1]  # Six bits are no byte.
    yield binascii.a2b_base64(rest + b"=" * (-len(rest) % 4))


def _quoted_printable(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    at = start
    while at < end:
        stop = buffer.rfind(b"\r\n", at, min(at + PIECE, end)) + 2 if at + PIECE < end else end
        # A line that has no end within a piece is no quoted-printable, whose lines have 76 characters.
        stop = stop if stop > at else min(at + PIECE, end)
        yield quopri.decodestring(buffer[at:stop])
        at = stop
