"""The cookie by which a browser is known, and what keeps other sites from using it.

A browser sends the cookie along with whatever any site makes it ask for. So a request that changes something must say
that one of our own pages sent it: `Sec-Fetch-Site`, which no script can write, or else `Origin`.
"""

from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from pillarbox.access.entra_sign_in import LIFE as TICKET_LIFE
from pillarbox.access.half_signed_in import LIFE
from pillarbox.access.sessions import WHOLE, Sessions, caller_of
from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, Forbidden
from pillarbox.core.vault import Secret
from pillarbox.store.sessions import Session

_HALF: Final = "-code"
"""What the cookie of a sign-in that waits for a code is called more."""
_TICKET: Final = "-microsoft"
"""And of one that waits for an answer of Microsoft's."""
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
        # What the script of an open page asks by itself (`empty`) is no use: nobody may sit before it any more.
        session = await self._sessions.find(id, used=request.headers.get("sec-fetch-dest") != "empty")
        if session is None:
            raise AuthenticationFailed("person.signed_out")
        if request.method not in _LOOKS_ONLY and not _is_of_our_page(request, self._public_url()):
            raise Forbidden("access.cross_site")
        request.scope[_SESSION] = session
        return caller_of(session)

    def id_in(self, request: Request) -> str:
        """What a browser says is its session's id; empty where it says nothing."""
        return request.cookies.get(self._name(request), "")

    def id_after(self, request: Request, before: str, cookies: Iterable[str]) -> str:
        """The id that a browser has, which was `before`, once it has these `Set-Cookie` fields."""
        pairs = (cookie.partition(";")[0].partition("=") for cookie in cookies)
        return next((value for name, _, value in reversed(list(pairs)) if name == self._name(request)), before)

    def half_in(self, request: Request) -> str:
        """What a browser has whose user still owes a code; empty where it says nothing."""
        return request.cookies.get(self._name(request) + _HALF, "")

    def check_sign_in(self, request: Request) -> None:
        """Whether no other site signs a browser in, as somebody whom its user is not. Raises as `check_press`."""
        check_press(request, self._public_url())

    def give(self, request: Request, response: Response, id: Secret) -> None:
        """Have a browser keep a session's id."""
        self._write(request, response, self._name(request), id.reveal(), WHOLE)
        self.end_half(request, response)

    def take_back(self, request: Request, response: Response) -> None:
        """Have a browser forget it."""
        self._write(request, response, self._name(request), "", 0)

    def give_half(self, request: Request, response: Response, id: Secret) -> None:
        """Have a browser keep that the password was typed in it."""
        self._write(request, response, self._name(request) + _HALF, id.reveal(), LIFE)

    def end_half(self, request: Request, response: Response) -> None:
        """Have it forget that."""
        if self.half_in(request):
            self._write(request, response, self._name(request) + _HALF, "", 0)

    def ticket_in(self, request: Request) -> str:
        """What a browser must have that comes back from Microsoft; empty where it has nothing."""
        return request.cookies.get(self._name(request) + _TICKET, "")

    def give_ticket(self, request: Request, response: Response, ticket: Secret) -> None:
        """Have a browser keep it. Lax: it comes along when Microsoft sends the browser back."""
        self._write(request, response, self._name(request) + _TICKET, ticket.reveal(), TICKET_LIFE)

    def end_ticket(self, request: Request, response: Response) -> None:
        """Have it forget that: a ticket counts once."""
        self._write(request, response, self._name(request) + _TICKET, "", 0)

    def _write(self, request: Request, response: Response, name: str, value: str, life: float) -> None:
        secure = self._is_secure(request)
        flags = f"Path=/; Max-Age={life:.0f}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        response.headers.append("Set-Cookie", f"{name}={value}; {flags}")

    def _name(self, request: Request) -> str:
        """The cookie's name; `__Host-` makes browsers refuse one that another host or plain HTTP has planted."""
        return "__Host-pillarbox" if self._is_secure(request) else "pillarbox"

    def _is_secure(self, request: Request) -> bool:
        return request.scope["scheme"] == "https" or self._public_url().startswith("https://")


def check_press(request: Request, public_url: str) -> None:
    """Whether it was a page of ours whose button somebody without a session pressed.

    Programs send neither of the two fields, and may. Raises Forbidden `access.cross_site`.
    """
    told = "origin" in request.headers or "sec-fetch-site" in request.headers
    if told and not _is_of_our_page(request, public_url):
        raise Forbidden("access.cross_site")


def session_of(request: Request) -> Session:
    """The session of a request that `caller_of` let in."""
    session: Session = request.scope[_SESSION]
    return session


def _is_of_our_page(request: Request, public_url: str) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and _origin(origin) == _origin(public_url)


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
