"""A person who signs in for a mailbox: the journey with its parts, a browser, and Microsoft's pages of the emulator."""

import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from pillarbox.admin.clients import Clients
from pillarbox.admin.connect import Connect
from pillarbox.admin.sign_in_plan import Options
from pillarbox.admin.sign_in_words import Link, Return, Started
from pillarbox.core.accounts import CredentialKind, Mailbox
from pillarbox.core.clouds import Cloud
from pillarbox.core.log import Logger, make_logger
from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret, Vault
from pillarbox.emulator import App
from pillarbox.endpoints.signin_browser import returned
from pillarbox.entra.acquire import Acquire
from pillarbox.entra.authority import Authority
from pillarbox.entra.discovery import Discovery
from pillarbox.entra.identity import IdTokens
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.store.accounts import Accounts
from pillarbox.store.connect_links import ConnectLinks
from pillarbox.store.sign_ins import SignIns
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import Log, Microsoft
from tests.unit.emulator.visitor import Page, Visitor

LOOPBACK = "http://localhost:49152"
PUBLIC = "http://localhost:8025"
SCANNER, ALICE, BOB = "scanner@contoso.example", "alice@contoso.example", "bob@contoso.example"


@dataclass
class Clock:
    """The real time, until a test moves it ahead."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Desk:
    """An installation with the app registrations `web` (with a secret) and `desktop` (public), and a person."""

    microsoft: Microsoft
    database: SqliteDatabase
    accounts: Accounts
    connect: Connect
    clock: Clock
    log: Log
    logger: Logger
    visitor: Visitor
    woken: list[int]
    places: dict[str, Secret] = field(default_factory=dict)
    public_url: str = PUBLIC

    async def mailbox(self, address: str = ALICE, app: str = "web") -> Mailbox:
        """A mailbox of one of the app registrations."""
        return await self.connect.mailbox(address, app)

    async def link(self, mailbox: Mailbox, options: Options = Options()) -> Link:  # noqa: B008 - it is frozen
        return await self.connect.begin(mailbox, options)

    async def started(self, mailbox: Mailbox, options: Options = Options()) -> Started:  # noqa: B008 - it is frozen
        """A link, opened in the browser."""
        return await self.connect.start((await self.link(mailbox, options)).url.rpartition("/")[2])

    async def at_microsoft(self, url: str, user: str = ALICE, *, accept: bool = True) -> Page:
        """Sign in on Microsoft's pages; the last page."""
        return await self.visitor.sign_in(url, user, self.microsoft.seed.passwords[user], accept=accept)

    async def comes_back(self, started: Started, user: str = ALICE, *, accept: bool = True) -> Return:
        """Sign in on Microsoft's pages; what the browser brings back."""
        page = await self.at_microsoft(started.url, user, accept=accept)
        assert page.location, page.text
        return returned(page.location.partition("?")[2])

    @property
    def token_requests(self) -> int:
        """How many token requests Microsoft got."""
        return self.microsoft.emulator.ledger.token_requests

    async def unchanged(self, mailbox: Mailbox) -> bool:
        """Whether nothing of a sign-in is kept for the mailbox."""
        now = await self.accounts.mailbox_by_id(mailbox.id)
        return now == mailbox and await self.accounts.load_token_cache(mailbox.cache_owner) is None


@pytest.fixture
async def desk(tmp_path: Path, microsoft: Microsoft) -> AsyncIterator[Desk]:
    """An installation before anybody has signed in."""
    emulator, seed, clock, log = microsoft.emulator, microsoft.seed, Clock(), Log()
    seed.web.redirect_uris.append(f"{PUBLIC}/signin/callback")
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    vault = Vault(bytes(32))
    accounts = Accounts(database, vault, clock)
    logger = make_logger(log, "debug", "text", clock)
    outlook = "https://outlook.office.com"
    cloud = Cloud(emulator.url, emulator.url, "", 0, "", 0, "https://outlook.office365.com", outlook)
    outbound = Outbound(emulator.ca_file)
    authority = Authority(cloud, outbound)
    places: dict[str, Secret] = {}
    woken: list[int] = []
    acquire = Acquire(authority, accounts, places.__getitem__, clock, logger)
    graph = GraphClient(cloud.graph_url, outbound, 30)
    tokens = Tokens(acquire, accounts, clock, logger)

    async def forget(mailbox: Mailbox) -> None:
        tokens.forget(mailbox)

    clients = Clients(cloud, outbound, authority, acquire, tokens, graph, places.__getitem__)
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(emulator.ca_file)))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        made = Desk(
            microsoft,
            database,
            accounts,
            Connect(
                accounts=accounts,
                sign_ins=SignIns(database, vault, clock),
                links=ConnectLinks(database, clock),
                clients=clients,
                id_tokens=IdTokens(Discovery(authority, clock), clock),
                clock=clock,
                random=emulator.world.entropy,
                log=logger,
                changed=forget,
                wake=woken.append,
                public_url=lambda: made.public_url,
                password_grant=True,
            ),
            clock,
            log,
            logger,
            Visitor(session),
            woken,
            places,
        )
        for name in ("web", "desktop"):
            await register(made, name, getattr(seed, name))
        yield made
    await clients.close()
    await database.close()


async def register(desk: Desk, name: str, app: App, tenant: str = "") -> None:
    """Keep an app registration of the emulator's under this name; one without a secret has a certificate, unused."""
    given = desk.microsoft.seed.secrets.get(app.client_id)
    kind = CredentialKind.SECRET if given else CredentialKind.CERTIFICATE
    tenant = tenant or desk.microsoft.seed.tenant.id
    assert await desk.accounts.add_app(name, tenant, app.client_id, Secret(given or "unused"), kind=kind)
