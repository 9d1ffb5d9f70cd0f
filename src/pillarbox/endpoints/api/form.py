"""A multipart/form-data body: the part `message` is JSON, every other part a file; all lie in one spool."""

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.endpoints.smtp.spool import Spool

if TYPE_CHECKING:
    from hashlib import _Hash

    from python_multipart.multipart import MultipartCallbacks

# What strangers send broken is refused, and no line each: nothing but our own log writes to standard error.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

MESSAGE: Final = "message"
"""The name of the part that is the message; it stands first."""
_MOST_PARTS: Final = 500
_AS_IT_IS: Final = (b"", b"binary", b"8bit", b"7bit")
"""Encodings of a part that are none. Others are no longer allowed (RFC 7578 section 4.7): its bytes would be wrong."""


@dataclass
class FormFile:
    """A part: a `core.content.Content` for what is attached, from `start` of the spool on.

    `part` is the name of the part, `name` that of the file.
    """

    part: str
    name: str
    media_type: str
    spool: Spool
    start: int
    size: int = 0
    told: "_Hash" = field(default_factory=hashlib.sha256)

    def write(self, piece: bytes) -> None:
        """Keep a piece. Raises Unavailable where there is no room."""
        self.told.update(piece)
        self.spool.write(piece)
        self.size += len(piece)

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """See `Content.pieces`."""
        left = self.size - start
        if left <= 0:
            return
        for piece in self.spool.pieces(self.start + start):
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def close(self) -> None:
        """See `Content.close`: the form closes what all of its files lie in."""


class Form:
    """What came of the body. `close` it, whatever came of it."""

    def __init__(self, spool: Spool, most_json: int, most: int) -> None:
        self._spool = spool
        self._most_json = most_json
        self._most = most
        self._size = 0
        self._headers: dict[bytes, bytes] = {}
        self._field: bytearray = bytearray()
        self._value: bytearray = bytearray()
        self._ended = False
        self._sink: Callable[[bytes], None] | None = None
        self._message: FormFile | None = None
        self.files: list[FormFile] = []

    async def read(self, content_type: str, body: AsyncIterator[bytes]) -> FormFile:
        """Read it to its end; the part that is the message. Raises InvalidInput `send.bad_multipart` and others."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        try:
            parser = MultipartParser(boundary, self._callbacks())
            async for piece in body:
                self._size += len(piece)
                if self._size > self._most:
                    raise InvalidInput("request.too_large", limit=self._most)
                parser.write(piece)
            parser.finalize()
        except FormParserError as error:
            raise _bad("it is not as RFC 7578 says") from error
        if not self._ended or self._message is None:
            raise _bad("its end is missing" if not self._ended else f"it has no part `{MESSAGE}`")
        return self._message

    def close(self) -> None:
        """Let go of the files."""
        self._spool.close()

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._keep_header,
            "on_headers_finished": self._open,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._sink = {}, None

    def _keep_header(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _open(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        name = _text(options.get(b"name", b""))
        if kind != b"form-data" or not name:
            raise _bad("a part has no name")
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() not in _AS_IT_IS:
            raise _bad("a part has a Content-Transfer-Encoding")
        if self._message is None:
            if name != MESSAGE:
                raise _bad(f"its first part is not `{MESSAGE}`")
            self._message = FormFile(MESSAGE, "", "", self._spool, self._spool.size)
            self._sink = self._take_message
            return
        if name == MESSAGE or len(self.files) == _MOST_PARTS:
            raise _bad(f"it has two parts `{MESSAGE}`" if name == MESSAGE else f"it has more than {_MOST_PARTS} files")
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b"").decode("latin-1"))
        file_name = _text(options.get(b"filename", b""))
        self.files.append(FormFile(name, file_name, _text(media_type), self._spool, self._spool.size))
        self._sink = self.files[-1].write

    def _take(self, data: bytes, start: int, end: int) -> None:
        assert self._sink is not None
        self._sink(data[start:end])

    def _take_message(self, piece: bytes) -> None:
        assert self._message is not None
        self._message.write(piece)
        if self._message.size > self._most_json:
            raise InvalidInput("request.too_large", limit=self._most_json)

    def _end(self) -> None:
        self._ended = True


def _bad(reason: str) -> PillarboxError:
    return InvalidInput("send.bad_multipart", reason=reason)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
