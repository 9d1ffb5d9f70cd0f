"""A household over a store of its own, with a clock that tests move, and delays that nobody waits for."""

import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

from pillarbox.access.audit import Audit
from pillarbox.access.guard import DEFAULT_PATIENCE
from pillarbox.access.household import Household
from pillarbox.access.invitations import Invitation
from pillarbox.access.passwords import HashCost
from pillarbox.core.caller import Role
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Secret, Vault
from pillarbox.store.audit import AuditLog
from pillarbox.store.people import Person
from pillarbox.store.sqlite import SqliteDatabase
from tests.conftest import Log

PASSWORD = Secret("correct horse battery")
PEER = "192.0.2.7"
URL = "https://mail.contoso.example"


@dataclass
class Home:
    """People, and what a test asks of them."""

    database: SqliteDatabase
    folder: Path
    now: float = 1_800_000_000.0
    delays: list[float] = field(default_factory=list)
    log: Log = field(default_factory=Log)
    url: str = URL

    def __post_init__(self) -> None:
        log = make_logger(self.log, "debug", "text", lambda: self.now)
        self.audit = Audit(AuditLog(self.database, lambda: self.now), log)
        self.household = self.another()

    def another(self) -> Household:
        """Another one on the same store, as after a start."""
        counter = itertools.count()

        async def sleep(seconds: float) -> None:
            self.delays.append(seconds)

        return Household(
            self.database,
            Vault(bytes(32)),
            lambda: self.now,
            lambda size: hashlib.shake_128(str(next(counter)).encode()).digest(size),
            make_logger(self.log, "debug", "text", lambda: self.now),
            self.folder,
            lambda: self.url,
            self.audit,
            cost=HashCost(memory_kib=8, passes=1),
            patience=DEFAULT_PATIENCE,
            monotonic=lambda: self.now,
            sleep=sleep,
        )

    @property
    def hashes(self) -> int:
        """How many passwords were checked against a hash."""
        return self.household.passwords.hashes

    async def add(self, name: str = "anna", *roles: Role, password: Secret = PASSWORD) -> Person:
        """Somebody with a password; an administrator, unless told otherwise."""
        return (await self.household.people.add(name, roles or (Role.ADMIN,), password))[0]

    async def comes_in(
        self, name: str = "anna", password: str = PASSWORD.reveal(), code: str = "", peer: str = PEER
    ) -> str:
        """Empty where they come in; otherwise the code of the refusal."""
        try:
            await self.sign_in(name, password, code, peer)
        except PillarboxError as error:
            return error.code
        return ""

    async def sign_in(
        self, name: str = "anna", password: str = PASSWORD.reveal(), code: str = "", peer: str = PEER
    ) -> str:
        """The id of a new session."""
        return (await self.household.sessions.sign_in(name, Secret(password), code, peer, "browser")).reveal()

    async def is_signed_in(self, id: str) -> bool:
        """Whether a session goes on."""
        return await self.household.sessions.find(id) is not None

    async def with_authenticator(self, name: str = "anna") -> tuple[pyotp.TOTP, list[str]]:
        """Have somebody use an authenticator; it, and the recovery codes."""
        person = await self.household.people.get(name)
        enrolment = await self.household.second_factors.enrol(person)
        authenticator = pyotp.TOTP(enrolment.secret.reveal())
        codes = await self.household.second_factors.confirm(person, authenticator.at(int(self.now)))
        self.now += 30
        return authenticator, [code.reveal() for code in codes]


def token_of(invitation: Invitation) -> str:
    """What stands at the end of a link."""
    return invitation.url.reveal().rpartition("/")[2]
