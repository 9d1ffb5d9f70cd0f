"""Microsoft's callback after a sign-in, on the HTTP listener of the service.

    /signin/start/{ticket}   the link that a person opens: a page with one button; pressed (POST), it binds the browser
                             by a cookie and goes on to Microsoft
    /signin/callback         where Microsoft sends the browser back: works, and goes on to an address without a query
    /signin/done             how it went
    /signin/failed/{why}     the same where nothing could be kept
    /signin/consent/{how}    an administrator was asked to agree for everybody, and comes back

Nothing else is there. What only looks at a link, as mail scanners and previews do, uses it up neither by GET nor by
HEAD.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pillarbox.access.audit import Actor, Audit, Outcome
from pillarbox.admin.connect import Connect
from pillarbox.admin.sign_in_words import Result
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.endpoints import signin_pages as pages
from pillarbox.endpoints import telemetry
from pillarbox.endpoints.api.allowed import allowed
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.api.session_cookie import check_press
from pillarbox.endpoints.api.sessions import peer_of
from pillarbox.endpoints.console.by_link import Reader, asked_for
from pillarbox.endpoints.console.languages import keeping
from pillarbox.endpoints.signin_browser import CONSENTED, consented, cookie_header, cookie_name, returned

_UNFORESEEN: Final = "unforeseen"
_FAILURES: Final = {"store": "sign_in.not_kept", _UNFORESEEN: "internal"}
"""Why a callback could keep nothing for its last page: a harmless word of its address, and the code that it shows."""


def build(connect: Callable[[], Connect], audit: Audit, log: Logger) -> FastAPI:
    """The application. Where browsers reach it by https, the cookie is a `__Host-` one."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=telemetry.NONE)
    app.state.public_url = lambda: connect().public_url()
    _add_errors(app, log)

    def secure() -> bool:
        return connect().public_url().startswith("https://")

    @app.get("/signin/start/{ticket}", response_class=Response)
    async def look(request: Request, ticket: str) -> Response:
        invited, host = await connect().invited(ticket), urlsplit(connect().public_url()).netloc
        return _page(request, pages.invitation(_reader(request), invited, host), 200, pages.FORM_HEADERS)

    @app.post("/signin/start/{ticket}", response_class=Response)
    async def start(request: Request, ticket: str) -> Response:
        # No other site may press it, and so pass over the page that says who asks, and what for.
        check_press(request, connect().public_url())
        started = await connect().start(ticket)
        return _redirect(started.url, {"Set-Cookie": cookie_header(started.browser, secure=secure())})

    @app.get("/signin/callback", response_class=Response)
    async def callback(request: Request) -> Response:
        # Whatever happens, the browser leaves the address with the code. Relative, as a proxy in front of us may have a
        # path of its own.
        if how := consented(request.url.query):
            return _redirect(f"consent/{how}")
        try:
            if result := await connect().callback(returned(request.url.query), _browser(request, secure())):
                await _record(audit, log, request, result)
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
        reader, result = _reader(request), await connect().result(_browser(request, secure()))
        if result is None:
            return _page(request, pages.unknown(reader), 400)
        fields = pages.COPY_HEADERS if result.consent_url else pages.HEADERS
        return _page(request, pages.ended(reader, result), 200 if result.account else 400, fields)

    @app.get("/signin/failed/{why}", response_class=Response)
    async def failed(request: Request, why: str) -> Response:
        if why not in _FAILURES:
            return _nothing_here(request, 404)
        return _failed(request, PillarboxError(_FAILURES[why]))

    @app.get("/signin/consent/{how}", response_class=Response)
    async def consent(request: Request, how: str) -> Response:
        if how not in CONSENTED:
            return _nothing_here(request, 404)
        return _page(request, pages.consented(_reader(request), given=how == CONSENTED[0]), 200)

    return app


async def _record(audit: Audit, log: Logger, request: Request, result: Result) -> None:
    """Who connected which mailbox, or tried to. They are nobody whom we know: Microsoft says who they are."""
    actor = Actor("nobody", "", result.account, "http", peer_of(request), id_of(request.scope))
    try:
        outcome: Outcome = "done" if result.account else "refused"
        await audit.record(actor, "connect_mailbox", result.address, outcome=outcome, code=result.code)
    except Unavailable as error:
        # It is done or refused by now: that is what they are to be told.
        log.error("store.unusable", where="audit", code=error.code, reason=error.sentence)


def _browser(request: Request, secure: bool) -> str:
    return request.cookies.get(cookie_name(secure=secure), "")


def _reader(request: Request) -> Reader:
    path = urlsplit(request.app.state.public_url()).path.rstrip("/")
    return Reader.of(request.query_params, request.cookies, request.headers.get("accept-language", ""), path)


def _page(request: Request, html: str, status: int, headers: dict[str, str] = pages.HEADERS) -> Response:
    chosen = asked_for(request.query_params)
    return Response(html, status, headers=headers | ({"Set-Cookie": keeping(chosen)} if chosen else {}))


def _failed(request: Request, error: PillarboxError) -> Response:
    return _page(request, pages.failure(_reader(request), error), error.entry.http)


def _nothing_here(request: Request, status: int) -> Response:
    return _page(request, pages.nothing_here(_reader(request)), status)


def _redirect(url: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=303, headers={**pages.HEADERS, "Location": url, **(headers or {})})


def _add_errors(app: FastAPI, log: Logger) -> None:
    @app.exception_handler(HTTPException)
    async def nothing_here(request: Request, error: HTTPException) -> Response:
        response = _nothing_here(request, error.status_code)
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(sorted(allowed(request)))
        return response

    @app.exception_handler(PillarboxError)
    async def known(request: Request, error: PillarboxError) -> Response:
        return _failed(request, error)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        # The route as it was written, never the address: there is a ticket in its path, or a code in its query.
        log.error(
            "unexpected", where=f"{request.method} {getattr(request.scope.get('route'), 'path', '')}", exc_info=error
        )
        return _failed(request, PillarboxError("internal"))
