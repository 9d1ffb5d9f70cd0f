"""The cookie by which a browser is known, and what keeps other sites from using it.

A browser sends the cookie along with whatever any site makes it ask for. So a request that changes something must say
that one of our own pages sent it: `Sec-Fetch-Site`, which no script can write, or else `Origin`.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from pillarbox.access.sessions import WHOLE, Sessions, caller_of
from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, Forbidden
from pillarbox.core.vault import Secret
from pillarbox.store.sessions import Session

_SESSION: Final = "pillarbox.session"
"""Where the session of a request is kept in its ASGI scope."""
_LOOKS_ONLY: Final = ("GET", "HEAD", "OPTIONS")
_PORTS: Final = {"http": 80, "https": 443}


class SessionCookie:
    """Reads and writes the cookie. `public_url` is where browsers reach us, as the settings say it."""

    def __init__(self, sessions: Sessions, public_url: Callable[[], str]) -> None:
        self._sessions = sessions
        self._public_url = public_url

    async def caller_of(self, request: Request) -> Caller | None:
        """Who asks by a session; None where no cookie of ours is there.

        Raises AuthenticationFailed `person.signed_out` for a session that is over, Forbidden `access.cross_site`.
        """
        id = self.id_in(request)
        if not id:
            return None
        session = await self._sessions.find(id)
        if session is None:
            raise AuthenticationFailed("person.signed_out")
        if request.method not in _LOOKS_ONLY and not self._is_of_our_page(request):
            raise Forbidden("access.cross_site")
        request.scope[_SESSION] = session
        return caller_of(session)

    def id_in(self, request: Request) -> str:
        """What a browser says is its session's id; empty where it says nothing."""
        return request.cookies.get(self._name(request), "")

    def check_sign_in(self, request: Request) -> None:
        """Whether no other site signs a browser in, as somebody whom its user is not.

        Programs send neither of the two fields, and may. Raises Forbidden `access.cross_site`.
        """
        told = "origin" in request.headers or "sec-fetch-site" in request.headers
        if told and not self._is_of_our_page(request):
            raise Forbidden("access.cross_site")

    def give(self, request: Request, response: Response, id: Secret) -> None:
        """Have a browser keep a session's id."""
        self._write(request, response, id.reveal(), WHOLE)

    def take_back(self, request: Request, response: Response) -> None:
        """Have a browser forget it."""
        self._write(request, response, "", 0)

    def _write(self, request: Request, response: Response, value: str, life: float) -> None:
        secure = self._is_secure(request)
        flags = f"Path=/; Max-Age={life:.0f}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        response.headers.append("Set-Cookie", f"{self._name(request)}={value}; {flags}")

    def _name(self, request: Request) -> str:
        """The cookie's name; `__Host-` makes browsers refuse one that another host or plain HTTP has planted."""
        return "__Host-pillarbox" if self._is_secure(request) else "pillarbox"

    def _is_secure(self, request: Request) -> bool:
        return request.scope["scheme"] == "https" or self._public_url().startswith("https://")

    def _is_of_our_page(self, request: Request) -> bool:
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("origin", "")
        return bool(origin) and _origin(origin) == _origin(self._public_url())


def session_of(request: Request) -> Session:
    """The session of a request that `caller_of` let in."""
    session: Session = request.scope[_SESSION]
    return session


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port (RFC 6454 section 4); None for what has none, such as `null`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme)
