"""Who asks at the HTTP listener: a program by its API key, or a person by the session of their browser."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from fastapi import Request

from pillarbox.access.audit import Actor, Audit
from pillarbox.access.keys import Keys
from pillarbox.access.request_rates import RequestRates, Standing
from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, PillarboxError
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.front import ORIGIN

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SessionOf = Callable[[Request], Awaitable[Caller | None]]
"""The person whose session a request bears, or None where it bears none."""


async def no_session(_request: Request) -> Caller | None:
    """Nobody has one."""
    return None


_STANDING: Final = "pillarbox.standing"
"""Where `HttpWho` leaves, in the ASGI scope, how the key stands: a list, as parts within get copies of the scope."""
_POLICY: Final = "requests"


class HttpWho:
    """Says who asks. A key goes before a session: a program that shows one means it."""

    def __init__(self, keys: Keys, rates: RequestRates, audit: Audit, session_of: SessionOf = no_session) -> None:
        self._keys = keys
        self._audit = audit
        self._rates = rates
        self._session_of = session_of

    async def __call__(self, request: Request) -> Caller:
        """Whoever makes this request.

        Raises AuthenticationFailed, Forbidden `access.wrong_network` or what the session's owner is refused for,
        Unavailable `access.too_many`, `access.banned`.
        """
        given = request.headers.getlist("authorization")
        if given:
            return self._by_key(request, given)
        caller = await self._session_of(request)
        if caller is None:
            raise AuthenticationFailed("access.no_credentials")
        return caller

    def _by_key(self, request: Request, given: list[str]) -> Caller:
        secret, origin = _bearer(given), request.scope[ORIGIN]
        try:
            key = self._keys.check(secret, origin.address, is_unclear=origin.is_unclear)
        except PillarboxError as error:
            if known := self._keys.named(secret):
                actor = Actor("key", known.id, known.name, "http", origin.address, id_of(request.scope))
                self._audit.soon(actor, "use_key", outcome="refused", code=error.code)
            raise
        standing, refusal = self._rates.take(key)
        if standing is not None:
            request.scope.get(_STANDING, []).append(standing)
        if refusal is not None:
            raise refusal
        return key.caller


class HttpDoor:
    """The API for whoever comes by the HTTP listener: answers to keys say how they stand."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        found: list[Standing] = []

        async def telling(message: "Message") -> None:
            if found and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_fields(found[-1])]
            await send(message)

        await self._app({**scope, _STANDING: found}, receive, telling)


def _bearer(given: list[str]) -> Secret:
    """The key in an Authorization field (RFC 6750 section 2.1); what is none is an empty one, which nobody has."""
    scheme, _, key = given[0].partition(" ")
    return Secret(key.strip() if len(given) == 1 and scheme.lower() == "bearer" else "")


def _fields(standing: Standing) -> list[tuple[bytes, bytes]]:
    """What may be asked in a minute, what is left of it, and until when that is all (`t`).

    Sections 3.1 and 4.1 of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/; by section 6
    Retry-After is not before the end of `t`.
    """
    return [
        (b"ratelimit-policy", f'"{_POLICY}";q={standing.rate};w=60'.encode()),
        (b"ratelimit", f'"{_POLICY}";r={standing.left};t={standing.reset}'.encode()),
    ]
