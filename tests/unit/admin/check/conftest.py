"""An installation with Microsoft beside it, and the Test button of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox.admin.check.journey import Check
from pillarbox.admin.check.steps import Report, Status, Step
from pillarbox.admin.clients import Clients
from pillarbox.core.accounts import Account, AppRegistration, Mailbox, SignIn
from pillarbox.core.clock import Watched
from pillarbox.core.clouds import CLOUDS, Cloud
from pillarbox.core.governor import Limits
from pillarbox.core.log import Logger, make_logger
from pillarbox.core.scopes import first_resource, token_scopes, with_identity
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret, Vault
from pillarbox.delivery.backlog import Backlog
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.graph_transport import GraphTransport
from pillarbox.delivery.rates import Rates
from pillarbox.delivery.submission import Submission
from pillarbox.delivery.trial import Trial
from pillarbox.delivery.window import Window
from pillarbox.delivery.worker import Worker
from pillarbox.emulator import App, Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.seed import Seed
from pillarbox.entra.acquire import Acquire, Memory
from pillarbox.entra.authority import Authority
from pillarbox.entra.password import by_password
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.store.accounts import Accounts
from pillarbox.store.limits import LimitStore
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import Log
from tests.openapi.recorder import Recorder

SCANNER, ALICE, BOB = "scanner@contoso.example", "alice@contoso.example", "bob@contoso.example"


@dataclass
class Bench:
    """A store, an emulator, and what is between them; `ahead` are the seconds by which our clock is wrong."""

    emulator: Emulator
    seed: Seed
    database: SqliteDatabase
    ahead: float = 0.0
    lines: Log = field(default_factory=Log)
    waited: list[float] = field(default_factory=list)
    made: list[Clients] = field(default_factory=list)
    worker: Worker | None = None
    sends_by_smtp: bool = False

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.database, Vault(bytes(32)), self.clock)
        self.outbox = Outbox(self.database, self.clock)
        self.log: Logger = make_logger(self.lines, "debug", "text", self.clock)
        self.cloud = self._cloud()
        self.outbound = Outbound(self.emulator.ca_file)

    def _cloud(self) -> Cloud:
        assert self.emulator.smtp
        assert self.emulator.imap
        url, world = self.emulator.url, CLOUDS["global"]
        smtp, imap = ("localhost", self.emulator.smtp[1]), ("localhost", self.emulator.imap[1])
        return Cloud(url, url, *smtp, *imap, world.exchange_url, world.outlook_url)

    def clock(self) -> float:
        return self.emulator.clock() + self.ahead

    @property
    def clients(self) -> Clients:
        """The ways to Microsoft, as cloud and outbound are now."""
        if not self.made or (self.made[-1].cloud, self.made[-1].outbound) != (self.cloud, self.outbound):
            authority = Authority(self.cloud, self.outbound)
            places: dict[str, Secret] = {}
            acquire = Acquire(authority, self.accounts, places.__getitem__, self.clock, self.log)
            tokens = Tokens(acquire, self.accounts, self.clock, self.log)
            graph = GraphClient(self.cloud.graph_url, self.outbound, 30)
            self.made.append(Clients(self.cloud, self.outbound, authority, acquire, tokens, graph, places.__getitem__))
        return self.made[-1]

    @property
    def trial(self) -> Trial:
        """What sends test mails; they go the way of all mail."""
        submission = Submission(
            outbox=self.outbox,
            mailbox_of=self.accounts.ensure_mailbox,
            wake=self._wake,
            used=lambda submitter: None,
            rates=Rates(self.clock),
            backlog=Backlog(self.outbox.waiting, self.clock, 100, 10_000_000),
            window=Window(self.outbox, self.clock),
            clock=self.clock,
            random=self.emulator.world.entropy,
            log=self.log,
            max_recipients=10,
        )
        return Trial(submission, self.outbox, lambda _mailbox: None)

    @property
    def check(self) -> Check:
        """The Test button."""
        return Check(
            *(self.accounts, self.clients, self.trial.send, self.clock, self.log, self._sleep),
            sends_by_smtp=lambda _mailbox: self.sends_by_smtp,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    # ---- what there is to test

    async def app(
        self, app: App | None = None, *, secret: str = "", tenant: str = "", name: str = "contoso"
    ) -> AppRegistration:
        """Keep an app registration of the emulator's, the one that may send unless told otherwise."""
        app = app or self.seed.gateway
        given = Secret(secret or self.seed.secrets.get(app.client_id, "-"))
        added = await self.accounts.add_app(name, tenant or self.seed.tenant.id, app.client_id, given)
        assert added is not None
        return added

    async def app_without_credential(self, tenant: str = "") -> AppRegistration:
        """Keep an app registration that people sign in to, and that does nothing by itself."""
        ids = (tenant or self.seed.tenant.id, self.seed.desktop.client_id)
        added = await self.accounts.add_app("contoso", *ids, Secret(""), kind=None)
        assert added is not None
        return added

    async def mailbox(self, address: str = SCANNER, app: App | None = None, name: str = "contoso") -> Mailbox:
        """A mailbox that an app registration uses by itself."""
        added = await self.accounts.add_mailbox(address, await self.app(app, name=name))
        assert added is not None
        return added

    async def signed_in(
        self, *permissions: str, user: str = ALICE, address: str = ALICE, shared: bool = False, name: str = "contoso"
    ) -> Mailbox:
        """A mailbox that a person has signed in for."""
        added = await self.mailbox(address, self.seed.desktop, name)
        resource = first_resource(permissions)
        scopes = token_scopes(self.cloud, permissions, resource, shared=shared)
        password, asked = Secret(self.seed.passwords[user]), with_identity(scopes)
        told = await by_password(self.clients.authority, added.app, None, user, password, asked)
        memory = Memory()
        await self.clients.acquire.keep_refresh_token(added.app, True, told["refresh_token"], scopes, memory)
        person = self.seed.user(user.partition("@")[0])
        sign_in = SignIn(permissions, True, shared, Account(self.seed.tenant.id, person.id, person.upn))
        await self.accounts.signed_in(added, sign_in, memory.cache.serialize().encode())
        return replace(added, sign_in=sign_in)

    def make_worker(self) -> Worker:
        """What takes mail out of the outbox, once it runs."""
        transport = GraphTransport(self.clients.graph, self.clients.tokens, self.clock, 1, self.outbox.twins)
        limits, store = Limits(concurrency=1), LimitStore(self.database, self.clock)
        governors = Governors(store, self.clock, self.log, self._wake, limits, Limits(), lambda _: ("graph",))
        self.worker = Worker(
            *(self.outbox, self.accounts, transport, Watched(self.clock, self.clock), self.log, governors),
            *((120.0,), lambda: None),
        )
        return self.worker

    def _wake(self, mailbox_id: int) -> None:
        if self.worker is not None:
            self.worker.wake(mailbox_id)

    # ---- the button

    async def press(self, address: str = SCANNER, to: str | None = None, **more: Any) -> Report:
        """Press it on a mailbox."""
        return await self.check.check_mailbox(address, to, **more)

    async def press_app(self) -> Report:
        """Press it on the app registration."""
        return await self.check.check_app("contoso")

    async def assurance(self, address: str = SCANNER) -> str:
        """The mode that is kept with a mailbox."""
        found = await self.accounts.mailbox(address)
        assert found is not None
        return found.assurance

    @property
    def left_behind(self) -> list[str]:
        """Message-IDs of all that lies in the scanner's Drafts and Deleted Items."""
        box = self.emulator.world.mailbox(SCANNER)
        folders = (box.folders["drafts"], box.folders["deleteditems"])
        return [one.internet_message_id for folder in folders for one in box.messages(self.clock(), folder)]

    async def no_session_left(self) -> None:
        """Until Exchange has no connection any more: a test that leaves one open runs into its time limit."""
        exchange = self.emulator.exchange
        assert exchange is not None
        while exchange._connections or exchange._sessions:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)


def step(report: Report, name: str) -> Step:
    """The step of this name."""
    return next(one for one in report.steps if one.name == name)


def statuses(report: Report) -> dict[str, str]:
    """The steps' names and how they ended."""
    return {one.name: one.status.value for one in report.steps}


def first_failure(report: Report) -> Step:
    """What the person reads first: the first step that failed."""
    return next(one for one in report.steps if one.status is Status.FAIL)


@pytest.fixture
async def bench(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Bench]:
    emulator = Emulator(
        tmp_path / "emulator", certificates=certificates, signing_key=signing_key, witness=recorder, exchange=True
    )
    async with emulator:
        database = await open_sqlite(tmp_path / "store.db", on_death=print)
        made = Bench(emulator, seed(emulator.world), database)
        yield made
        if made.worker is not None:
            await made.worker.stop(5)
        for clients in made.made:
            await clients.close()
        await database.close()
