"""Sign in by Microsoft Entra ID: where a browser goes, and what becomes of it when it comes back.

What keeps others from it is the ticket in a cookie of the browser that began, see access/entra_sign_in.py: whoever
makes a browser begin learns nothing, and whoever makes it finish has no answer that it waits for.
"""

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from pydantic import Field, SecretStr

from pillarbox.access.entra_sign_in import Back
from pillarbox.core.caller import Caller
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.api.access import OPEN_TO_ALL
from pillarbox.endpoints.api.audited import actor_of
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.problems import problem_of
from pillarbox.endpoints.api.request_ids import id_of
from pillarbox.endpoints.api.session_cookie import SessionCookie
from pillarbox.endpoints.api.sessions import SessionOut, peer_of, signed_in

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/sessions"
_UNKNOWN = "person.no_such_sign_in"


class SignInWays(Model):
    """How people can sign in; with `nobody_yet` there is nobody who could, and somebody at the machine begins."""

    password: bool = True
    microsoft: bool
    nobody_yet: bool


class MicrosoftSignIn(Model):
    """Where somebody wants to go on to, once they are signed in."""

    next: str = Field("", max_length=2000)


class MicrosoftSignInOut(Model):
    """Where the browser goes; the cookie of this answer is to come back with it."""

    url: str


class MicrosoftReturn(Model):
    """What a browser brought back from Microsoft (RFC 6749 section 4.1.2, RFC 9207)."""

    state: str = Field(max_length=1000)
    code: SecretStr = Field(SecretStr(""), max_length=20_000)
    error: str = Field("", max_length=1000)
    error_description: str = Field("", max_length=40_000)
    iss: str = Field("", max_length=1000)

    def back(self) -> Back:
        """As our word."""
        return Back(self.state, self.code.get_secret_value(), self.error, self.error_description, self.iss)


class SignedInByMicrosoft(SessionOut):
    """Who is signed in now, and where they wanted to go: as they said it, it may be anywhere."""

    next: str


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes."""
    household = services.household
    entra, sessions = household.entra, household.sessions
    cookie = SessionCookie(sessions, household.public_url)

    @app.get(_PATH + "/ways", dependencies=[OPEN_TO_ALL])
    async def show_sign_in_ways() -> SignInWays:
        """Show how people can sign in."""
        return SignInWays(microsoft=entra.is_on, nobody_yet=await household.first_admin.is_wanted())

    @app.post(_PATH + ":begin-microsoft", status_code=201, dependencies=[OPEN_TO_ALL])
    async def begin_microsoft_sign_in(
        wish: MicrosoftSignIn, request: Request, response: Response
    ) -> MicrosoftSignInOut:
        """Begin to sign in by Microsoft: the answer bears the cookie for `:finish-microsoft`."""
        begun = entra.begin(wish.next)
        cookie.give_ticket(request, response, begun.ticket)
        return MicrosoftSignInOut(url=begun.url)

    @app.post(
        _PATH + ":finish-microsoft",
        status_code=201,
        response_model=SignedInByMicrosoft,
        responses={502: {}},
        dependencies=[OPEN_TO_ALL],
    )
    async def finish_microsoft_sign_in(
        returned: MicrosoftReturn, request: Request, response: Response
    ) -> SignedInByMicrosoft | Response:
        """Sign in by what Microsoft told the browser, in the one that began; its last session is over.

        Of a refusal `params.next` is where they wanted to go.
        """
        peer, agent = peer_of(request), request.headers.get("user-agent", "")
        try:
            person, wanted = await entra.finish(cookie.ticket_in(request), returned.back(), peer)
            id = await sessions.begin(person, peer, agent, cookie.id_in(request))
            session = await signed_in(services, id, request, response)
        except PillarboxError as error:
            refused(request, error)
            error.params["next"] = entra.wanted(cookie.ticket_in(request))
            answer = problem_of(error, request_id=id_of(request.scope))
            cookie.end_ticket(request, answer)
            return answer
        cookie.end_ticket(request, response)
        return SignedInByMicrosoft(**session.model_dump(), next=wanted)

    def refused(request: Request, error: PillarboxError) -> None:
        name = str(error.params.get("name", ""))  # of whoever proved themselves, and may not come in
        services.log.warning("access.not_signed_in", name=name, address=peer_of(request), code=error.code)
        if error.code != _UNKNOWN:  # which anybody can bring about, as often as they like
            stranger = Caller("person", "", name, frozenset())
            services.audit.soon(actor_of(request, stranger), "sign_in", name, outcome="refused", code=error.code)
