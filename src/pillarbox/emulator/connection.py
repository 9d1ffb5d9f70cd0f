"""Connections of the HTTPS server: what is no HTTP, or half of it, gets the page that Windows' http.sys sends."""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

PAGE = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    "<HTML><HEAD><TITLE>{title}</TITLE>\r\n"
    '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
    "<BODY><h2>{title}</h2>\r\n<hr><p>HTTP Error {status}. {text}</p>\r\n</BODY></HTML>\r\n"
)
KIND = "text/html; charset=us-ascii"
MALFORMED = ("Bad Request", "The request is badly formed.")
TOO_LONG = ("Bad Request - Request Too Long", "The size of the request headers is too long.")
TIMED_OUT = ("Request Timeout", "The request timed out.")
IDLE = 120.0
"""Seconds for which a connection is kept between two requests, as by IIS."""
LINGERING = 10.0
"""Seconds for which the rest of a refused request is read at most, so that the answer can arrive."""


class Server(web.Server):
    """Makes our connections instead of aiohttp's."""

    def __call__(self) -> RequestHandler:  # type: ignore[type-arg,unused-ignore]
        """A handler for a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(RequestHandler):  # type: ignore[type-arg,unused-ignore]
    """Answers what cannot be read; a fault of ours is still logged with its traceback.

    `read_timeout` is how many seconds the head of a request may take, and how long the first one may be waited for.
    What has begun is answered 408 then, else the connection ends without a word. The server does so for bodies.
    """

    def __init__(self, manager: web.Server, *, read_timeout: float, **more: Any) -> None:  # type: ignore[type-arg,unused-ignore]
        super().__init__(manager, keepalive_timeout=IDLE, lingering_time=min(LINGERING, read_timeout), **more)
        self._read_timeout = read_timeout
        self._patience: asyncio.TimerHandle | None = None
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._patience = self._loop.call_later(self._read_timeout, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the parser, and see whether a head is whole now or has just begun."""
        super().data_received(data)
        if not self._between_requests:
            self._stop_waiting()
        elif not self._begun:
            self._stop_waiting()
            self._begun = True
            self._patience = self._loop.call_later(self._read_timeout, self._give_up)

    @property
    def _between_requests(self) -> bool:
        """Whether no head is whole yet, or aiohttp waits for the next one; what arrives then is a part of it."""
        return self._request_count == 0 or (self._waiter is not None and not self._waiter.done())

    def _stop_waiting(self) -> None:
        self._begun = False
        if self._patience:
            self._patience.cancel()

    def _give_up(self) -> None:
        if self._begun and self.transport is not None:
            self.transport.write(_timed_out())
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that failed outside of our services."""
        if status != HTTPStatus.BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        return malformed(exc)


def malformed(error: BaseException | None = None) -> web.Response:
    """The page for a request that is no HTTP; the connection ends with it."""
    return _last(HTTPStatus.BAD_REQUEST, *(TOO_LONG if isinstance(error, LineTooLong) else MALFORMED))


def timed_out() -> web.Response:
    """The page for a request whose body does not come; the connection ends with it."""
    return _last(HTTPStatus.REQUEST_TIMEOUT, *TIMED_OUT)


def _last(status: HTTPStatus, title: str, text: str) -> web.Response:
    body = PAGE.format(title=title, status=status.value, text=text).encode()
    answer = web.Response(status=status, body=body, headers={"Content-Type": KIND})
    answer.force_close()
    return answer


def _timed_out() -> bytes:
    """The whole answer, where there is no request yet that aiohttp could answer."""
    status, (title, text) = HTTPStatus.REQUEST_TIMEOUT, TIMED_OUT
    body = PAGE.format(title=title, status=status.value, text=text)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {KIND}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n{body}".encode()
