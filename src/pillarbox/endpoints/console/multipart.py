"""A form with files (RFC 7578): its fields are read, its files handed on as they come, never whole in memory.

Our forms have their fields first. What follows is the answer that the API takes: the message, then the files.
"""

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.console.page import Form

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks
    from starlette.requests import Request

# As in endpoints/api/form.py.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

MOST: Final = 25_000_000
"""Bytes of all files together."""
_MOST_FIELDS: Final = 1000
_MOST_TEXT: Final = 1024 * 1024
"""Bytes of all fields together."""
_MOST_DRAINED: Final = 256 * 1024 * 1024
_FILE: Final = b"files"


class FormWithFiles:
    """A form as it comes in: `fields` first, then `with_message`."""

    def __init__(self, request: "Request") -> None:
        _, options = parse_options_header(request.headers.get("content-type", ""))
        self._body = request.stream().__aiter__()
        self._boundary = secrets.token_hex(16).encode()
        try:
            self._parser = MultipartParser(options.get(b"boundary", b""), self._callbacks())
        except FormParserError as error:
            raise InvalidInput("request.invalid", reason="it is no form") from error
        self._fields: list[tuple[str, str]] = []
        self._header: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._part = ""
        self._in_file = False
        self._files = False
        self._size = 0
        self._text_size = 0
        self._ready = bytearray()
        """What can be handed on."""

    async def fields(self) -> Form:
        """What stands before the files. Raises InvalidInput `request.too_large`, `request.invalid`."""
        while not self._files and await self._read():
            pass
        return Form(self._fields)

    def content_type(self) -> str:
        """That of `with_message`."""
        return f"multipart/form-data; boundary={self._boundary.decode()}"

    async def with_message(self, message: bytes) -> AsyncIterator[bytes]:
        """The message, and the files behind it. Raises InvalidInput as `fields` does."""
        head = b'Content-Disposition: form-data; name="message"\r\nContent-Type: application/json'
        yield b"--%b\r\n%b\r\n\r\n%b\r\n" % (self._boundary, head, message)
        yield self._taken()
        while await self._read():
            if self._ready:
                yield self._taken()
        yield b"--%b--\r\n" % self._boundary

    async def drain(self) -> None:
        """Read what is left: a browser that is still sending hears no answer."""
        left = _MOST_DRAINED
        with suppress(ClientDisconnect):
            async for piece in self._body:
                left -= len(piece)
                if left < 0:
                    return

    async def _read(self) -> bool:
        """Whether there was more."""
        async for piece in self._body:
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise InvalidInput("request.invalid", reason="it is no form") from error
            if self._size > MOST:
                raise InvalidInput("request.too_large", limit=MOST)
            return True
        return False

    def _taken(self) -> bytes:
        taken = bytes(self._ready)
        self._ready.clear()
        return taken

    # ---- what the parser finds

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._header_begins,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._keep,
            "on_headers_finished": self._part_begins,
            "on_part_data": self._data,
            "on_part_end": self._part_ends,
        }

    def _header_begins(self) -> None:
        self._header.clear()

    def _keep(self) -> None:
        self._header[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _part_begins(self) -> None:
        disposition = self._header.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        self._value.clear()
        # Where nothing was chosen browsers send a file without a name.
        self._in_file = bool(options.get(b"filename"))
        if self._in_file:
            self._files = True
            self._begin_file(disposition)
        elif len(self._fields) == _MOST_FIELDS:
            raise InvalidInput("request.invalid", reason="it has too many fields")
        elif self._files and b"filename" not in options:
            raise InvalidInput("request.invalid", reason="a field stands behind the files")

    def _begin_file(self, disposition: bytes) -> None:
        media_type = self._header.get(b"content-type", b"application/octet-stream")
        head = b"Content-Disposition: %b\r\nContent-Type: %b" % (disposition, media_type)
        self._ready += b"--%b\r\n%b\r\n\r\n" % (self._boundary, head)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._in_file:
            self._ready += data[start:end]
            return
        self._value += data[start:end]
        self._text_size += end - start
        if self._text_size > _MOST_TEXT:
            raise InvalidInput("request.too_large", limit=_MOST_TEXT)

    def _part_ends(self) -> None:
        if self._in_file:
            self._ready += b"\r\n"
        elif self._part:
            self._fields.append((self._part, self._value.decode("utf-8", "replace")))
        self._value.clear()
