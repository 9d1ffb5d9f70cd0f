"""What each route asks of whoever calls it.

A door says who comes in: it puts a function under WHO into the scope of each request. A route says what it takes:
`dependencies=[needs(Scope.ADMIN)]`, or `caller: Annotated[Caller, needs(Scope.SEND)]` where it wants to know. A request
through a door that says nothing is refused.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from pillarbox.core.caller import LOCAL, Caller, Scope
from pillarbox.core.errors import AuthenticationFailed, Forbidden, NotFound

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as AsgiScope

WHO: Final = "pillarbox.who"
CALLER: Final = "pillarbox.caller"
"""Where it is kept who asks, once that is known."""
Who = Callable[[Request], Awaitable[Caller]]
"""Who asks. Raises AuthenticationFailed for a stranger, Forbidden, Unavailable where too much is asked."""


_KEY: Final = Security(HTTPBearer(scheme_name="key", description="An API key.", auto_error=False))
_SESSION: Final = Security(
    APIKeyCookie(name="__Host-pillarbox", scheme_name="session", description="Somebody signed in.", auto_error=False)
)
"""Either of them, for the OpenAPI document; what they find is not looked at here."""


async def who_asks(request: Request, _key: object = _KEY, _session: object = _SESSION) -> Caller:
    """Whoever makes this request, as its door knows them. Asked once for each request."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        who: Who | None = request.scope.get(WHO)
        if who is None:
            raise AuthenticationFailed("access.no_credentials")
        caller = request.scope[CALLER] = await who(request)
    return caller


Asking = Annotated[Caller, Depends(who_asks)]


@dataclass(frozen=True, slots=True)
class Needs:
    """The dependency that lets callers with this scope through."""

    scope: Scope

    async def __call__(self, asking: Asking) -> Caller:
        """Whoever asks. Raises Forbidden."""
        asking.need(self.scope)
        return asking


def needs(scope: Scope) -> Any:
    """What a route takes of its caller, who is handed to it."""
    return Depends(Needs(scope))


async def any_caller(asking: Asking) -> Caller:
    """Whoever asks, whatever they may do, and says so: a route without a word is a mistake."""
    return asking


ANY_CALLER: Final = Depends(any_caller)
"""For routes that show what all who come in may know."""


async def _local_caller(asking: Asking, request: Request) -> Caller:
    if asking.kind != "local":
        # Not there at all: through this door it is no secret that is kept, but a thing that does not exist.
        raise NotFound("request.not_found", path=request.url.path)
    return asking


LOCAL_CALLER: Final = Depends(_local_caller)
"""For routes that are for the local socket only."""


async def _person_caller(asking: Asking) -> Caller:
    if asking.kind != "person":
        raise Forbidden("access.not_a_person")
    return asking


PERSON_CALLER: Final = Depends(_person_caller)
"""For routes that are about whoever is signed in: keys and the local socket are nobody's own."""


async def open_to_all() -> None:
    """Lets everybody through, and says so: a route without a word is a mistake."""


OPEN_TO_ALL: Final = Depends(open_to_all)
"""For routes that ask for no caller."""


class LocalDoor:
    """The API for whoever may open the local socket."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "AsgiScope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        await self._app({**scope, WHO: _owner}, receive, send)


async def _owner(_request: Request) -> Caller:
    return LOCAL
