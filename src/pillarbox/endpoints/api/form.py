"""A multipart/form-data body: the part `message` is JSON, every other part a file, in a spool while it comes in."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.endpoints.smtp.spool import Spool

if TYPE_CHECKING:
    from hashlib import _Hash

    from python_multipart.multipart import MultipartCallbacks

MESSAGE: Final = "message"
"""The name of the part that is the message; it stands first."""
_MOST_PARTS: Final = 500


@dataclass
class FormFile:
    """A part that is a file: the name of the part, that of the file, and its bytes."""

    part: str
    name: str
    media_type: str
    spool: Spool
    told: "_Hash" = field(default_factory=hashlib.sha256)

    def write(self, piece: bytes) -> None:
        """Keep a piece. Raises Unavailable where there is no room."""
        self.told.update(piece)
        self.spool.write(piece)


class Form:
    """What came of the body. `close` it, whatever came of it."""

    def __init__(self, spool: Callable[[], Spool], most_json: int, most: int) -> None:
        self._spool = spool
        self._most_json = most_json
        self._most = most
        self._size = 0
        self._name = b""
        self._headers: dict[bytes, bytes] = {}
        self._field: bytearray = bytearray()
        self._value: bytearray = bytearray()
        self._ended = False
        self._sink: Callable[[bytes], None] | None = None
        self.message: bytearray | None = None
        self.files: list[FormFile] = []

    async def read(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Read it to its end. Raises InvalidInput `send.bad_multipart`, `mail.too_large`, `request.too_large`."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        try:
            parser = MultipartParser(boundary, self._callbacks())
            async for piece in body:
                self._size += len(piece)
                if self._size > self._most:
                    raise InvalidInput("mail.too_large", limit=self._most)
                parser.write(piece)
            parser.finalize()
        except FormParserError as error:
            raise _bad("it is not as RFC 7578 says") from error
        if not self._ended or self.message is None:
            raise _bad("its end is missing" if not self._ended else f"it has no part `{MESSAGE}`")

    def close(self) -> None:
        """Let go of the files."""
        for one in self.files:
            one.spool.close()

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
        if self.message is None:
            if name != MESSAGE:
                raise _bad(f"its first part is not `{MESSAGE}`")
            self.message = bytearray()
            self._sink = self._take_message
            return
        if len(self.files) == _MOST_PARTS or name in (MESSAGE, *(one.part for one in self.files if name != "file")):
            raise _bad("two parts have the same name, or there are too many")
        media_type, _ = parse_options_header(self._headers.get(b"content-type", b"").decode("latin-1"))
        self.files.append(FormFile(name, _text(options.get(b"filename", b"")), _text(media_type), self._spool()))
        self._sink = self.files[-1].write

    def _take(self, data: bytes, start: int, end: int) -> None:
        assert self._sink is not None
        self._sink(data[start:end])

    def _take_message(self, piece: bytes) -> None:
        assert self.message is not None
        self.message += piece
        if len(self.message) > self._most_json:
            raise InvalidInput("request.too_large", limit=self._most_json)

    def _end(self) -> None:
        self._ended = True


def _bad(reason: str) -> PillarboxError:
    return InvalidInput("send.bad_multipart", reason=reason)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
