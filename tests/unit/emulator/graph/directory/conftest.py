"""A setup program that speaks to the directory, signed in as an administrator or by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pillarbox.emulator.seed import SETUP_SCOPES
from tests.unit.emulator.conftest import Client, Reply

SCOPES = tuple(each for each in SETUP_SCOPES if each not in ("openid", "offline_access"))
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
EXCHANGE_ID = "00000002-0000-0ff1-ce00-000000000000"
MAIL_SEND = "b633e1c5-b582-4048-a93e-9f11b44c7e96"


@dataclass
class Directory:
    """Calls of the app Setup; `as_user` and `scopes` are who is signed in, without a user it calls as itself."""

    client: Client
    user: str | None = "admin"
    scopes: Sequence[str] = SCOPES

    async def call(self, method: str, path: str, version: str = "v1.0", **more: Any) -> Reply:
        setup = self.client.planted.setup
        user = self.user
        token = self.client.user_token(user, *self.scopes, app=setup) if user else self.client.app_token(setup)
        headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        return await self.client.request(method, f"/{version}{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Any:
        reply = await self.call("GET", path, **more)
        assert reply.status == 200, reply.body
        return reply.json

    async def post(self, path: str, body: Any, **more: Any) -> Any:
        reply = await self.call("POST", path, json=body, **more)
        assert reply.status in (200, 201), reply.body
        return reply.json

    async def no_content(self, method: str, path: str, body: Any = None, **more: Any) -> None:
        reply = await self.call(method, path, json=body, **more)
        assert (reply.status, reply.body) == (204, b""), reply.body

    async def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """Status and code of a refusal."""
        reply = await self.call(method, path, json=body, **more)
        return reply.status, reply.code

    async def register(self, **more: Any) -> Any:
        """A new registration, as Graph shows it."""
        return await self.post(
            "/applications", {"displayName": "Mail gateway", "signInAudience": "AzureADMyOrg"} | more
        )

    async def register_with_principal(self) -> tuple[Any, Any]:
        """A new registration, and its service principal."""
        app = await self.register()
        return app, await self.post("/servicePrincipals", {"appId": app["appId"]})

    async def resource(self, app_id: str = GRAPH_ID) -> Any:
        """The service principal of a resource."""
        return await self.get(f"/servicePrincipals(appId='{app_id}')")


@pytest.fixture
def directory(client: Client) -> Directory:
    """Signed in as an administrator, with all that a setup program asks for."""
    return Directory(client)


@pytest.fixture
def unattended(client: Client) -> Directory:
    """Without a user."""
    return Directory(client, user=None)
