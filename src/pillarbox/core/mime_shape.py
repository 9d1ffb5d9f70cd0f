"""The shape of a message's MIME: how deep and in how many parts, found in one pass, without recursion, and capped.

Nothing is decoded or kept. What is counted is what makes a parser that builds the whole tree run out of something. A
missing last boundary, a part without a header and a header without an empty line behind it are read as Python's email
package reads them. What other parsers may see otherwise, and so more in it than is counted here, is refused.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from pillarbox.core.errors import InvalidInput
from pillarbox.core.sealed_mime import is_sealed, is_sealed_message
from pillarbox.core.text_parts import is_known, is_text

MAX_DEPTH: Final = 50
"""Multiparts and messages inside each other."""
MAX_PARTS: Final = 1000
MAX_BOUNDARY: Final = 70
"""Bytes, RFC 2046 section 5.1.1."""
MAX_PART_HEADER: Final = 128 * 1024
_MAX_CONTENT_TYPE: Final = 16 * 1024
_LINE_KEPT: Final = MAX_BOUNDARY + 30
"""Bytes of an unfinished line of a body that tell whether it is a delimiter."""

_NEWLINE: Final = b"\r\n"
_BLANKS: Final = b" \t"
# A Content-Type that all parsers cut alike (RFC 2045 section 5.1): a quote only around a whole value, and in it no
# escaped backslash, as some count quotes.
_PARAMETER: Final = rb';([^=;"]*+)(?:=[ \t]*+(?:"((?:[^"\\]|\\[^\\])*+)"[ \t]*+|([^;"]*+)))?+'
_PARAMETERS: Final = re.compile(_PARAMETER)
_REGULAR: Final = re.compile(rb'[^;"]*+(?:' + _PARAMETER + rb")*+")
# In a boundary: Python takes quotes and angle brackets away twice and leaves backslashes; a comment is one to some.
_UNCLEAR: Final = re.compile(rb'[\x00-\x1f\x7f"<>\\]')
_UNCLEAR_UNQUOTED: Final = re.compile(rb"[ \t(]")
_READ: Final = (b"content-type", b"content-disposition", b"content-transfer-encoding")
_TEXT: Final = b"text/plain"
_MESSAGE: Final = b"message/rfc822"


class _Multipart(NamedTuple):
    """A multipart that is open, and what its parts are that do not say so (RFC 2046 section 5.1.5)."""

    boundary: bytes
    default: bytes
    is_sealed: bool
    """It is signed or encrypted, or within what is."""
    has_forms: bool
    """Its parts are forms of one text."""
    has_root: bool
    """Its first part is what the others are shown in (RFC 2387)."""


class _Delimiter(NamedTuple):
    """A line between parts: the boundary in it, and whether it is the one behind the last part."""

    boundary: bytes
    is_last: bool


class Shape:
    """Counts the parts of one message. `feed` it the message's body, in pieces of any length.

    `depth` is how many multiparts and messages are inside each other at most, `parts` how many parts there are in all.
    `staying` is how many bytes of it cannot be taken out of it as files: its text in all its forms, what is between
    the parts, and what is signed or encrypted; `holds_sealed` tells whether there is such. A message within it is a
    file, whatever it holds. From a second multipart on that has the boundary of an open one all stays: which of the two
    a delimiter is of, is not read alike everywhere.
    """

    def __init__(self, *content_types: bytes, disposition: bytes = b"", encoding: bytes = b"") -> None:
        """The values of the message's own Content-Type and so on, unfolded. Raises as `feed`."""
        self.depth = 0
        self.parts = 0
        self.staying = 0
        self.holds_sealed = False
        self._fed = 0
        self._stays_from: int | None = None
        """Where the body began that cannot be taken out, if this one cannot."""
        self._is_unclear = False
        """A boundary was repeated: from there on all stays."""
        self._open: list[_Multipart | None] = []  # None: a message
        self._boundaries: set[bytes] = set()
        self._delimiters: dict[bytes, _Delimiter] = {}
        """By their lines, without blanks behind."""
        self._dashes = b""
        """What every line begins with that may be a delimiter now."""
        self._rest = b""
        self._in_header = False
        self._header_bytes = 0
        self._content_types: list[bytes] = []
        self._disposition = disposition
        self._encoding = encoding
        self._default = _TEXT
        self._fresh: _Multipart | None = None
        """The multipart whose first part has not begun."""
        self._is_form = False
        """What has begun is a form of the text."""
        self._folded = b""
        """The field, of these three, that the next line may go on with."""
        self._enter(content_types or [_TEXT], 0)

    @property
    def is_done(self) -> bool:
        """Whether nothing more can be found; from the beginning on in a message that is one part."""
        return not (self._in_header or self._boundaries)

    def feed(self, piece: bytes) -> None:
        """The next piece of the body, as it came with CRLF.

        Raises InvalidInput `mail.mime_too_deep`, `mail.mime_too_many_parts`, `mail.mime_boundary`,
        `mail.mime_boundary_form`, `mail.mime_two_types`, and `mail.header_too_large` or `mail.value_too_large` for the
        header of a part.
        """
        if self.is_done:
            return
        # Before every line, also the first, there is a newline; `at` is always one.
        data = _NEWLINE + self._rest + piece
        self._fed += len(piece)
        at = 0
        while self._in_header or self._boundaries:
            if not self._in_header:
                at = self._before_delimiter(data, at)
            end = data.find(_NEWLINE, at + 2)
            if end < 0:
                break
            self._read(data[at + 2 : end], self._fed - len(data) + at, self._fed - len(data) + end + 2)
            at = end
        self._rest = self._shortened(data[at + 2 :])

    def end(self, size: int) -> None:
        """The body has ended, and had so many bytes."""
        self._leave(size)

    def _before_delimiter(self, data: bytes, at: int) -> int:
        """The newline before the next delimiter; else the last newline, as what follows may become one."""
        beginning = _NEWLINE + self._dashes
        while (before := data.find(beginning, at)) >= 0 and (end := data.find(_NEWLINE, before + 2)) >= 0:
            if data[before + 2 : end].rstrip(_BLANKS) in self._delimiters:
                return before
            at = end
        return data.rfind(_NEWLINE, at)

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

    def _read(self, line: bytes, before: int, behind: int) -> None:
        """A line between the places `before` and `behind` of the body."""
        if self._in_header:
            self._check_header(len(line))
        if delimiter := self._delimiters.get(line.rstrip(_BLANKS)):
            level = self._level(delimiter.boundary)
            is_own = self._is_own(level)
            if is_own:
                self._leave(before)
            self._delimit(delimiter, level)
            if is_own:
                self._stays_from = before if delimiter.is_last or self._is_sealed else None
        elif self._in_header:
            self._read_header(line, behind)

    # ---- between parts

    def _delimit(self, delimiter: _Delimiter, level: int) -> None:
        """A part of the multipart that is open at this level begins, or its last one ends."""
        if delimiter.is_last:
            self._close_down_to(level)
            self._in_header = False
            return
        self._close_down_to(level + 1)
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise InvalidInput("mail.mime_too_many_parts", limit=MAX_PARTS)
        multipart = self._open[level]
        is_root = multipart is not None and multipart.has_root and multipart is self._fresh
        self._is_form = is_root or (multipart is not None and multipart.has_forms)
        self._fresh = None
        self._begin_header(multipart.default if multipart else _TEXT)

    def _level(self, boundary: bytes) -> int:
        """Which of the multiparts that are open has it; of two, the inner one."""
        level = len(self._open) - 1
        while (found := self._open[level]) is None or found.boundary != boundary:
            level -= 1
        return level

    def _close_down_to(self, level: int) -> None:
        if level < len(self._open):
            del self._open[level:]
            self._look_for({one.boundary for one in self._open if one})

    def _look_for(self, boundaries: set[bytes]) -> None:
        self._boundaries = boundaries
        # Where one is another with two dashes behind, the line begins a part of that one.
        self._delimiters = {b"--" + one + b"--": _Delimiter(one, is_last=True) for one in boundaries}
        self._delimiters |= {b"--" + one: _Delimiter(one, is_last=False) for one in boundaries}
        self._dashes = b"--" + _common_beginning(boundaries)

    # ---- the header of a part

    def _begin_header(self, default: bytes) -> None:
        self._in_header = True
        self._header_bytes = 0
        self._content_types = []
        self._disposition = b""
        self._encoding = b""
        self._default = default
        self._folded = b""

    def _read_header(self, line: bytes, behind: int) -> None:
        self._header_bytes += len(line) + 2
        if line[:1] in (b" ", b"\t"):
            if self._folded == b"content-type":
                self._content_types.append(self._checked(self._content_types.pop() + line))
            elif self._folded == b"content-disposition":
                self._disposition += line
            return
        name, colon, text = line.partition(b":")
        name = name.rstrip(_BLANKS)
        if not colon or not name or b" " in name:
            # The empty line, or one that is no field: the body has begun.
            self._enter(self._content_types or [self._default], behind)
            return
        self._folded = lower if (lower := name.lower()) in _READ else b""
        if self._folded == b"content-type":
            self._content_types.append(self._checked(text))
        elif self._folded == b"content-disposition":
            self._disposition += b"; " + text
        elif self._folded:
            self._encoding = self._encoding or text

    def _check_header(self, more: int) -> None:
        if self._header_bytes + more > MAX_PART_HEADER:
            raise InvalidInput("mail.header_too_large", limit=MAX_PART_HEADER, fields=MAX_PARTS)

    def _checked(self, content_type: bytes) -> bytes:
        if len(content_type) > _MAX_CONTENT_TYPE:
            raise InvalidInput("mail.value_too_large", field="content-type", limit=_MAX_CONTENT_TYPE)
        return content_type

    # ---- the body of a part

    def _enter(self, content_types: Sequence[bytes], at: int) -> None:
        """The body of a part begins there. Where a type is hidden behind a comment, rather too much is counted."""
        self._in_header = False
        types = {one.strip(_BLANKS) for one in content_types}
        is_root, is_own = not self._open, self._is_own()
        sealed = self._is_sealed or (
            is_own and any(is_sealed_message(one, self._disposition) if is_root else is_sealed(one) for one in types)
        )
        self.holds_sealed |= sealed
        if is_own:
            self._stays_from = at if sealed or self._stays(types) else None
        for content_type in types:
            lower = content_type.lower()
            is_multipart = b"multipart/" in lower
            is_message = b"message/" in lower.partition(b";")[0]
            if len(types) > 1 and (is_multipart or is_message):
                # Some parsers take the first, some the last.
                raise InvalidInput("mail.mime_two_types")
            boundary = _boundary_of(content_type) if is_multipart else None
            if boundary is not None:
                self._is_unclear |= boundary in self._boundaries and self._is_own(self._level(boundary))
                default = _MESSAGE if b"multipart/digest" in lower else _TEXT
                has_forms, has_root = (lower.startswith(b"multipart/" + one) for one in (b"alternative", b"related"))
                self._go_in(_Multipart(boundary, default, sealed, has_forms, has_root))
                if is_own or (self._is_unclear and self._stays_from is None):
                    # What stands before its first part.
                    self._stays_from = at
            if is_message:
                self._go_in(None)
                self._begin_header(_TEXT)

    def _is_own(self, level: int | None = None) -> bool:
        """Whether what is at this level (None: what begins now) is judged by itself: in no message within this one."""
        return not self._is_unclear and None not in self._open[:level]

    @property
    def _is_sealed(self) -> bool:
        """Whether what begins now is within something that is signed or encrypted."""
        return any(one is not None and one.is_sealed for one in self._open)

    def _stays(self, types: Collection[bytes]) -> bool:
        """Whether it cannot be a file: the text that is read, a form of it, or what nobody can decode."""
        return self._is_form or is_text(types, self._disposition) or not is_known(self._encoding.decode("latin-1"))

    def _leave(self, at: int) -> None:
        """The body of a part ends there."""
        if self._stays_from is not None:
            self.staying += max(0, at - self._stays_from)

    def _go_in(self, composite: _Multipart | None) -> None:
        self._open.append(composite)
        if composite is not None:
            self._fresh = composite
            self._look_for(self._boundaries | {composite.boundary})
        self.depth = max(self.depth, len(self._open))
        if self.depth > MAX_DEPTH:
            raise InvalidInput("mail.mime_too_deep", limit=MAX_DEPTH)


def _common_beginning(boundaries: set[bytes]) -> bytes:
    first, last = min(boundaries, default=b""), max(boundaries, default=b"")
    length = 0
    while first[: length + 1] == last[: length + 1] and length < len(first):
        length += 1
    return first[:length]


def _boundary_of(content_type: bytes) -> bytes | None:
    """The boundary; None where there is none, so that the multipart is text. Raises InvalidInput.

    The forms of RFC 2231 (`boundary*=`, `boundary*0=`) are refused: some parsers know them, and no mail program that
    means well writes a boundary so.
    """
    if b"boundary" not in content_type.lower():
        return None
    if not _REGULAR.fullmatch(content_type):
        raise InvalidInput("mail.mime_boundary_form")
    found: bytes | None = None
    for name, quoted, text in _PARAMETERS.findall(content_type):
        if b"boundary" not in name.lower():
            continue
        unquoted = text.strip(_BLANKS)
        boundary = quoted.rstrip(_BLANKS) or unquoted
        is_plain = name.strip(_BLANKS).lower() == b"boundary" and not _UNCLEAR_UNQUOTED.search(unquoted)
        if found is not None or not is_plain or _UNCLEAR.search(boundary):
            raise InvalidInput("mail.mime_boundary_form")
        if len(boundary) > MAX_BOUNDARY:
            raise InvalidInput("mail.mime_boundary", limit=MAX_BOUNDARY)
        found = boundary
    return found
