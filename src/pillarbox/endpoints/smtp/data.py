"""The bytes of DATA become a message, piece by piece (RFC 5321 section 4.5.2): its end, its dots, its newlines.

The end is CRLF.CRLF and nothing else (CVE-2023-51764). A bare LF ends a line, but never the data. However the bytes are
cut, the same message comes out; what is kept besides the spool is bounded, and each byte is looked at a fixed number of
times.
"""

import re
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.errors import InvalidInput, PillarboxError, too_large
from pillarbox.core.headers import canonical
from pillarbox.endpoints.smtp.spool import Spool

PIECE: Final = 64 * 1024
"""Bytes that come in before they are worked off, where the message is not at its end.

One read of a connection brings up to 256 KiB. The worst of them cost about 4 ms, so that they are not cut further."""
LONGEST_LINE: Final = 998
"""Bytes of a line without its CRLF (RFC 5321 section 4.5.3.1.6)."""

_CRLF: Final = b"\r\n"
_LF: Final = b"\n"
_END: Final = b"\r\n.\r\n"
_TAIL: Final = len(_END) - 1
"""Bytes at the end of what came in that may be the beginning of the end."""
_LONE_DOT: Final = re.compile(rb"\.\r?\n")


class Incoming:
    """One message on its way in.

    `strict` refuses a bare CR or LF, which otherwise is put right and noted. `piece` is as PIECE, and at
    least 4, so that a dot and what tells whether it stands alone are in one. `endless`: bytes of a message that is
    refused after which its end is not waited for.
    """

    def __init__(
        self, spool: Spool, max_size: int, *, strict: bool = False, piece: int = PIECE, endless: int | None = None
    ) -> None:
        self.spool = spool
        self.error: PillarboxError | None = None
        """Why the message is not taken: it is read to its end all the same, if that comes."""
        self.broken = False
        """Whether the connection must end: it was strict and a newline was bare, or it goes on and on."""
        self.received = 0
        """Bytes of DATA that were worked off; those that were thrown away do not count."""
        self._thrown_away = 0
        self._endless = endless
        self._noted: set[str] = set()
        self._max_size = max_size
        self._strict = strict
        self._piece = piece
        self._searched = 0
        self._behind = _CRLF
        """The newline that the last piece ended in, or nothing. That of the command DATA is the first."""
        self._line = 0
        """Bytes of a line that the last piece has begun."""

    def take(self, data: bytearray) -> bool:
        """Work off what came in, and take it out of `data`; whether that was all: the end, or no going on."""
        # The line's end before a first dot may be in the piece before, or be that of the command.
        if self._behind is _CRLF and data.startswith(b".\r\n"):
            length, rest = 0, 3
        else:
            length = data.find(_END, self._searched) + 2
            rest = length + 3
        ended = length != 1
        if self._strict and self._has_bare(data, length if ended else len(data)):
            self.error, self.broken = InvalidInput("smtp.bare_newline"), True
            self.close()
            return True
        if not ended:
            self._searched = max(0, len(data) - _TAIL)
            if len(data) < self._piece + _TAIL:
                return False
            length = rest = self._cut(data)
            self._searched = 0
        piece = bytes(memoryview(data)[:length])
        del data[:rest]
        if self.error is None:
            self.received += rest
        else:
            self._thrown_away += rest
        self._keep(piece)
        self.broken = not ended and self._is_endless
        return ended or self.broken

    @property
    def _is_endless(self) -> bool:
        if self.error is None or self._endless is None:
            return False
        return self.received + self._thrown_away >= self._endless

    @property
    def notes(self) -> list[str]:
        """What was taken although it is not by the book."""
        return [note for note in (_BARE_NOTE, _LONG_NOTE) if note in self._noted]

    def close(self) -> None:
        """Let go of what was kept."""
        self.spool.close()

    def _has_bare(self, data: bytearray, stop: int) -> bool:
        """Whether there is a bare newline in what was not searched yet; a last CR may still get its LF."""
        start = self._searched
        start -= data[max(0, start - 1) : start] == b"\r"
        stop -= data[max(0, stop - 1) : stop] == b"\r"
        lines = data.count(_CRLF, start, stop)
        return not data.count(_LF, start, stop) == data.count(b"\r", start, stop) == lines

    def _cut(self, data: bytearray) -> int:
        """Where a piece may end: not inside a CRLF, nor behind a dot of which is not known whether it stands alone."""
        end = len(data) - _TAIL
        if data[end - 1 : end + 1] == _CRLF:
            end -= 1
        return end - 1 if data[end - 2 : end] == b"\n." else end

    def _keep(self, piece: bytes) -> None:
        behind, self._behind = self._behind, _ended_in(piece)
        if b"\0" in piece:
            # Whatever else is wrong, so that the reply does not depend on how the bytes were cut.
            self._refuse(InvalidInput("smtp.nul"))
        if self.error is not None:
            return
        plain = unstuffed(piece, behind)
        text = canonical(plain)
        if self.spool.size + len(text) > self._max_size:
            self._refuse(too_large(self._max_size))
            return
        if text != plain:
            self._noted.add(_BARE_NOTE)
        self._measure(text)
        try:
            self.spool.write(text)
        except PillarboxError as error:
            self._refuse(error)

    def _refuse(self, error: PillarboxError) -> None:
        self.error = error
        self.close()

    def _measure(self, text: bytes) -> None:
        """Note a line that is too long, by a window that a line fits in: the last newline in it begins the next."""
        if _LONG_NOTE in self._noted:
            return
        start, left = 0, _WINDOW - self._line
        while len(text) - start >= left - 1:
            newline = text.rfind(_LF, start, start + left)
            if newline < 0:
                self._noted.add(_LONG_NOTE)
                return
            start, left = newline + 1, _WINDOW
        last = text.rfind(_LF, start)
        self._line = len(text) - last - 1 if last >= 0 else _WINDOW - left + len(text) - start


_WINDOW: Final = LONGEST_LINE + len(_CRLF)
_LONG_NOTE: Final = catalogue.sentence("smtp.long_line")
_BARE_NOTE: Final = catalogue.sentence("smtp.newlines_mended")


def _ended_in(piece: bytes) -> bytes:
    if piece.endswith(_CRLF):
        return _CRLF
    return _LF if piece.endswith(_LF) else b""


def unstuffed(piece: bytes, behind: bytes = _CRLF) -> bytes:
    """A piece of DATA without the dots that transparency added; `behind` is the newline before it, if one is.

    A dot that begins a line goes. After a bare LF one that is all of its line stays: it is neither the end, nor does a
    client that ends lines so say by it that there was another.
    """
    if piece.startswith(b".") and (behind == _CRLF or (behind == _LF and not _LONE_DOT.match(piece))):
        piece = piece[1:]
    if b"\n." not in piece:
        return piece
    # By `replace` alone: an expression would pay for each newline of a body that has nothing else. A lone dot behind
    # CRLF goes first; then one behind LF gets another, twice, as the LF behind one may be the one before the next.
    piece = piece.replace(b"\r\n.\n", b"\r\n\n")
    piece = piece.replace(b"\n.\n", b"\n..\n").replace(b"\n.\n", b"\n..\n").replace(b"\n.\r\n", b"\n..\r\n")
    return piece.replace(b"\n.", _LF)
