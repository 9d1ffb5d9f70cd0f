"""The HTTP listener's front: each request goes to the part that its path names, and says how it came in.

    /api/...      the API, for callers with a key or a session
    elsewhere     the other parts by the first word of the path, at last the pages of a sign-in

What a proxy in front of us says of a client counts only where that proxy is trusted (proxies.py), and the path of
`http.public_url` may stand before each path or not: proxies strip it, or do not.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, Forbidden
from pillarbox.core.tls import is_loopback
from pillarbox.endpoints.api.access import WHO, Who
from pillarbox.endpoints.api.problems import problem_of
from pillarbox.endpoints.api.request_ids import RequestIds, id_of
from pillarbox.endpoints.api.version import HEADER
from pillarbox.endpoints.proxies import Origin, Proxies

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN: Final = "pillarbox.origin"
"""Key of the ASGI scope: the Origin of a request that came by the HTTP listener."""
Heard = Callable[[str, str, str], None]
"""Is told of each answer: method, route (its template, or the first word of the path), status."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""All others are told as one: anybody can make up words."""
_VERSION: Final = HEADER.lower().encode()
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    # For whatever has no policy of its own, as JSON: it is no page, and shows nothing that it names.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Fields that every answer bears, unless it says otherwise itself."""


def unheard(_method: str, _route: str, _status: str) -> None:
    """Nobody is told."""


async def nobody(_request: "Request") -> Caller:
    """Who asks where no one is let in. Raises AuthenticationFailed `access.no_credentials`."""
    raise AuthenticationFailed("access.no_credentials")


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands behind the front: applications by the first word of their paths, and that for all other paths.

    `in_clear` are the words of what is answered by plain HTTP whoever asks, as there is nothing in it to be seen.
    """

    by_word: "Mapping[str, ASGIApp]"
    elsewhere: "ASGIApp"
    in_clear: Collection[str] = ()

    def word(self, path: str) -> str:
        """The word by which a path is known here; empty for all others."""
        word = path.lstrip("/").partition("/")[0]
        return word if word in self.by_word else ""


class Front:
    """The application of the HTTP listener. `who` says who asks; `prefix` is the path of `http.public_url`."""

    def __init__(self, parts: Parts, who: Who, proxies: Proxies, prefix: str = "", heard: Heard = unheard) -> None:
        self._parts = parts
        self._who = who
        self._proxies = proxies
        self._prefix = prefix.rstrip("/")
        self._heard = heard

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        client = scope["client"]
        origin = self._proxies.origin(client[0] if client else "", scope["scheme"], scope["headers"])
        answer = _Answer(send, self._who)
        inner = {
            **scope,
            **self._path(scope),
            "client": (origin.address, 0 if origin.is_trusted or not client else client[1]),
            "scheme": origin.scheme,
            ORIGIN: origin,
            WHO: answer.who,
        }
        word = self._parts.word(inner["path"])
        part = self._parts.by_word.get(word, self._parts.elsewhere)
        if scope["scheme"] == "http" and word not in self._parts.in_clear and not _may_speak_clear(origin):
            part = _IN_CLEAR
        try:
            await part(inner, receive, answer.send)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._heard(method, answer.route or _template(inner) or f"/{word}", str(answer.status))

    def _path(self, scope: "Scope") -> Mapping[str, Any]:
        """The path without the prefix, decoded and as it came."""
        path, raw, prefix = scope["path"], scope["raw_path"], self._prefix.encode()
        if not prefix or not raw.startswith(prefix + b"/"):
            return {}
        return {"path": path[len(self._prefix) :], "raw_path": raw[len(prefix) :]}


def _may_speak_clear(origin: Origin) -> bool:
    """Nobody in between reads what this machine says to itself, nor, so its owner says, what a trusted proxy says."""
    return origin.is_trusted or is_loopback(origin.address)


async def _refuse_clear(scope: "Scope", receive: "Receive", send: "Send") -> None:
    await problem_of(Forbidden("http.not_encrypted"), request_id=id_of(scope))(scope, receive, send)


_IN_CLEAR: Final = RequestIds(_refuse_clear)


def _template(scope: "Scope") -> str:
    """The path of the route that answered, as it was written: there are few of them, and no names in them."""
    return getattr(scope.get("route"), "path", "")


class _Answer:
    """One answer on its way out: with the fields of all answers, and with our version for those alone who are known."""

    def __init__(self, send: "Send", who: Who) -> None:
        self._send = send
        self._who = who
        self._known = False
        self.status = 0
        self.route = ""
        """The template of the API's route, which is no more in our scope: parts within have copies of it."""

    async def who(self, request: "Request") -> Caller:
        """Who asks, remembered as known."""
        self.route = _template(request.scope)
        caller = await self._who(request)
        self._known = True
        return caller

    async def send(self, message: "Message") -> None:
        """See ASGI."""
        if message["type"] == "http.response.start":
            fields = [field for field in message.get("headers", ()) if self._known or field[0].lower() != _VERSION]
            there = {name.lower() for name, _ in fields}
            message["headers"] = [*fields, *(field for field in _ALWAYS if field[0] not in there)]
            self.status = message["status"]
        await self._send(message)
