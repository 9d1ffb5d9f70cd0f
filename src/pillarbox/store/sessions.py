"""Who is signed in. The id of a row is a hash of what the browser has: who reads the store cannot come in by it."""

from dataclasses import dataclass

from pillarbox.core.caller import Role
from pillarbox.store.database import Database, ExpectationFailed, Row, statement
from pillarbox.store.people import Person, roles_of


@dataclass(frozen=True, slots=True)
class Session:
    """One browser in which somebody is signed in. Times are seconds since 1970."""

    id: str
    person_id: str
    name: str
    roles: frozenset[Role]
    created_at: float
    seen_at: float
    peer: str
    agent: str


class SessionStore:
    """Sessions; one is over `idle` seconds after it was used last, and `whole` seconds after it began.

    People of Entra ID have theirs while `tenant` is the one that the settings name.
    """

    def __init__(self, database: Database, idle: float, whole: float, tenant: str = "") -> None:
        self._database = database
        self._idle = idle
        self._whole = whole
        self._tenant = tenant

    async def begin(self, digest: str, person: Person, now: float, peer: str, agent: str, former: str = "") -> bool:
        """Keep a session, in the place of the `former` one of this browser, and forget those whose time is over.

        False where the person may not come in any more, or has another password than it had.
        """
        try:
            await self._database.write(
                statement("session_purge", began_before=now - self._whole, seen_before=now - self._idle),
                statement("session_end", id=former),
                statement(
                    "session_add",
                    expect=1,
                    id=digest,
                    person_id=person.id,
                    password_hash=person.password_hash,
                    now=now,
                    peer=peer,
                    agent=agent,
                ),
                statement("person_seen", id=person.id, at=now),
            )
        except ExpectationFailed:
            return False
        return True

    async def get(self, digest: str, now: float) -> Session | None:
        """A session that is not over."""
        rows = await self._database.read(
            "session_get",
            id=digest,
            began_after=now - self._whole,
            seen_after=now - self._idle,
            tenant=self._tenant,
        )
        return _session(rows[0]) if rows else None

    async def of_person(self, person_id: str, now: float) -> list[Session]:
        """The sessions of a person that are not over, the last used first."""
        rows = await self._database.read(
            "session_list", person_id=person_id, began_after=now - self._whole, seen_after=now - self._idle
        )
        return [_session(row) for row in rows]

    async def seen(self, digest: str, at: float) -> None:
        """A session was used."""
        await self._database.write(statement("session_seen", id=digest, at=at))

    async def end(self, digest: str) -> None:
        """A session is over."""
        await self._database.write(statement("session_end", id=digest))

    async def end_all(self, person_id: str) -> None:
        """All sessions of a person are over."""
        await self._database.write(statement("session_end_all", person_id=person_id))


def _session(row: Row) -> Session:
    return Session(
        row["id"],
        row["person_id"],
        row["name"],
        roles_of(row["roles"]),
        row["created_at"],
        row["seen_at"],
        row["peer"],
        row["agent"],
    )
