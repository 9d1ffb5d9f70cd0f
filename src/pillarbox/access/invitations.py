"""Links at which a person chooses a password: good once, for a while. The store has a hash of each."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.access.passwords import Passwords
from pillarbox.access.person_rules import check_name, check_password
from pillarbox.core.caller import Role
from pillarbox.core.errors import Conflict, NotFound
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.people import Invited, PeopleStore, Person

LIFE: Final = 3 * 86400.0
FIRST_LIFE: Final = 900.0
"""Seconds for which the link of the first administrator is good."""
TOKEN_BYTES: Final = 32
_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link, and when its time is over. It is told once."""

    url: Secret
    expires_at: float


class Invitations:
    """Makes links and takes them. `public_url` is where browsers reach us; empty where they do not."""

    def __init__(
        self,
        store: PeopleStore,
        passwords: Passwords,
        clock: Clock,
        random: Callable[[int], bytes],
        public_url: Callable[[], str],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._random = random
        self._public_url = public_url

    def check_reachable(self) -> None:
        """Raises Conflict `person.no_listener` where a link would lead nowhere."""
        if not self._public_url():
            raise Conflict("person.no_listener")

    async def of(
        self, person: Person, *, forget_password: bool = False, drop_second_factor: bool = False
    ) -> Invitation:
        """A link for a person; those before it are void, and the person is signed out everywhere."""
        return await self._make(person.id, LIFE, forget_password, drop_second_factor)

    async def of_first(self) -> Invitation:
        """A link for whoever becomes the first administrator; those before it are void."""
        return await self._make(None, FIRST_LIFE)

    async def _make(self, person_id: str | None, life: float, forget: bool = False, drop: bool = False) -> Invitation:
        self.check_reachable()
        token = base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        ends = self._clock() + life
        await self._store.invite(person_id, _digest(token), ends, forget_password=forget, drop_second_factor=drop)
        return Invitation(Secret(f"{self._public_url()}/setup/{token}"), ends)

    async def look(self, token: str) -> Invited:
        """What a link is for. Raises NotFound: unknown, used, over, or somebody was first another way."""
        # In this order, so that who is a moment too late reads that the link was used.
        nobody = await self._store.is_empty()
        invited = await self._store.invited(_digest(token))
        if invited is None:
            raise NotFound("person.no_link")
        if invited.used:
            raise NotFound("person.link_used")
        if invited.person_id is None and not nobody:
            raise NotFound("person.no_link")
        if invited.expires_at <= self._clock():
            raise NotFound("person.link_over")
        return invited

    async def accept(self, token: str, name: str, password: Secret) -> str:
        """Use a link up: its person has this password now, or its finder is the first administrator, of this name.

        Whose password it is. Raises as `look` does, and InvalidInput for what cannot be, which leaves the link good.
        """
        invited = await self.look(token)
        name = invited.name or check_name(name)
        digest, kept = _digest(token), await self._passwords.hash(check_password(name, password))
        if invited.person_id is None:
            done = await self._store.add_first(self.new_person(name, frozenset({Role.ADMIN}), kept), digest)
        else:
            done = await self._store.choose_password(invited.person_id, digest, kept)
        if not done:
            # Another one was faster. What the link is now, says why.
            await self.look(token)
            raise NotFound("person.link_used")
        return name

    def new_person(self, name: str, roles: frozenset[Role], password_hash: str) -> Person:
        """A person who is not kept yet, with an id of its own for ever."""
        return Person(self._random(_ID_BYTES).hex(), name, roles, password_hash)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
