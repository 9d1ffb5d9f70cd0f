"""Routes that write down who calls them: those that change something, and those that show the text of messages.

The row is there before the route does anything; where it cannot be written the route does nothing. Sends and uploads
are left out: the outbox is their record. So is the doctor, who must tell what is wrong also where nothing can be
written down, and what asks for no caller, such as a sign-in, which writes its own.
"""

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pillarbox.access.audit import Actor, Audit
from pillarbox.admin.pasted import has_secret
from pillarbox.core.caller import Caller, Scope
from pillarbox.endpoints.api.access import Needs, who_asks
from pillarbox.endpoints.api.request_ids import id_of

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_LOOKS_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UNRECORDED: Final = re.compile(r"/api/v1/(sends|uploads(/.*)?|doctor)")
_NAMES: Final = ("name", "address", "mailbox", "app", "ids", "id")
"""Members of a body that say what it is about, and are shown wherever that is listed."""
_UNREADABLE: Final = "request.invalid"
UID: Final = "pillarbox.uid"
"""Where the door of the local socket says in the ASGI scope which user is at its other end."""
DOOR: Final = "pillarbox.door"
"""Where a door in front of the API says in the ASGI scope which one it is, such as `console`."""


class AuditedRoute(APIRoute):
    """A route whose calls are in the audit log of `app.state.audit`."""

    def get_route_handler(self) -> _Handler:
        """See FastAPI."""
        handler = super().get_route_handler()
        return self._audited(handler) if self.is_audited else handler

    @property
    def is_audited(self) -> bool:
        """Whether calls of this route are written down."""
        calls = list(calls_of(self.dependant))
        if who_asks not in calls:
            return False
        if any(isinstance(call, Needs) and call.scope is Scope.CONTENT_READ for call in calls):
            return True
        return not (self.methods or set()) <= _LOOKS_ONLY and not _UNRECORDED.fullmatch(self.path)

    def _audited(self, handler: _Handler) -> _Handler:
        async def audited(request: Request) -> Response:
            # Strangers are told so before their body is read.
            caller = await who_asks(request)
            audit: Audit = request.app.state.audit
            body = await _body(request) if self.body_field is not None else {}
            subject = "/".join(map(str, request.path_params.values())) or _named_in(body)
            async with audit.acting(actor_of(request, caller), self.name, subject, list(body)) as act:
                try:
                    response = await handler(request)
                except (HTTPException, RequestValidationError):
                    act.refuse(_UNREADABLE)
                    raise
                if response.status_code >= 400:
                    act.refuse()
                return response

        return audited


def actor_of(request: Request, caller: Caller) -> Actor:
    """Whoever makes this request, for the audit log."""
    scope = request.scope
    uid = scope.get(UID)
    if caller.kind == "local":
        door, peer = "local", "" if uid is None else f"uid {uid}"
    else:
        door, peer = scope.get(DOOR, "http"), request.client.host if request.client else ""
    return Actor(caller.kind, caller.id, caller.name, door, peer, id_of(scope))


async def _body(request: Request) -> Mapping[str, object]:
    """The members of a JSON body; none of a body that is no JSON object, which the route will refuse."""
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}


def _named_in(body: Mapping[str, object]) -> str:
    """What a body without a path to it is about: the name that it gives, if that is none that was pasted amiss."""
    value = next((body[member] for member in _NAMES if body.get(member) is not None), None)
    names = value if isinstance(value, list) else [value]
    return " ".join(name for name in names if isinstance(name, str) and not has_secret(name))


def calls_of(dependant: "Dependant") -> Iterator[Callable[..., Any] | None]:
    """All that is called before a route is."""
    for each in dependant.dependencies:
        yield each.call
        yield from calls_of(each)
