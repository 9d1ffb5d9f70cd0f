"""Microsoft's callback after a sign-in, on the HTTP listener of the service.

    /signin/start/{ticket}   the link that a person opens: a page with one button; pressed (POST), it binds the browser
                             by a cookie and goes on to Microsoft
    /signin/callback         where Microsoft sends the browser back: works, and goes on to an address without a query
    /signin/done             how it went
    /signin/failed/{why}     the same where nothing could be kept

Nothing else is there. What only looks at a link, as mail scanners and previews do, uses it up neither by GET nor by
HEAD.
"""

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pillarbox.admin.connect import Connect
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.endpoints import signin_pages as pages
from pillarbox.endpoints import telemetry
from pillarbox.endpoints.signin_browser import cookie_header, cookie_name, returned

_UNFORESEEN: Final = "unforeseen"
_FAILURES: Final = {"store": "sign_in.not_kept", _UNFORESEEN: "internal"}
"""Why a callback could keep nothing for its last page: a harmless word of its address, and the code that it shows."""


def build(connect: Callable[[], Connect], log: Logger) -> FastAPI:
    """The application. Where browsers reach it by https, the cookie is a `__Host-` one."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=telemetry.NONE)
    _add_errors(app, log)

    def secure() -> bool:
        return connect().public_url().startswith("https://")

    @app.get("/signin/start/{ticket}", response_class=Response)
    async def look(ticket: str) -> Response:
        return _page(pages.invitation(await connect().invited(ticket)), 200, pages.FORM_HEADERS)

    @app.post("/signin/start/{ticket}", response_class=Response)
    async def start(ticket: str) -> Response:
        started = await connect().start(ticket)
        return _redirect(started.url, {"Set-Cookie": cookie_header(started.browser, secure=secure())})

    @app.get("/signin/callback", response_class=Response)
    async def callback(request: Request) -> Response:
        # Whatever happens, the browser leaves the address with the code. Relative, as a proxy in front of us may have a
        # path of its own.
        try:
            await connect().callback(returned(request.url.query), _browser(request, secure()))
        except Unavailable as error:
            log.error("store.unusable", where="sign-in", code=error.code, reason=error.sentence)
            return _redirect("failed/store")
        except Exception as error:
            log.error("unexpected", where="GET /signin/callback", exc_info=error)
            return _redirect(f"failed/{_UNFORESEEN}")
        return _redirect("done")

    @app.get("/signin/callback/{rest:path}", response_class=Response)
    async def beside(rest: str) -> Response:
        # A redirect URI that was registered with a slash too many: the code must not stay in the address bar.
        return _redirect("../" * (rest.count("/") + 1) + f"failed/{_UNFORESEEN}")

    @app.get("/signin/done", response_class=Response)
    async def done(request: Request) -> Response:
        result = await connect().result(_browser(request, secure()))
        if result is None:
            return _page(pages.unknown(), 400)
        if result.account:
            return _page(pages.connected(result), 200)
        return _page(pages.not_connected(result), 400)

    @app.get("/signin/failed/{why}", response_class=Response)
    async def failed(why: str) -> Response:
        if why not in _FAILURES:
            return _page(pages.nothing_here(), 404)
        error = PillarboxError(_FAILURES[why])
        return _page(pages.failure(error), error.entry.http)

    return app


def _browser(request: Request, secure: bool) -> str:
    return request.cookies.get(cookie_name(secure=secure), "")


def _page(html: str, status: int, headers: dict[str, str] = pages.HEADERS) -> Response:
    return Response(html, status, headers=headers)


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
