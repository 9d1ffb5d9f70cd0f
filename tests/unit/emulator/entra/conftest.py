"""A person at a browser, the addresses that apps send people to, sign-ins without pages, and keys of apps."""

from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import CALLBACK, Seed
from pillarbox.emulator.world import App
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.sign_ins import SignIns
from tests.unit.emulator.visitor import Page, Visitor

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


@dataclass
class Browser:
    """Opens what an app asks for, by default the web app of the seed for alice."""

    client: Client
    visitor: Visitor

    @property
    def planted(self) -> Seed:
        return self.client.planted

    def url(self, app: App | None = None, *, tenant: str | None = None, v1: bool = False, **fields: str | None) -> str:
        """The address of an authorize request; fields replace the usual ones, None takes one away."""
        asked: dict[str, str | None] = {
            "client_id": (app or self.planted.web).client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": None if v1 else "Mail.Send openid offline_access",
            "state": "12 3&4",
        }
        asked |= fields
        words = urlencode({name: value for name, value in asked.items() if value is not None})
        version = "" if v1 else "/v2.0"
        return f"{self.client.emulator.url}/{tenant or self.planted.tenant.id}/oauth2{version}/authorize?{words}"

    async def open(
        self, app: App | None = None, *, tenant: str | None = None, v1: bool = False, **fields: str | None
    ) -> Page:
        return await self.visitor.open(self.url(app, tenant=tenant, v1=v1, **fields))

    def password(self, user: str) -> str:
        return self.planted.passwords[f"{user}@contoso.example"]

    async def go_on(self, page: Page, user: str = "alice", *, accept: bool = True, **fields: str) -> Page:
        """Answer every question as that user of contoso.example."""
        name = f"{user}@contoso.example"
        return await self.visitor.go_on(page, name, self.password(user), accept=accept, **fields)

    async def sign_in(self, user: str = "alice") -> Page:
        return await self.go_on(await self.open(), user)


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client, Visitor(client.session))


def forget_consents(planted: Seed) -> None:
    """As if nobody had ever allowed any app anything."""
    planted.tenant.grants.clear()


@pytest.fixture
def sign_ins(client: Client, emulator: Emulator, planted: Seed, clock: Clock) -> SignIns:
    return SignIns(client, emulator, planted, clock)


@pytest.fixture(scope="session")
def app_key() -> AppKey:
    return AppKey()


@pytest.fixture(scope="session")
def other_key() -> AppKey:
    return AppKey()
