"""People at the API, as administrators look after them. Links that were made here go out once, and never again."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Response
from pydantic import Field, SecretStr, StrictBool

from pillarbox.access.invitations import Invitation
from pillarbox.access.person_rules import LONGEST_PASSWORD
from pillarbox.core.caller import SCOPES_OF, Caller, Role, Scope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.api.access import LOCAL_CALLER, needs
from pillarbox.endpoints.api.etags import IfMatch, Versions
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.store.people import Person

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_PATH = "/api/v1/people"


class InvitationOut(Model):
    """A link at which a password is chosen, and when its time is over, in seconds since 1970."""

    url: str
    expires_at: float

    @classmethod
    def of(cls, invitation: Invitation) -> "InvitationOut":
        """A link, once."""
        return cls(url=invitation.url.reveal(), expires_at=invitation.expires_at)


class FirstInvitation(InvitationOut):
    """The link of the first administrator, and the file in which it stands."""

    file: str


class SignInLinkOut(Model):
    """A link that signs somebody in once, until `expires_at` (seconds since 1970)."""

    url: str
    expires_at: float


class NewPerson(Model):
    """Somebody new; without a password they choose one at the link that is made."""

    name: str
    roles: list[Role]
    password: SecretStr | None = Field(None, max_length=LONGEST_PASSWORD)


class PersonChange(Model):
    """What somebody is to be; what is left out stays."""

    roles: list[Role] | None = None
    enabled: StrictBool | None = None


class NewInvitation(Model):
    """Whether the second factor goes too, for somebody whose authenticator is lost."""

    drop_second_factor: StrictBool = False


class EntraAccount(Model):
    """Who somebody is in a tenant of Microsoft Entra ID."""

    tenant_id: str
    object_id: str


class PersonOut(Model):
    """A person. Times are seconds since 1970; `invited_until` is the end of a link that is still good.

    `invitation` is told once, in the answer in which it was made. Who signs in by Microsoft (`entra`) has no password
    here, and the roles that it gave at the last sign-in.
    """

    name: str
    roles: list[Role]
    enabled: bool
    has_password: bool
    has_second_factor: bool
    recovery_codes: int
    invited_until: float | None
    created_at: float
    last_seen_at: float | None
    entra: EntraAccount | None
    invitation: InvitationOut | None = None

    @classmethod
    def of(cls, person: Person, now: float, invitation: Invitation | None = None) -> "PersonOut":
        """A person as the API shows them."""
        until = person.invited_until
        return cls(
            name=person.name,
            roles=sorted(person.roles),
            enabled=person.enabled,
            has_password=person.has_password,
            has_second_factor=person.has_second_factor,
            recovery_codes=person.recovery_codes,
            invited_until=until if until is not None and until > now else None,
            created_at=person.created_at,
            last_seen_at=person.last_seen_at,
            entra=EntraAccount(tenant_id=person.tenant_id, object_id=person.object_id) if person.is_of_entra else None,
            invitation=None if invitation is None else InvitationOut.of(invitation),
        )


class People(Model):
    """A page of the people, by name; `next` is the cursor of the one behind it, or null."""

    data: list[PersonOut]
    next: str | None


_Admin = Annotated[Caller, needs(Scope.ADMIN)]
_VOLATILE: Final = frozenset(PersonOut.model_fields) - {"name", "roles", "enabled"}


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of people."""
    household = services.household
    people = household.people
    versions = Versions(volatile=_VOLATILE, once=frozenset({"invitation"}))

    def changed(name: str, change: str) -> None:
        services.log.info("account.changed", what="person", name=name, change=change)

    def shown(person: Person, invitation: Invitation | None = None) -> PersonOut:
        return PersonOut.of(person, services.clock(), invitation)

    async def current(name: str) -> PersonOut:
        return shown(await people.get(name))

    @app.get(_PATH, dependencies=[needs(Scope.ADMIN)])
    async def list_people(paging: Paging) -> People:
        """List the people, by name."""
        page, following = paging.cut(await people.list(), lambda one: one.name)
        return People(data=[shown(one) for one in page], next=following)

    @app.post(_PATH, status_code=201)
    async def add_person(new: NewPerson, caller: _Admin, response: Response) -> PersonOut:
        """Add somebody, with a password or with a link at which they choose one, which is in this answer alone."""
        _need_all(caller, new.roles)
        password = None if new.password is None else Secret(new.password.get_secret_value())
        person, invitation = await people.add(new.name, new.roles, password)
        changed(person.name, "added")
        return versions.tell(response, shown(person, invitation))

    @app.get(_PATH + "/{name}", dependencies=[needs(Scope.ADMIN)])
    async def show_person(name: str, response: Response) -> PersonOut:
        """Show a person."""
        return versions.tell(response, await current(name))

    @app.patch(_PATH + "/{name}")
    async def change_person(
        name: str, change: PersonChange, caller: _Admin, response: Response, if_match: IfMatch = None
    ) -> PersonOut:
        """Change what somebody may do, or keep them out; they are signed out everywhere, and their link is void."""
        async with versions.changing(if_match, lambda: current(name)):
            if change.roles is not None:
                _need_all(caller, set(change.roles) - (await people.get(name)).roles)
            after = await people.change(name, change.roles, enabled=change.enabled)
        changed(after.name, ", ".join(sorted(change.model_fields_set)) or "nothing")
        return versions.tell(response, shown(after))

    @app.delete(_PATH + "/{name}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_person(name: str, if_match: IfMatch = None) -> None:
        """Forget a person; they are signed out everywhere."""
        async with versions.changing(if_match, lambda: current(name)):
            await people.remove(name)
        changed(name, "removed")

    @app.post(_PATH + "/{name}:invite", status_code=201)
    async def invite_person(name: str, wish: NewInvitation, caller: _Admin) -> InvitationOut:
        """Make a new link at which somebody chooses another password; the old one and all sessions are over."""
        # Whoever has the link can be them.
        _need_all(caller, (await people.get(name)).roles)
        made = await people.invite(name, drop_second_factor=wish.drop_second_factor)
        changed(name, "invited" + (", second factor dropped" if wish.drop_second_factor else ""))
        return InvitationOut.of(made)

    @app.post(_PATH + "/{name}:sign-out", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def sign_out_person(name: str) -> None:
        """Sign somebody out everywhere."""
        await household.sessions.end_all((await people.get(name)).id)

    @app.post(_PATH + "/{name}:sign-in-link", status_code=201, dependencies=[LOCAL_CALLER])
    async def make_sign_in_link(name: str) -> SignInLinkOut:
        """Make a link that signs somebody in once, without a password; for the local socket only."""
        made = household.sign_in_links.make(await people.get(name))
        return SignInLinkOut(url=made.url.reveal(), expires_at=made.expires_at)

    @app.post(_PATH + ":first", status_code=201, dependencies=[LOCAL_CALLER])
    async def invite_first_admin() -> FirstInvitation:
        """Make a new link for the first administrator; for the local socket only."""
        made, file = await household.first_admin.offer()
        return FirstInvitation(url=made.url.reveal(), expires_at=made.expires_at, file=str(file))


def _need_all(caller: Caller, roles: Collection[Role]) -> None:
    """Nobody hands out more than they have: else an administrator would read all mail as an auditor of their making.

    Whoever may open the local socket makes the first auditor; an administrator who is one makes others.
    """
    for scope in sorted({scope for role in roles for scope in SCOPES_OF[role]}):
        caller.need(scope)
