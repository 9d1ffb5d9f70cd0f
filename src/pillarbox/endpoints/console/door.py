"""Who is there: the session of a browser, and what keeps other sites from using it.

Every answer says what its page may do: nothing from elsewhere, no script but ours, in no frame.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, Forbidden
from pillarbox.endpoints.api.access import CALLER
from pillarbox.endpoints.api.audited import DOOR
from pillarbox.endpoints.console.calls import Calls

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from pillarbox.endpoints.api.session_cookie import SessionCookie

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types pillarbox"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # Not `no-referrer`: browsers would send our own forms with `Origin: null`, and old ones say nothing else of them.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Of every page."""
TOKEN: Final = "form_token"
"""The field of a form that says that a page of ours made it for this session."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a browser; `caller` is None for whoever is not signed in."""

    caller: Caller | None
    calls: Calls
    door: "Door"

    @classmethod
    def nobody(cls, door: "Door", request: "Request") -> "Visitor":
        """Somebody of whom nothing is known yet."""
        return cls(None, Calls(door.api, request, {}), door)

    @property
    def form_token(self) -> str:
        """That of the session that the browser has once it has our answer: what was called may have begun another."""
        cookie, request = self.door.cookie, self.calls.request
        before = "" if self.caller is None else cookie.id_in(request)
        id = cookie.id_after(request, before, self.calls.cookies)
        return _token(id) if id else ""


@dataclass(frozen=True, slots=True)
class Door:
    """Lets people in. `api` is the application that the pages ask."""

    api: "ASGIApp"
    cookie: "SessionCookie"

    async def enter(self, request: "Request") -> Visitor:
        """Whoever makes this request. Raises Forbidden `access.cross_site`."""
        caller: Caller | None
        try:
            caller = await self.cookie.caller_of(request)
        except AuthenticationFailed:
            caller = None  # It is over: as if there were none.
        scope: dict[str, Any] = {**request.scope, DOOR: "console"}
        if caller is not None:
            scope[CALLER] = caller
        else:
            scope.pop(CALLER, None)
        return Visitor(caller, Calls(self.api, request, scope), self)

    def check_form(self, request: "Request", visitor: Visitor, given: str) -> None:
        """Whether a form that was sent is ours. Raises Forbidden `access.cross_site`."""
        if visitor.caller is None:
            self.cookie.check_sign_in(request)
        elif not hmac.compare_digest(given.encode(), visitor.form_token.encode()):
            raise Forbidden("access.cross_site")


def _token(session_id: str) -> str:
    return hmac.new(session_id.encode(), b"pillarbox form", hashlib.sha256).hexdigest()[:32]
