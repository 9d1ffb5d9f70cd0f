"""People who may sign in: what administrators do with them, and each with their own password."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

from pillarbox.access.invitations import Invitation, Invitations
from pillarbox.access.passwords import Passwords
from pillarbox.access.person_rules import check_name, check_password, check_roles, folded, name_of_account
from pillarbox.access.proofs import Proofs
from pillarbox.core.accounts import Account
from pillarbox.core.caller import Role
from pillarbox.core.errors import Conflict, Forbidden, NotFound
from pillarbox.core.vault import Secret
from pillarbox.store.people import PeopleStore, Person


class People:
    """Adds, changes and lists people."""

    def __init__(self, store: PeopleStore, invitations: Invitations, passwords: Passwords, proofs: Proofs) -> None:
        self._store = store
        self._invitations = invitations
        self._passwords = passwords
        self._proofs = proofs
        self._changing = asyncio.Lock()

    async def list(self) -> list[Person]:
        """All people, by name."""
        return await self._store.load()

    async def get(self, name: str) -> Person:
        """The person of this name. Raises NotFound."""
        found = await self._store.get(folded(name))
        if found is None:
            raise NotFound("person.not_found", name=name)
        return found

    async def add(
        self, name: str, roles: Collection[Role], password: Secret | None = None
    ) -> tuple[Person, Invitation | None]:
        """Add somebody, with a password, or else with a link at which they choose one.

        Raises InvalidInput, Conflict for a name that is taken, or where a link would lead nowhere.
        """
        name, roles = check_name(name), check_roles(roles)
        if password is None:
            self._invitations.check_reachable()
        else:
            password = check_password(name, password)
        kept = "" if password is None else await self._passwords.hash(password)
        async with self._changing:
            if not await self._store.add(self._invitations.new_person(name, roles, kept)):
                raise Conflict("person.exists", name=name)
            added = await self.get(name)
            return added, await self._invitations.of(added) if password is None else None

    async def change(self, name: str, roles: Collection[Role] | None = None, *, enabled: bool | None = None) -> Person:
        """Change what somebody may do; where that is so, they are signed out everywhere, and their link is void.

        Raises InvalidInput, NotFound, Conflict `person.last_admin`, and `person.by_microsoft` for roles that come from
        there.
        """
        async with self._changing:
            old = await self.get(name)
            new = replace(
                old,
                roles=old.roles if roles is None else check_roles(roles),
                enabled=old.enabled if enabled is None else enabled,
            )
            if new.roles != old.roles:
                _check_is_local(old)
            if new != old:
                if not _is_admin(new):
                    await self._check_not_last(old)
                await self._store.change(new)
            return await self.get(name)

    async def remove(self, name: str) -> None:
        """Forget somebody. Raises NotFound, Conflict `person.last_admin`."""
        async with self._changing:
            person = await self.get(name)
            await self._check_not_last(person)
            await self._store.remove(person.id)
            self._proofs.forget(person.name)

    async def invite(self, name: str, *, drop_second_factor: bool = False) -> Invitation:
        """A new link for somebody who has forgotten the password, or lost the authenticator too.

        The password and all sessions are over at once. Raises NotFound, Conflict `person.no_listener`,
        `person.by_microsoft`.
        """
        async with self._changing:
            person = await self.local(name)
            return await self._invitations.of(person, forget_password=True, drop_second_factor=drop_second_factor)

    async def local(self, name: str) -> Person:
        """The person of this name, who signs in by a password. Raises NotFound, Conflict `person.by_microsoft`."""
        person = await self.get(name)
        _check_is_local(person)
        return person

    async def of_entra(self, account: Account, roles: frozenset[Role]) -> Person:
        """Whoever has this account of Entra ID, with these roles from now on; somebody new where nobody has.

        What Microsoft says counts, for the last administrator too. Raises Forbidden `person.kept_out`, Conflict
        `person.entra_name_taken`, InvalidInput.
        """
        async with self._changing:
            person = await self._store.of_entra(account.tenant_id, account.object_id)
            if person is None:
                return await self._added_of_entra(account, roles)
            if not person.enabled:
                raise Forbidden("person.kept_out", name=person.name)
            if person.roles != roles:
                await self._store.change(replace(person, roles=roles))
            return await self.get(person.name)

    async def lost_roles(self, account: Account) -> None:
        """Whoever has this account may do nothing here any more: they are signed out everywhere."""
        if person := await self._store.of_entra(account.tenant_id, account.object_id):
            await self._store.end_sessions(person.id)

    async def _added_of_entra(self, account: Account, roles: frozenset[Role]) -> Person:
        name = name_of_account(account.upn)
        new = self._invitations.new_person(name, roles, "")
        if not await self._store.add(replace(new, tenant_id=account.tenant_id, object_id=account.object_id)):
            raise Conflict("person.entra_name_taken", name=name)
        return await self.get(name)

    async def set_password(self, person: Person, password: Secret) -> Person:
        """Another password of one's own; all sessions are over. Raises InvalidInput."""
        kept = await self._passwords.hash(check_password(person.name, password))
        async with self._changing:
            await self._store.set_password(person.id, kept)
        return await self.get(person.name)

    async def _check_not_last(self, person: Person) -> None:
        """Raises Conflict `person.last_admin` where nobody would be left who can look after all of it.

        Who was invited, and has not come yet, does not count beside one who has.
        """
        if not _is_admin(person):
            return
        others = [one for one in await self._store.load() if one.id != person.id and _is_admin(one)]
        if not any(one.has_password or not person.has_password for one in others):
            raise Conflict("person.last_admin", name=person.name)


def _check_is_local(person: Person) -> None:
    if person.is_of_entra:
        raise Conflict("person.by_microsoft", name=person.name)


def _is_admin(person: Person) -> bool:
    return person.enabled and Role.ADMIN in person.roles
