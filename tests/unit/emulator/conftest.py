"""A running, seeded emulator on a free port, a clock that tests set, and a client that trusts its CA alone."""

import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.emulator import App, Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import GRAPH, Resource
from tests.openapi.recorder import Recorder

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC
MIME = (
    b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nDate: Fri, 20 Nov 2026 11:59:00 +0000\r\n"
    b"Message-ID: <1@x>\r\nSubject: Hi\r\n\r\nHello\r\n"
)
"""It has all that a mail must have, so that it leaves byte for byte."""


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Client:
    """Speaks to the emulator as any program would."""

    def __init__(self, session: aiohttp.ClientSession, emulator: Emulator, planted: Seed) -> None:
        self.session, self.emulator, self.planted = session, emulator, planted

    async def request(self, method: str, path: str, **more: Any) -> Reply:
        async with self.session.request(method, self.emulator.url + path, **more) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def ask_token(
        self, app: App | None = None, *, tenant: str | None = None, v1: bool = False, **fields: str | None
    ) -> Reply:
        """A token request; fields replace the usual ones, None takes one away."""
        app = app or self.planted.gateway
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": app.client_id,
            "client_secret": self.planted.secrets.get(app.client_id),
            "scope": "https://graph.microsoft.com/.default",
        }
        form |= fields
        sent = {name: value for name, value in form.items() if value is not None}
        path = f"/{tenant or self.planted.tenant.id}/oauth2{'' if v1 else '/v2.0'}/token"
        return await self.request("POST", path, data=sent)

    async def token(self, app: App | None = None) -> str:
        return str((await self.ask_token(app)).json["access_token"])

    async def graph(self, method: str, path: str, app: App | None = None, **more: Any) -> Reply:
        headers = {"Authorization": f"Bearer {await self.token(app)}"} | more.pop("headers", {})
        return await self.request(method, f"/v1.0{path}", headers=headers, **more)

    def user_token(self, user: str, *scopes: str, app: App | None = None, resource: Resource = GRAPH) -> str:
        """A delegated token as a sign-in gives it, without the sign-in; `exchange:` names need `resource`."""
        principal = (app or self.planted.web).principal
        assert principal
        tokens, tenant = self.emulator.tokens, self.planted.tenant
        now = self.emulator.clock()
        audience = resource.identifiers[0]
        return tokens.user_token(tenant, principal, self.planted.user(user), scopes, audience, now, "secret")

    def app_token(self, app: App, resource: Resource = GRAPH) -> str:
        """An app-only token, without the request."""
        assert app.principal
        tokens, now = self.emulator.tokens, self.emulator.clock()
        return tokens.app_token(self.planted.tenant, app.principal, resource, resource.identifiers[0], now, "secret")

    async def as_user(self, method: str, path: str, user: str, *scopes: str, **more: Any) -> Reply:
        """A call to Graph on behalf of a user (`alice`) with these permissions."""
        headers = {"Authorization": f"Bearer {self.user_token(user, *scopes)}"} | more.pop("headers", {})
        return await self.request(method, f"/v1.0{path}", headers=headers, **more)

    async def send(self, mime: bytes = MIME, user: str = "alice@contoso.example", **more: Any) -> Reply:
        headers = {"Content-Type": "text/plain"} | more.pop("headers", {})
        body = base64.b64encode(mime)
        return await self.graph("POST", f"/users/{user}/sendMail", data=body, headers=headers, **more)

    async def send_json(self, message: Any, **more: Any) -> Reply:
        return await self.graph("POST", "/users/alice@contoso.example/sendMail", json={"message": message, **more})

    async def read(self, path: str, user: str = "bob@contoso.example") -> Reply:
        return await self.graph("GET", f"/users/{user}{path}", self.planted.reader)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def emulator(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, clock: Clock, recorder: Recorder
) -> AsyncIterator[Emulator]:
    async with Emulator(
        tmp_path, certificates=certificates, signing_key=signing_key, clock=clock, witness=recorder
    ) as running:
        yield running


@pytest.fixture
def planted(emulator: Emulator) -> Seed:
    return seed(emulator.world)


@pytest.fixture
async def client(emulator: Emulator, planted: Seed) -> AsyncIterator[Client]:
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Client(session, emulator, planted)
