"""What each route asks of whoever calls it.

A door says who comes in: it puts a function under WHO into the scope of each request. A route says what it takes:
`dependencies=[needs(Scope.ADMIN)]`, or `caller: Annotated[Caller, needs(Scope.SEND)]` where it wants to know. A request
through a door that says nothing is refused.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request

from pillarbox.core.caller import LOCAL, Caller, Scope
from pillarbox.core.errors import AuthenticationFailed, NotFound

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

WHO: Final = "pillarbox.who"
Who = Callable[[Request], Awaitable[Caller]]
"""Who asks. Raises AuthenticationFailed for a stranger, Forbidden, Unavailable where too much is asked."""


async def who_asks(request: Request) -> Caller:
    """Whoever makes this request, as its door knows them. Asked once for each request."""
    who: Who | None = request.scope.get(WHO)
    if who is None:
        raise AuthenticationFailed("access.no_credentials")
    return await who(request)


Asking = Annotated[Caller, Depends(who_asks)]


def needs(scope: Scope) -> Any:
    """What a route takes of its caller, who is handed to it."""

    async def caller(asking: Asking) -> Caller:
        asking.need(scope)
        return asking

    return Depends(caller)


async def _local_caller(asking: Asking, request: Request) -> Caller:
    if asking.kind != "local":
        # Not there at all: through this door it is no secret that is kept, but a thing that does not exist.
        raise NotFound("request.not_found", path=request.url.path)
    return asking


LOCAL_CALLER: Final = Depends(_local_caller)
"""For routes that are for the local socket only."""


class LocalDoor:
    """The API for whoever may open the local socket."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "AsgiScope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        await self._app({**scope, WHO: _owner}, receive, send)


async def _owner(_request: Request) -> Caller:
    return LOCAL
