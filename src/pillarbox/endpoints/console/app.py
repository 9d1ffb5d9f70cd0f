"""The application: which handler answers which path, and what is shown when one fails."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from pillarbox.core.caller import Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.endpoints.api.allowed import allowed
from pillarbox.endpoints.api.route import NamedRoute
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.door import Door, Visitor
from pillarbox.endpoints.console.languages import COOKIE, chosen
from pillarbox.endpoints.console.once import Once
from pillarbox.endpoints.console.page import Notices, Page
from pillarbox.endpoints.console.templates import templates

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

Handler = Callable[[Page], Awaitable[Response]]


class Console:
    """An ASGI application. `prefix` is the path of http.public_url, under which browsers see it."""

    def __init__(self, door: Door, log: Logger, prefix: str = "") -> None:
        self._door = door
        self._log = log
        self._prefix = prefix.rstrip("/")
        self._templates = templates()
        self._notices = Notices()
        self._once = Once()
        self._app = Starlette(routes=[Route("/static/{version}/{name}", self._static)])
        self._app.add_exception_handler(404, self._nothing_here)
        self._app.add_exception_handler(405, self._not_so)
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: "AsgiScope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        await self._app(scope, receive, send)

    def get(self, path: str, *, open: bool = False, scope: Scope | None = None) -> Callable[[Handler], Handler]:
        """Whoever is signed in gets this page; with `open`, everybody.

        With `scope` only whoever has it: so say forms that ask the API for nothing, and that not everybody may send.
        """
        return self._add(path, "GET", open=open, scope=scope)

    def post(self, path: str, *, open: bool = False, scope: Scope | None = None) -> Callable[[Handler], Handler]:
        """What is sent from a form. The handler calls `page.form()`, which knows whether the form is ours."""
        return self._add(path, "POST", open=open, scope=scope)

    def _add(self, path: str, method: str, *, open: bool, scope: Scope | None) -> Callable[[Handler], Handler]:
        def added(handler: Handler) -> Handler:
            async def endpoint(request: "Request") -> Response:
                return await self._answer(request, handler, open=open, scope=scope)

            self._app.router.routes.append(NamedRoute(path, endpoint, methods=[method], name=handler.__name__))
            return handler

        return added

    async def _answer(
        self, request: "Request", handler: Handler, *, open: bool, scope: Scope | None = None
    ) -> Response:
        page = self._page(request, Visitor.nobody(self._door, request))
        try:
            page = self._page(request, await self._door.enter(request))
            if page.visitor.caller is None and not open:
                return _to_sign_in(page)
            if scope is not None:
                page.caller.need(scope)
            return await handler(page)
        except Problem as problem:
            if problem.status == 401:
                return _to_sign_in(page)
            return page.failed(problem)
        except PillarboxError as error:
            return page.failed(Problem.of(error, request))
        except ClientDisconnect:
            return Response(status_code=400)  # It has left while it sent its form: there is nobody to answer.
        except Exception as error:
            where = f"{request.method} {getattr(request.scope.get('route'), 'path', '')}"
            self._log.error("unexpected", where=where, exc_info=error)
            return page.failed(Problem.of(PillarboxError("internal"), request))

    def _page(self, request: "Request", visitor: Visitor) -> Page:
        language = chosen(request.cookies.get(COOKIE, ""), request.headers.get("accept-language", ""))
        return Page(request, visitor, language, self._templates, self._door, self._notices, self._once, self._prefix)

    async def _static(self, request: "Request") -> Response:
        found = self._templates.file(request.path_params["version"], request.path_params["name"])
        if found is None:
            return await self._nothing_here(request, None)
        return FileResponse(found[0], headers=_FOREVER, media_type=found[1])

    async def _nothing_here(self, request: "Request", _error: object) -> Response:
        async def nothing(page: Page) -> Response:
            return page.show("nothing_here.html", 404)

        return await self._answer(request, nothing, open=True)

    async def _not_so(self, request: "Request", _error: object) -> Response:
        """There is something, but not for this method: an answer to a form, or a page that is only looked at."""

        async def other_methods(page: Page) -> Response:
            response = page.show("nothing_here.html", 405)
            response.headers["Allow"] = ", ".join(sorted(allowed(request)))
            return response

        return await self._answer(request, other_methods, open=True)


def _to_sign_in(page: Page) -> Response:
    """To the sign-in, and from there back to where somebody was, or wanted to go."""
    wanted = page.here if page.here != "/" else None
    return page.go("/sign-in", next=wanted, undone=None if page.only_looks else "yes")
