"""Sign in, sign out, and who is signed in."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Request, Response
from pydantic import Field, SecretStr

from pillarbox.access.person_rules import LONGEST_NAME, LONGEST_PASSWORD
from pillarbox.access.sessions import caller_of
from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, NotFound
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import OPEN_TO_ALL, PERSON_CALLER
from pillarbox.endpoints.api.audited import actor_of
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.session_cookie import SessionCookie, session_of
from pillarbox.store.sessions import Session

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/sessions"


class NewSession(Model):
    """Name and password; a code of the authenticator, or a recovery code, where there is a second factor."""

    name: str = Field(max_length=LONGEST_NAME)
    password: SecretStr = Field(max_length=LONGEST_PASSWORD)
    code: SecretStr = Field(SecretStr(""), max_length=64)


class SessionOut(Model):
    """Who is signed in, and what they may do. Times are seconds since 1970."""

    name: str
    roles: list[str]
    scopes: list[str]
    created_at: float
    seen_at: float
    peer: str
    agent: str

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        """A session as the API shows it."""
        return cls(
            name=session.name,
            roles=sorted(session.roles),
            scopes=sorted(caller_of(session).scopes),
            created_at=session.created_at,
            seen_at=session.seen_at,
            peer=session.peer,
            agent=session.agent,
        )


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of sessions."""
    people, sessions, audit = services.household.people, services.household.sessions, services.audit
    cookie = SessionCookie(sessions, services.household.public_url)

    async def failed(request: Request, name: str, error: AuthenticationFailed) -> None:
        # A name that is nobody's may be a password, typed in the wrong place.
        try:
            person = await people.get(name)
        except NotFound:
            stranger = Caller("person", "", "", frozenset())
        else:
            stranger = Caller("person", person.id, person.name, frozenset())
        await audit.record(actor_of(request, stranger), "sign_in", outcome="refused", code=error.code)

    @app.post(_PATH, status_code=201, dependencies=[OPEN_TO_ALL])
    async def sign_in(new: NewSession, request: Request, response: Response) -> SessionOut:
        """Sign in: the answer bears the cookie of a new session, and the browser's last one is over."""
        cookie.check_sign_in(request)
        peer, agent = peer_of(request), request.headers.get("user-agent", "")
        password, code = Secret(new.password.get_secret_value()), new.code.get_secret_value()
        try:
            id = await sessions.sign_in(new.name, password, code, peer, agent, cookie.id_in(request))
        except AuthenticationFailed as error:
            await failed(request, new.name, error)
            raise
        session = await sessions.find(id.reveal())
        if session is None:
            raise AuthenticationFailed("person.signed_out")
        await audit.record(actor_of(request, caller_of(session)), "sign_in")
        services.log.info("access.signed_in", name=session.name, address=peer)
        cookie.give(request, response, id)
        return SessionOut.of(session)

    @app.get(_PATH + "/current")
    async def show_session(_caller: Annotated[Caller, PERSON_CALLER], request: Request) -> SessionOut:
        """Who is signed in, and what they may do."""
        return SessionOut.of(session_of(request))

    @app.delete(_PATH + "/current", status_code=204)
    async def sign_out(_caller: Annotated[Caller, PERSON_CALLER], request: Request, response: Response) -> None:
        """Sign out."""
        await sessions.end(session_of(request))
        cookie.take_back(request, response)

    @app.delete(_PATH, status_code=204)
    async def sign_out_everywhere(
        caller: Annotated[Caller, PERSON_CALLER], request: Request, response: Response
    ) -> None:
        """Sign out in this browser and all others."""
        await sessions.end_all(caller.id)
        cookie.take_back(request, response)


def peer_of(request: Request) -> str:
    """The address at the other end; empty at the local socket."""
    return request.client.host if request.client else ""
