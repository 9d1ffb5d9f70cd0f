"""The shape of a message's MIME: how deep and in how many parts, found in one pass, without recursion, and capped.

Nothing is decoded or kept. What is counted is what makes a parser that builds the whole tree run out of something. A
missing last boundary, a part without a header and a header without an empty line behind it are read as Python's email
package reads them.
"""

import re
from typing import Final, NamedTuple

from pillarbox.core.errors import InvalidInput

MAX_DEPTH: Final = 50
"""Multiparts and messages inside each other."""
MAX_PARTS: Final = 1000
MAX_BOUNDARY: Final = 70
"""Bytes, RFC 2046 section 5.1.1."""
MAX_PART_HEADER: Final = 128 * 1024
_MAX_CONTENT_TYPE: Final = 16 * 1024
_LINE_KEPT: Final = MAX_BOUNDARY + 30
"""Bytes of an unfinished line of a body that tell whether it is a delimiter."""

_BLANKS: Final = b" \t"
# One parameter of Content-Type (RFC 2045 section 5.1), the quoted ones whole, so that nothing in them looks like one.
_PARAMETER: Final = re.compile(rb';[ \t]*+([^\s=;"]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))')
_ESCAPED: Final = re.compile(rb"\\(.)")
_TEXT: Final = b"text/plain"
_MESSAGE: Final = b"message/rfc822"
_MESSAGES: Final = (_MESSAGE, b"message/global", b"message/news")


class _Multipart(NamedTuple):
    """A multipart that is open, and what its parts are that do not say so (RFC 2046 section 5.1.5)."""

    boundary: bytes
    default: bytes


class Shape:
    """Counts the parts of one message. `feed` it the message's body, in pieces of any length.

    `depth` is how many multiparts and messages are inside each other at most, `parts` how many parts there are in all.
    """

    def __init__(self, content_type: bytes) -> None:
        """`content_type` is the value of the message's own Content-Type, unfolded. Raises as `feed`."""
        self.depth = 0
        self.parts = 0
        self._open: list[_Multipart | None] = []  # None: a message
        self._boundaries: set[bytes] = set()
        self._rest = b""
        self._in_header = False
        self._header_bytes = 0
        self._content_type: bytes | None = None
        self._default = _TEXT
        self._folds_content_type = False
        self._enter(content_type)

    @property
    def is_done(self) -> bool:
        """Whether nothing more can be found; from the beginning on in a message that is one part."""
        return not self._open

    def feed(self, piece: bytes) -> None:
        """The next piece of the body, as it came with CRLF.

        Raises InvalidInput `mail.mime_too_deep`, `mail.mime_too_many_parts`, `mail.mime_boundary`, and
        `mail.header_too_large` or `mail.value_too_large` for the header of a part.
        """
        if self.is_done:
            return
        data = self._rest + piece
        at = 0  # always where a line begins
        while True:
            if not self._in_header and not data.startswith(b"--", at):
                before = data.find(b"\r\n--", at)
                if before < 0:
                    before = data.rfind(b"\r\n", at)
                if before >= 0:
                    at = before + 2
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            self._read(data[at:end])
            at = end + 2
        self._rest = self._shortened(data[at:])

    def _shortened(self, line: bytes) -> bytes:
        """What of an unfinished line must be kept, so that no line however long costs more than its bytes."""
        if self._in_header:
            self._check_header(len(line))
            return line
        if len(line) <= 2 * _LINE_KEPT:
            return line
        end = b"\r" if line.endswith(b"\r") else b""
        is_blank = not line[_LINE_KEPT:].strip(b" \t\r")
        return line[:_LINE_KEPT] + (b" " if is_blank else b"x") + end

    def _read(self, line: bytes) -> None:
        if self._in_header:
            self._check_header(len(line))
        if line.startswith(b"--") and self._is_delimiter(line[2:].rstrip(_BLANKS)):
            return
        if self._in_header:
            self._read_header(line)

    # ---- between parts

    def _is_delimiter(self, text: bytes) -> bool:
        """Whether this, behind its dashes, begins or ends a part of a multipart that is open; if so, it does."""
        if text in self._boundaries:
            level = self._level(text)
            self._close_down_to(level + 1)
            self.parts += 1
            if self.parts > MAX_PARTS:
                raise InvalidInput("mail.mime_too_many_parts", limit=MAX_PARTS)
            multipart = self._open[level]
            self._begin_header(multipart.default if multipart else _TEXT)
            return True
        if text.endswith(b"--") and text[:-2] in self._boundaries:
            self._close_down_to(self._level(text[:-2]))
            self._in_header = False
            return True
        return False

    def _level(self, boundary: bytes) -> int:
        """Which of the multiparts that are open has it; of two, the inner one."""
        level = len(self._open) - 1
        while (found := self._open[level]) is None or found.boundary != boundary:
            level -= 1
        return level

    def _close_down_to(self, level: int) -> None:
        if level < len(self._open):
            del self._open[level:]
            self._boundaries = {one.boundary for one in self._open if one}

    # ---- the header of a part

    def _begin_header(self, default: bytes) -> None:
        self._in_header = True
        self._header_bytes = 0
        self._content_type = None
        self._default = default
        self._folds_content_type = False

    def _read_header(self, line: bytes) -> None:
        self._header_bytes += len(line) + 2
        if line[:1] in (b" ", b"\t"):
            if self._folds_content_type and self._content_type is not None:
                self._keep_content_type(self._content_type + line)
            return
        name, colon, text = line.partition(b":")
        name = name.rstrip(_BLANKS)
        if not colon or not name or b" " in name:
            # The empty line, or one that is no field: the body has begun.
            self._enter(self._default if self._content_type is None else self._content_type)
            return
        self._folds_content_type = self._content_type is None and name.lower() == b"content-type"
        if self._folds_content_type:
            self._keep_content_type(text)

    def _check_header(self, more: int) -> None:
        if self._header_bytes + more > MAX_PART_HEADER:
            raise InvalidInput("mail.header_too_large", limit=MAX_PART_HEADER, fields=MAX_PARTS)

    def _keep_content_type(self, text: bytes) -> None:
        if len(text) > _MAX_CONTENT_TYPE:
            raise InvalidInput("mail.value_too_large", field="content-type", limit=_MAX_CONTENT_TYPE)
        self._content_type = text

    # ---- the body of a part

    def _enter(self, content_type: bytes) -> None:
        """The body of a part begins."""
        self._in_header = False
        kind = content_type.partition(b";")[0].strip().lower()
        if kind.startswith(b"multipart/"):
            boundary = _boundary_of(content_type)
            if boundary is not None:
                self._go_in(_Multipart(boundary, _MESSAGE if kind == b"multipart/digest" else _TEXT))
        elif kind in _MESSAGES:
            self._go_in(None)
            self._begin_header(_TEXT)

    def _go_in(self, composite: _Multipart | None) -> None:
        self._open.append(composite)
        if composite is not None:
            self._boundaries.add(composite.boundary)
        self.depth = max(self.depth, len(self._open))
        if self.depth > MAX_DEPTH:
            raise InvalidInput("mail.mime_too_deep", limit=MAX_DEPTH)


def _boundary_of(content_type: bytes) -> bytes | None:
    """The boundary; None where there is none, so that the multipart is text. Raises InvalidInput."""
    for match in _PARAMETER.finditer(content_type):
        if match[1].lower() != b"boundary":
            continue
        boundary = (_ESCAPED.sub(rb"\1", match[2]) if match[2] is not None else match[3]).rstrip(_BLANKS)
        if len(boundary) > MAX_BOUNDARY:
            raise InvalidInput("mail.mime_boundary", limit=MAX_BOUNDARY)
        return boundary
    return None
