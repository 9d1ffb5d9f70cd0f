"""The parts of a message as ranges of its bytes, so that what is not touched stays as it came. Pure.

Structure is read as `core.mime_shape` counts it, which every message has passed at accept; the header of a part is read
by Python's email package, with the lenient policy compat32 (the others take minutes over hostile headers).
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Final

from pillarbox.core.mime_shape import MAX_DEPTH, MAX_PART_HEADER, MAX_PARTS

Buffer = bytes | mmap.mmap
_NEWLINE: Final = b"\r\n"
_BLANKS: Final = b" \t"
_PARSER: Final = BytesHeaderParser(policy=compat32)
_MOST_HEADER: Final = 2 * MAX_PART_HEADER
"""The top header block may be larger by what we added."""


class TooComplex(Exception):
    """Deeper, or of more parts, than what was accepted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header is `start` to `body`, its body `body` to `end`, without the newline before the delimiter.

    With its own delimiter before it, it is all from `line` up to `after`: taken out, the rest is well-formed.
    """

    line: int
    start: int
    body: int
    end: int
    after: int
    header: "Message[str, str]"
    parts: tuple["Part", ...] = ()

    @property
    def type(self) -> str:
        """Media type in lower case, such as `application/pdf`."""
        return self.header.get_content_type()

    @property
    def size(self) -> int:
        """Bytes that go with it."""
        return self.after - self.line


class _Counter:
    def __init__(self) -> None:
        self.parts = 0

    def next(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS + 1:
            raise TooComplex


def parse(buffer: Buffer) -> Part:
    """The message as a part that holds the others. Raises TooComplex."""
    return _part(buffer, (0, 0, len(buffer), len(buffer)), "text/plain", 0, _Counter())


def header_at(buffer: Buffer, start: int, end: int) -> "Message[str, str]":
    """The header that begins at `start`, such as that of a mail in a mail. Raises TooComplex."""
    return _PARSER.parsebytes(buffer[start : _body(buffer, start, end)[0]])


def _part(buffer: Buffer, place: tuple[int, int, int, int], default: str, depth: int, counter: _Counter) -> Part:
    counter.next()
    if depth > MAX_DEPTH:
        raise TooComplex
    line, start, end, after = place
    header_end, body = _body(buffer, start, end)
    header = _PARSER.parsebytes(buffer[start:header_end])
    header.set_default_type(default)
    inner = "message/rfc822" if header.get_content_type() == "multipart/digest" else "text/plain"
    parts = tuple(
        _part(buffer, within, inner, depth + 1, counter) for within in _delimited(buffer, body, end, _boundary(header))
    )
    return Part(line, start, min(body, end), end, after, header, parts)


def _boundary(header: "Message[str, str]") -> bytes:
    """Empty where the part is no multipart, or a multipart without a boundary, which is text."""
    if header.get_content_maintype() != "multipart":
        return b""
    return (header.get_boundary() or "").encode("utf-8", "surrogateescape")


def _body(buffer: Buffer, start: int, end: int) -> tuple[int, int]:
    """Where the header ends and the body begins: behind the empty line, or at the first line that is no field."""
    at = start
    while at < end:
        if at - start > _MOST_HEADER:
            raise TooComplex
        stop = buffer.find(_NEWLINE, at, end)
        line = buffer[at : stop if stop >= 0 else end]
        if not line:
            return at, at + 2
        name, colon, _ = line.partition(b":")
        name = name.rstrip(_BLANKS)
        is_folded = line[:1] in (b" ", b"\t") and at > start
        if not is_folded and (not colon or not name or b" " in name):
            return at, at
        at += len(line) + 2
    return end, end


def _delimited(buffer: Buffer, begin: int, end: int, boundary: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The parts between the delimiters of one boundary: `line`, `start`, `end`, `after` of each."""
    if not boundary:
        return
    opened: tuple[int, int] | None = None
    for line, behind, is_last in _delimiters(buffer, begin, end, boundary):
        if opened is not None:
            yield (*opened, max(opened[1], line - 2), line)
        opened = None if is_last else (line, min(behind, end))
    if opened is not None:
        yield (*opened, end, end)


def _delimiters(buffer: Buffer, begin: int, end: int, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """Lines that are a delimiter (RFC 2046 section 5.1.1): where each begins, what is behind it, whether it is last."""
    dashed = b"--" + boundary
    # The first line has no newline before it that is the part's own.
    at = begin if buffer[begin : begin + len(dashed)] == dashed else _next(buffer, dashed, begin, end)
    while 0 <= at < end:
        stop = buffer.find(_NEWLINE, at, end)
        stop = stop if stop >= 0 else end
        # What is longer than a delimiter and its blanks is cut: no line however long is copied.
        text = bytes(buffer[at : min(stop, at + len(dashed) + 1000)]).rstrip(_BLANKS)
        if text in (dashed, dashed + b"--"):
            yield at, stop + 2, text != dashed
            if text != dashed:
                return
        at = _next(buffer, dashed, stop, end)


def _next(buffer: Buffer, dashed: bytes, at: int, end: int) -> int:
    """The beginning of the next line that starts so; -1 where there is none."""
    before = buffer.find(_NEWLINE + dashed, at, end)
    return before + 2 if before >= 0 else -1
