"""A service in a process of its own, its HTTP door, and a key for it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Microsoft
from tests.service import Service, furnish, serve

DRAFTS = ("Mail.Send", "Mail.ReadWrite")
"""The roles that large files take."""
SENDERS = ("scanner@contoso.example", "erp@contoso.example")


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """Where programs of others come in."""

    service: Service
    key: str

    @property
    def url(self) -> str:
        """The address of its API, without a slash at the end."""
        return f"http://{self.service.ready['http']}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a program finds it."""
        return {"PILLARBOX_URL": self.url, "PILLARBOX_API_KEY": self.key}

    async def new_key(self, name: str, *scopes: str, **more: object) -> str:
        """Another key."""
        new = {"name": name, "scopes": scopes, **more}
        return str((await asyncio.to_thread(self.service.api.post, "/api/v1/api-keys", new))["key"])


@asynccontextmanager
async def http_door(
    microsoft: Microsoft, folder: Path, *scopes: str, settings: dict[str, str] | None = None, roles: Sequence[str] = ()
) -> AsyncIterator[HttpDoor]:
    """A furnished service with the mailboxes SENDERS, and a key with these scopes; its app may send, or has `roles`."""
    service = await serve(folder, microsoft.settings | (settings or {}))
    try:
        app, world = microsoft.seed.gateway, microsoft.emulator.world
        if roles:
            app = world.add_app("App with more rights", roles, tenant=microsoft.seed.tenant)
        secret = world.add_secret(app) if roles else microsoft.seed.secrets[app.client_id]
        await asyncio.to_thread(furnish, service, microsoft.seed.tenant.id, app.client_id, secret, *SENDERS)
        key = await HttpDoor(service, "").new_key("program", *scopes)
        yield HttpDoor(service, key)
    finally:
        await service.end(signal.SIGTERM)
