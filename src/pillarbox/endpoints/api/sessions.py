"""Sign in, sign out, and who is signed in."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Request, Response
from pydantic import Field, SecretStr

from pillarbox.access.person_rules import LONGEST_NAME, LONGEST_PASSWORD
from pillarbox.access.sessions import CodeNeeded, caller_of
from pillarbox.core.caller import Caller
from pillarbox.core.errors import AuthenticationFailed, Forbidden, InvalidInput, NotFound, PillarboxError
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import OPEN_TO_ALL, PERSON_CALLER
from pillarbox.endpoints.api.audited import actor_of
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.endpoints.api.problems import problem_of
from pillarbox.endpoints.api.request_ids import id_of
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


class NewCode(Model):
    """A code of the authenticator, or a recovery code."""

    code: SecretStr = Field(max_length=64)


class NewByLink(Model):
    """What stands behind `/sign-in/link/` in a link."""

    token: SecretStr = Field(max_length=64)


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


class OwnSession(Model):
    """A browser in which one is signed in; `current` is the one that asks. Times are seconds since 1970."""

    created_at: float
    seen_at: float
    peer: str
    agent: str
    current: bool

    @classmethod
    def of(cls, session: Session, current: Session) -> "OwnSession":
        """A session as the API shows it."""
        return cls(
            created_at=session.created_at,
            seen_at=session.seen_at,
            peer=session.peer,
            agent=session.agent,
            current=session.id == current.id,
        )


class OwnSessions(Model):
    """A page of one's own sessions, the oldest first; `next` is the cursor of the one behind it, or null."""

    data: list[OwnSession]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of sessions."""
    people, sessions, audit = services.household.people, services.household.sessions, services.audit
    cookie = SessionCookie(sessions, services.household.public_url)

    async def failed(request: Request, name: str, error: PillarboxError) -> None:
        # A name that is nobody's may be a password, typed in the wrong place.
        try:
            person = await people.get(name)
        except NotFound:
            stranger = Caller("person", "", "", frozenset())
        else:
            stranger = Caller("person", person.id, person.name, frozenset())
        await audit.record(actor_of(request, stranger), "sign_in", outcome="refused", code=error.code)

    @app.post(_PATH, status_code=201, response_model=SessionOut, dependencies=[OPEN_TO_ALL])
    async def sign_in(new: NewSession, request: Request, response: Response) -> SessionOut | Response:
        """Sign in: the answer bears the cookie of a new session, and the browser's last one is over.

        Where a code is needed and none was given (`person.code_needed`), the answer bears the cookie for `:finish`.
        """
        cookie.check_sign_in(request)
        peer, agent = peer_of(request), request.headers.get("user-agent", "")
        password, code = Secret(new.password.get_secret_value()), new.code.get_secret_value()
        try:
            id = await sessions.sign_in(new.name, password, code, peer, agent, cookie.id_in(request))
        except CodeNeeded as error:
            await failed(request, new.name, error)
            answer = problem_of(error, request_id=id_of(request.scope))
            cookie.give_half(request, answer, error.half)
            return answer
        except AuthenticationFailed as error:
            await failed(request, new.name, error)
            raise
        return await signed_in(services, id, request, response)

    @app.post(_PATH + ":finish", status_code=201, dependencies=[OPEN_TO_ALL])
    async def sign_in_by_code(new: NewCode, request: Request, response: Response) -> SessionOut:
        """Sign in by the code alone, in a browser in which name and password were right within five minutes."""
        cookie.check_sign_in(request)
        peer, agent = peer_of(request), request.headers.get("user-agent", "")
        half, code = cookie.half_in(request), new.code.get_secret_value()
        name = sessions.waiting(half)
        try:
            id = await sessions.finish(half, code, peer, agent, cookie.id_in(request))
        except (AuthenticationFailed, InvalidInput) as error:
            if name:
                await failed(request, name, error)
            raise
        return await signed_in(services, id, request, response)

    @app.post(_PATH + ":by-link", status_code=201, responses={404: {}}, dependencies=[OPEN_TO_ALL])
    async def sign_in_by_link(new: NewByLink, request: Request, response: Response) -> SessionOut:
        """Sign in by a link of `:sign-in-link`, which is used up."""
        cookie.check_sign_in(request)
        peer, agent = peer_of(request), request.headers.get("user-agent", "")
        with services.household.sign_in_links.taking(new.token.get_secret_value()) as person:
            try:
                id = await sessions.begin(person, peer, agent, cookie.id_in(request))
            except AuthenticationFailed:
                is_kept_out = not (await people.get(person.name)).enabled
                error = Forbidden("person.kept_out", name=person.name) if is_kept_out else NotFound("person.no_link")
                await failed(request, person.name, error)
                raise error from None
        return await signed_in(services, id, request, response)

    @app.get(_PATH + "/current")
    async def show_session(_caller: Annotated[Caller, PERSON_CALLER], request: Request) -> SessionOut:
        """Who is signed in, and what they may do."""
        return SessionOut.of(session_of(request))

    @app.get(_PATH)
    async def list_sessions(caller: Annotated[Caller, PERSON_CALLER], request: Request, paging: Paging) -> OwnSessions:
        """List where one is signed in oneself."""
        page, following = paging.cut(await sessions.of_person(caller.id), _age)
        current = session_of(request)
        return OwnSessions(data=[OwnSession.of(one, current) for one in page], next=following)

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


async def signed_in(services: "Services", id: Secret, request: Request, response: Response) -> SessionOut:
    """Somebody has a new session: write it down, and have their browser keep it."""
    household = services.household
    session = await household.sessions.find(id.reveal())
    if session is None:
        raise AuthenticationFailed("person.signed_out")
    await services.audit.record(actor_of(request, caller_of(session)), "sign_in")
    services.log.info("access.signed_in", name=session.name, address=peer_of(request))
    SessionCookie(household.sessions, household.public_url).give(request, response, id)
    return SessionOut.of(session)


def _age(session: Session) -> str:
    return f"{session.created_at:017.6f} {session.id}"


def peer_of(request: Request) -> str:
    """The address at the other end; empty at the local socket."""
    return request.client.host if request.client else ""
