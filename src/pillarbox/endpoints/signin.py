"""Microsoft's callback after a sign-in, on the HTTP listener of the service.

    /signin/start/{ticket}   the link that a person opens: binds the browser by a cookie, goes on to Microsoft
    /signin/callback         where Microsoft sends the browser back: works, and goes on to an address without a query
    /signin/done             how it went

Nothing else is there, and no other method than GET: a HEAD of a link's preview must not use the link up.
"""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pillarbox.admin.connect import Connect
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.endpoints import signin_pages as pages
from pillarbox.endpoints.signin_browser import cookie_header, cookie_name, returned


def build(connect: Callable[[], Connect], log: Logger) -> FastAPI:
    """The application. Where browsers reach it by https, the cookie is a `__Host-` one."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    _add_errors(app, log)

    def secure() -> bool:
        return connect().public_url().startswith("https://")

    @app.get("/signin/start/{ticket}", response_class=Response)
    async def start(ticket: str) -> Response:
        try:
            started = await connect().start(ticket)
        except PillarboxError as error:
            return _page(pages.failure(error), error.entry.http)
        return _redirect(started.url, {"Set-Cookie": cookie_header(started.browser, secure=secure())})

    @app.get("/signin/callback", response_class=Response)
    async def callback(request: Request) -> Response:
        await connect().callback(returned(request.url.query), _browser(request, secure()))
        # Relative, as a proxy in front of us may have a path of its own.
        return _redirect("done")

    @app.get("/signin/done", response_class=Response)
    async def done(request: Request) -> Response:
        result = await connect().result(_browser(request, secure()))
        if result is None:
            return _page(pages.unknown(), 400)
        if result.account:
            return _page(pages.connected(result), 200)
        return _page(pages.failed(result.sentence, result.cure), 400)

    return app


def _browser(request: Request, secure: bool) -> str:
    return request.cookies.get(cookie_name(secure=secure), "")


def _page(html: str, status: int) -> Response:
    return Response(html, status, headers=pages.HEADERS)


def _redirect(url: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=303, headers={**pages.HEADERS, "Location": url, **(headers or {})})


def _add_errors(app: FastAPI, log: Logger) -> None:
    @app.exception_handler(HTTPException)
    async def nothing_here(_request: Request, error: HTTPException) -> Response:
        return _page(pages.nothing_here(), error.status_code)

    @app.exception_handler(PillarboxError)
    async def known(_request: Request, error: PillarboxError) -> Response:
        return _page(pages.failure(error), error.entry.http)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        # The route as it was written, never the address: there is a ticket in its path, or a code in its query.
        log.error(
            "unexpected", where=f"{request.method} {getattr(request.scope.get('route'), 'path', '')}", exc_info=error
        )
        return _page(pages.failure(PillarboxError("internal")), 500)
