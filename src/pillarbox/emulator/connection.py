"""Connections of the HTTPS server: what is no HTTP gets the page that Windows' http.sys sends, and no traceback."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

PAGE = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    "<HTML><HEAD><TITLE>{title}</TITLE>\r\n"
    '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
    "<BODY><h2>{title}</h2>\r\n<hr><p>HTTP Error 400. {text}</p>\r\n</BODY></HTML>\r\n"
)
MALFORMED = ("Bad Request", "The request is badly formed.")
TOO_LONG = ("Bad Request - Request Too Long", "The size of the request headers is too long.")


class Server(web.Server):
    """Makes our connections instead of aiohttp's."""

    def __call__(self) -> RequestHandler:  # type: ignore[type-arg,unused-ignore]
        """A handler for a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(RequestHandler):  # type: ignore[type-arg,unused-ignore]
    """Answers what cannot be read; a fault of ours is still logged with its traceback."""

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
    title, text = TOO_LONG if isinstance(error, LineTooLong) else MALFORMED
    page = PAGE.format(title=title, text=text)
    answer = web.Response(status=HTTPStatus.BAD_REQUEST, text=page, content_type="text/html", charset="us-ascii")
    answer.force_close()
    return answer
