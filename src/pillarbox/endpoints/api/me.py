"""Whoever is signed in, about themselves: password and second factor.

What makes it easier to come in takes the password anew, and where there is a second factor a code too: an open browser
alone is not enough. Whatever is changed ends all sessions; the answer bears the cookie of a new one.
"""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Request, Response
from pydantic import Field, SecretStr

from pillarbox.access.person_rules import LONGEST_PASSWORD, ME
from pillarbox.core.caller import Caller
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import PERSON_CALLER
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.people import PersonOut
from pillarbox.endpoints.api.session_cookie import SessionCookie, session_of
from pillarbox.endpoints.api.sessions import peer_of
from pillarbox.store.people import Person

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = f"/api/v1/people/{ME}"


class Proof(Model):
    """One's own password, and a code where there is a second factor."""

    password: SecretStr = Field(max_length=LONGEST_PASSWORD)
    code: SecretStr = Field(SecretStr(""), max_length=64)


class OwnChange(Model):
    """One's own password: the old one, and the one that is to come."""

    password: SecretStr = Field(max_length=LONGEST_PASSWORD)
    new_password: SecretStr = Field(max_length=LONGEST_PASSWORD)


class Confirmation(Model):
    """A code that the authenticator shows."""

    code: SecretStr = Field(max_length=64)


class EnrolmentOut(Model):
    """The secret of an authenticator, and the same for its QR code; told once."""

    secret: str
    uri: str


class RecoveryCodes(Model):
    """Codes for when the authenticator is lost, each good once; told once."""

    codes: list[str]


Me = Annotated[Caller, PERSON_CALLER]


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of whoever is signed in. They come before those of people by name."""
    household = services.household
    people, proofs, second_factors = household.people, household.proofs, household.second_factors
    cookie = SessionCookie(household.sessions, household.public_url)

    async def proved(caller: Caller, request: Request, proof: Proof) -> Person:
        await people.local(caller.name)
        password = Secret(proof.password.get_secret_value())
        person = await proofs.password(caller.name, password, peer_of(request))
        await proofs.code(person, proof.code.get_secret_value(), peer_of(request))
        return person

    async def go_on(person: Person, request: Request, response: Response) -> None:
        """All sessions are over: a new one for this browser."""
        former = session_of(request)
        id = await household.sessions.begin(person, former.peer, former.agent)
        cookie.give(request, response, id)
        services.log.info("account.changed", what="person", name=person.name, change="by themselves")

    @app.get(_PATH)
    async def show_me(caller: Me) -> PersonOut:
        """Show whoever is signed in."""
        return PersonOut.of(await people.get(caller.name), services.clock())

    @app.patch(_PATH)
    async def change_my_password(caller: Me, change: OwnChange, request: Request, response: Response) -> PersonOut:
        """Change one's own password."""
        await people.local(caller.name)
        old = Secret(change.password.get_secret_value())
        person = await proofs.password(caller.name, old, peer_of(request))
        after = await people.set_password(person, Secret(change.new_password.get_secret_value()))
        await go_on(after, request, response)
        return PersonOut.of(after, services.clock())

    @app.post(_PATH + ":enrol", status_code=201)
    async def enrol_second_factor(caller: Me, proof: Proof, request: Request) -> EnrolmentOut:
        """Begin to use an authenticator; it counts when a code of it was given to `:confirm`."""
        made = await second_factors.enrol(await proved(caller, request, proof))
        return EnrolmentOut(secret=made.secret.reveal(), uri=made.uri.reveal())

    @app.post(_PATH + ":confirm", status_code=201)
    async def confirm_second_factor(
        caller: Me, given: Confirmation, request: Request, response: Response
    ) -> RecoveryCodes:
        """Give a first code of the authenticator: one is needed to sign in from now on. The answer has a new cookie."""
        person = await people.get(caller.name)
        codes = await proofs.confirm(person, given.code.get_secret_value(), peer_of(request))
        await go_on(person, request, response)
        return RecoveryCodes(codes=[code.reveal() for code in codes])

    @app.post(_PATH + ":drop-second-factor", status_code=204)
    async def drop_second_factor(caller: Me, proof: Proof, request: Request, response: Response) -> None:
        """Need no code any more."""
        person = await proved(caller, request, proof)
        await second_factors.drop(person)
        await go_on(person, request, response)

    @app.post(_PATH + ":new-recovery-codes", status_code=201)
    async def make_recovery_codes(caller: Me, proof: Proof, request: Request) -> RecoveryCodes:
        """Make other recovery codes; those before are void."""
        codes = await second_factors.new_recovery_codes(await proved(caller, request, proof))
        return RecoveryCodes(codes=[code.reveal() for code in codes])
