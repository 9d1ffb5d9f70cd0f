"""A file as base64, line by line (RFC 2045 section 6.8): its length is known before, it is never whole in memory."""

import binascii
from collections.abc import Iterator
from typing import Final

from pillarbox.core.content import Content

_LINE_IN: Final = 57
_TEXT: Final = 76
_LINE_OUT: Final = _TEXT + 2
_AT_ONCE: Final = 3360 * _LINE_IN
"""Bytes that are encoded in one go: not more than content.PIECE come out."""


def encoded_size(size: int) -> int:
    """Bytes that so many become."""
    lines, rest = divmod(size, _LINE_IN)
    return lines * _LINE_OUT + ((rest + 2) // 3 * 4 + 2 if rest else 0)


def encoded(content: Content, start: int = 0) -> Iterator[bytes]:
    """The lines of a content, from the byte `start` of them on, in pieces."""
    line, skip = divmod(start, _LINE_OUT)
    for data in _blocks(content, line * _LINE_IN):
        yield _lines(data)[skip:]
        skip = 0


def _blocks(content: Content, start: int) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in content.pieces(start):
        waiting += piece
        while len(waiting) >= _AT_ONCE:
            yield bytes(waiting[:_AT_ONCE])
            del waiting[:_AT_ONCE]
    if waiting:
        yield bytes(waiting)


def _lines(data: bytes) -> bytes:
    text = binascii.b2a_base64(data, newline=False)
    lines = [text[start : start + _TEXT] for start in range(0, len(text), _TEXT)]
    return b"\r\n".join((*lines, b""))
