"""Submitters over two mailboxes, with a clock that tests move, and delays that nobody waits for."""

from dataclasses import dataclass, field

from pillarbox.access.guard import DEFAULT_PATIENCE, Patience
from pillarbox.access.passwords import HashCost
from pillarbox.access.submitter_rules import Wanted
from pillarbox.access.submitters import Submitters
from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import make_logger
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts
from pillarbox.store.submitters import SubmitterStore
from tests.conftest import Log

BOXES = ("one@contoso.example", "Two@Contoso.example")
PASSWORD = Secret("correct horse")
PEER = "192.0.2.7"


@dataclass
class Desk:
    """Submitters, and what a test asks of them."""

    accounts: Accounts
    store: SubmitterStore
    patience: Patience = DEFAULT_PATIENCE
    now: float = 1_800_000_000.0
    wrong: float = 0.0
    """Seconds by which the time of day is ahead."""
    delays: list[float] = field(default_factory=list)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.submitters = self.another()

    def another(self, *, refreshed: float = 3600.0) -> Submitters:
        """Others on the same store, as after a start; users of this machine are looked up every `refreshed` seconds."""

        async def sleep(seconds: float) -> None:
            self.delays.append(seconds)

        return Submitters(
            self.accounts,
            self.store,
            lambda: self.now + self.wrong,
            lambda size: bytes(range(size)),
            make_logger(self.log, "debug", "text", lambda: self.now),
            cost=HashCost(memory_kib=8, passes=1),
            patience=self.patience,
            monotonic=lambda: self.now,
            sleep=sleep,
            refreshed=refreshed,
        )

    @property
    def hashes(self) -> int:
        """How many passwords were checked against a hash."""
        return self.submitters._passwords.hashes

    async def add(self, name: str = "printer", *, password: Secret | None = PASSWORD, **wish: object) -> Submitter:
        """A submitter of both mailboxes."""
        wanted: Wanted = {"mailboxes": BOXES, **wish}  # type: ignore[typeddict-item]
        return (await self.submitters.add(name, wanted, password))[0]

    async def comes_in(self, name: str = "printer", password: str = PASSWORD.reveal(), peer: str = PEER) -> str:
        """Empty where it comes in; otherwise the code of the refusal."""
        try:
            found = await self.submitters.authenticate(Login(name, Secret(password), "PLAIN", peer))
        except PillarboxError as error:
            return error.code
        assert found.name == name
        return ""

    async def comes_in_by_token(self, name: str, token: Secret, peer: str = PEER) -> str:
        """Empty where it comes in; otherwise the code of the refusal."""
        try:
            await self.submitters.authenticate(Login(name, token, "XOAUTH2", peer))
        except PillarboxError as error:
            return error.code
        return ""
