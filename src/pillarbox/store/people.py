"""People as they are kept: names, roles, passwords as hashes, second factors sealed, links of those who are invited."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from pillarbox.core.caller import Role
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Vault
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement
from pillarbox.store.sealed import place

_REMEMBERED = 30 * 86400.0
"""Seconds after its end for which a link is remembered: a late visitor reads that it is over."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in, once there is a password.

    `recovery_codes` is how many are left; `invited_until` is the end of a link that was not used, which may be past.
    `object_id` is who it is in `tenant_id`, for somebody who signs in by Microsoft Entra ID, and never by a password.
    """

    id: str
    name: str
    roles: frozenset[Role]
    password_hash: str = field(default="", repr=False)
    enabled: bool = True
    has_second_factor: bool = False
    recovery_codes: int = 0
    invited_until: float | None = None
    created_at: float = 0.0
    last_seen_at: float | None = None
    tenant_id: str = ""
    object_id: str = ""

    @property
    def is_of_entra(self) -> bool:
        """Whether they sign in by Microsoft Entra ID."""
        return bool(self.object_id)

    @property
    def has_password(self) -> bool:
        """Whether they have chosen a password."""
        return bool(self.password_hash)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The secret of an authenticator, whether a code of it was ever seen, and the last time step that was taken."""

    secret: bytes = field(repr=False)
    confirmed: bool
    step: int


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """An address from which a person signed in last at a time, in seconds since 1970."""

    name: str
    peer: str
    at: float


@dataclass(frozen=True, slots=True)
class Invited:
    """What a link is for: a person of this id and name, or the first administrator (None)."""

    person_id: str | None
    name: str | None
    expires_at: float
    used: bool


class PeopleStore:
    """People with everything that belongs to them."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def load(self) -> list[Person]:
        """All people, by name."""
        return [_person(row) for row in await self._database.read("person_list")]

    async def get(self, name: str) -> Person | None:
        """The person of this name."""
        rows = await self._database.read("person_get", name=name)
        return _person(rows[0]) if rows else None

    async def of_entra(self, tenant_id: str, object_id: str) -> Person | None:
        """The person of this account of Entra ID, whatever it is called there now."""
        rows = await self._database.read("person_of_entra", tenant_id=tenant_id, object_id=object_id)
        return await self.get(rows[0]["name"]) if rows else None

    async def known_peers(self, since: float, most: int) -> list[KnownPeer]:
        """From where people have signed in, the last `most`, oldest first. The audit log tells."""
        rows = await self._database.read("person_peers", since=since, most=most)
        return [KnownPeer(**row) for row in reversed(rows)]

    async def is_empty(self) -> bool:
        """Whether there is nobody."""
        return not (await self._database.read("person_any"))[0]["found"]

    async def add(self, person: Person) -> bool:
        """Keep somebody new; False where the name is taken, or the account of Entra ID is known already."""
        return await self._write(
            statement(
                "person_add",
                expect=1,
                id=person.id,
                name=person.name,
                roles=_written(person.roles),
                password_hash=person.password_hash,
                tenant_id=person.tenant_id,
                object_id=person.object_id,
                now=self._clock(),
            )
        )

    async def add_first(self, person: Person, invitation: str | None = None) -> bool:
        """Keep the first of all, by a link that is used up by it; False where there is somebody, or the link is over.

        One transaction decides: of many who come at once, one becomes it.
        """
        used = [] if invitation is None else [self._use(invitation)]
        return await self._write(
            *used,
            statement(
                "person_add_first",
                expect=1,
                id=person.id,
                name=person.name,
                roles=_written(person.roles),
                password_hash=person.password_hash,
                now=self._clock(),
            ),
        )

    async def change(self, person: Person) -> None:
        """Keep what somebody is now; all sessions end, and a link that was not used is void.

        Whoever has the link may not be one who hands out what the person may do from now on.
        """
        await self._database.write(
            statement("person_change", id=person.id, roles=_written(person.roles), enabled=int(person.enabled)),
            statement("invitation_forget", person_id=person.id),
            _end_sessions(person.id),
        )

    async def remove(self, person_id: str) -> None:
        """Forget somebody, and end their sessions."""
        await self._database.write(
            _end_sessions(person_id),
            statement("invitation_remove", person_id=person_id),
            *_drop_second_factor(person_id),
            statement("person_remove", id=person_id),
        )

    async def set_password(self, person_id: str, password_hash: str) -> None:
        """Another password; all sessions end."""
        await self._database.write(_set_password(person_id, password_hash), _end_sessions(person_id))

    async def end_sessions(self, person_id: str) -> None:
        """Sign somebody out everywhere."""
        await self._database.write(_end_sessions(person_id))

    # ---- links

    async def invite(
        self,
        person_id: str | None,
        digest: str,
        expires_at: float,
        *,
        forget_password: bool = False,
        drop_second_factor: bool = False,
    ) -> None:
        """Keep a link in the place of all before it; for a person, their sessions end."""
        statements = [
            statement("invitation_purge", before=self._clock() - _REMEMBERED),
            statement("invitation_forget", person_id=person_id),
            statement("invitation_add", id=digest, person_id=person_id, expires_at=expires_at),
        ]
        if person_id is not None:
            statements.append(_end_sessions(person_id))
            if forget_password:
                statements.append(_set_password(person_id, ""))
            if drop_second_factor:
                statements += _drop_second_factor(person_id)
        await self._database.write(*statements)

    async def invited(self, digest: str) -> Invited | None:
        """What a link is for."""
        rows = await self._database.read("invitation_get", id=digest)
        if not rows:
            return None
        row = rows[0]
        return Invited(row["person_id"], row["name"], row["expires_at"], row["used_at"] is not None)

    async def choose_password(self, person_id: str, digest: str, password_hash: str) -> bool:
        """Use a link up to set a password; False where another was faster, or its time is over."""
        return await self._write(self._use(digest), _set_password(person_id, password_hash), _end_sessions(person_id))

    # ---- second factors

    async def second_factor(self, person_id: str) -> SecondFactor | None:
        """The second factor of a person. Raises ConfigError for one that does not open."""
        rows = await self._database.read("second_factor_get", person_id=person_id)
        if not rows:
            return None
        secret = self._vault.open(rows[0]["sealed"], place("second_factors", person_id))
        return SecondFactor(secret, bool(rows[0]["confirmed"]), rows[0]["step"])

    async def enrol(self, person_id: str, secret: bytes) -> bool:
        """Keep a secret of which no code was seen; False where a confirmed one is."""
        sealed = self._vault.seal(secret, place("second_factors", person_id))
        return await self._write(statement("second_factor_enrol", expect=1, person_id=person_id, sealed=sealed))

    async def confirm(self, person_id: str, step: int, recovery: Collection[str]) -> bool:
        """A first code was seen: from now on it is asked for. False where it is confirmed already, or gone."""
        return await self._write(
            statement("second_factor_confirm", expect=1, person_id=person_id, step=step),
            *_recovery_codes(person_id, recovery),
            _end_sessions(person_id),
        )

    async def take_step(self, person_id: str, step: int) -> bool:
        """A code of this time step was seen; False where one of it, or of a later one, was seen before."""
        (rows,) = await self._database.write(statement("second_factor_take", person_id=person_id, step=step))
        return bool(rows)

    async def drop_second_factor(self, person_id: str) -> None:
        """No second factor any more; all sessions end."""
        await self._database.write(*_drop_second_factor(person_id), _end_sessions(person_id))

    async def set_recovery_codes(self, person_id: str, hashes: Collection[str]) -> None:
        """Other recovery codes in the place of all before."""
        await self._database.write(*_recovery_codes(person_id, hashes))

    async def take_recovery_code(self, person_id: str, digest: str) -> bool:
        """Use a recovery code, once; whether it was one."""
        (rows,) = await self._database.write(statement("recovery_code_take", person_id=person_id, hash=digest))
        return bool(rows)

    # ----

    def _use(self, invitation: str) -> Statement:
        return statement("invitation_use", expect=1, id=invitation, now=self._clock())

    async def _write(self, *statements: Statement) -> bool:
        try:
            await self._database.write(*statements)
        except ExpectationFailed:
            return False
        return True


def _person(row: Row) -> Person:
    return Person(
        row["id"],
        row["name"],
        roles_of(row["roles"]),
        row["password_hash"],
        bool(row["enabled"]),
        bool(row["has_second_factor"]),
        row["recovery_codes"],
        row["invited_until"],
        row["created_at"],
        row["last_seen_at"],
        row["tenant_id"],
        row["object_id"],
    )


def roles_of(written: str) -> frozenset[Role]:
    """Roles, as they stand in a row."""
    return frozenset(map(Role, json.loads(written)))


def _written(roles: Iterable[Role]) -> str:
    return json.dumps(sorted(roles))


def _set_password(person_id: str, password_hash: str) -> Statement:
    return statement("person_set_password", id=person_id, password_hash=password_hash)


def _end_sessions(person_id: str) -> Statement:
    return statement("session_end_all", person_id=person_id)


def _drop_second_factor(person_id: str) -> list[Statement]:
    return [
        statement("second_factor_drop", person_id=person_id),
        statement("recovery_code_forget", person_id=person_id),
    ]


def _recovery_codes(person_id: str, hashes: Iterable[str]) -> list[Statement]:
    return [
        statement("recovery_code_forget", person_id=person_id),
        *(statement("recovery_code_add", person_id=person_id, hash=digest) for digest in hashes),
    ]
