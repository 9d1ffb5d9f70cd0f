"""The HTTP listener's front: each request goes to the part that its path names, and says how it came in.

    /api/...      the API, for callers with a key or a session
    /healthz      and what else has one path of its own, and is only read
    /setup/...    and /signin/..., the pages of those who have a link, and come in by no session
    elsewhere     the console

What a proxy in front of us says of a client counts only where that proxy is trusted (proxies.py), and the path of
`http.public_url` may stand before each path or not: proxies strip it, or do not.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from pillarbox.core.caller import Caller
from pillarbox.core.errors import Forbidden, InvalidInput, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.tls import is_loopback
from pillarbox.endpoints.api.access import WHO, Who
from pillarbox.endpoints.api.problems import problem_of
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.api.version import HEADER
from pillarbox.endpoints.proxies import Origin, Proxies

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN: Final = "pillarbox.origin"
"""Key of the ASGI scope: the Origin of a request that came by the HTTP listener."""
Heard = Callable[[str, str, str], None]
"""Is told of each answer: method, route (its template, or the part that answered), status."""
_API: Final = "/api"
_BY_LINK: Final = ("/setup/", "/signin/")
_READS: Final = frozenset({"GET", "HEAD"})
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Each says where a body ends."""
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


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands behind the front. `single` has one path each, and is only read.

    `in_clear` are the paths that are answered by plain HTTP whoever asks, as there is nothing in them to be seen.
    """

    api: "ASGIApp"
    single: "Mapping[str, ASGIApp]"
    by_link: "ASGIApp"
    elsewhere: "ASGIApp"
    in_clear: Collection[str] = ()

    def of(self, method: str, path: str) -> "tuple[str, ASGIApp]":
        """The part for a path, and its name in the metrics."""
        if path in self.single:
            return path, self.single[path] if method in _READS else _refuse_method
        if path == _API or path.startswith(f"{_API}/"):
            return _API, self.api
        if path.startswith(_BY_LINK):
            return "/", self.by_link
        return "/", self.elsewhere


class Front:
    """The application of the HTTP listener. `who` says who asks; `prefix` is the path of `http.public_url`."""

    def __init__(
        self, parts: Parts, who: Who, proxies: Proxies, log: Logger, prefix: str = "", heard: Heard = unheard
    ) -> None:
        self._parts = parts
        self._who = who
        self._proxies = proxies
        self._log = log
        # As it comes in a request, also where the settings write it as people read it.
        self._prefix = quote(prefix.rstrip("/"), safe="/%").encode()
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
        method = scope["method"] if scope["method"] in _METHODS else "other"
        name, part = self._parts.of(method, inner["path"])
        if scope["scheme"] == "http" and name not in self._parts.in_clear and not _may_speak_clear(origin):
            part = _refuse_clear
        if _LENGTHS.issubset(field for field, _ in scope["headers"]):
            part = _refuse_lengths
        try:
            await part(inner, receive, answer.send)
        except Exception as error:
            # A part that has begun to answer has told of it in the log by itself.
            if not answer.status:
                self._log.error("unexpected", where=f"{method} {name}", exc_info=error)
                await _problem(PillarboxError("internal"), inner, receive, answer.send)
        finally:
            self._heard(method, answer.route or _template(inner) or name, str(answer.status))

    def _path(self, scope: "Scope") -> Mapping[str, Any]:
        """The path without the prefix, decoded and as it came.

        Also of a target that names its host (RFC 9112 section 3.2.2); which one, counts for nothing here.
        """
        came: bytes = scope["raw_path"]
        raw = came
        if raw.lower().startswith((b"http://", b"https://")):
            _, slash, path = raw.partition(b"//")[2].partition(b"/")
            raw = slash + path or b"/"
        if self._prefix and (raw + b"/").startswith(self._prefix + b"/"):
            raw = raw.removeprefix(self._prefix) or b"/"
        return {"path": unquote(raw.decode("ascii")), "raw_path": raw} if raw != came else {}


def _may_speak_clear(origin: Origin) -> bool:
    """Nobody in between reads what this machine says to itself, nor, so its owner says, what a trusted proxy says."""
    return origin.is_trusted or is_loopback(origin.address)


async def _problem(error: PillarboxError, scope: "Scope", receive: "Receive", send: "Send") -> None:
    await problem_of(error, request_id=id_of(scope))(scope, receive, send)


async def _refuse_clear(scope: "Scope", receive: "Receive", send: "Send") -> None:
    await _problem(Forbidden("http.not_encrypted"), scope, receive, send)


async def _refuse_lengths(scope: "Scope", receive: "Receive", send: "Send") -> None:
    # A proxy may have taken the other one for true: what follows in this connection is nobody's (RFC 9112 section 6.1).
    error = InvalidInput("request.invalid", reason="it has both Content-Length and Transfer-Encoding")
    answer = problem_of(error, 400, request_id=id_of(scope))
    answer.headers["Connection"] = "close"
    await answer(scope, receive, send)


async def _refuse_method(scope: "Scope", receive: "Receive", send: "Send") -> None:
    answer = problem_of(InvalidInput("request.wrong_method", method=scope["method"]), request_id=id_of(scope))
    answer.headers["Allow"] = ", ".join(sorted(_READS))
    await answer(scope, receive, send)


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
