"""Calls to the target's Graph as one of its apps."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote

from tests.contract.microsoft.entra import Entra
from tests.contract.microsoft.target import App, Target
from tests.contract.microsoft.web import Bearer, Reply, Web

RETRIES = 5
MAX_PAUSE = 30.0
IMMUTABLE = 'IdType="ImmutableId"'


class Graph:
    """Graph v1.0 (or another version) of the target."""

    def __init__(self, web: Web, target: Target, entra: Entra) -> None:
        self._web, self._target, self._entra = web, target, entra

    async def ask(
        self,
        method: str,
        path: str,
        app: App | None = None,
        *,
        version: str = "v1.0",
        patient: bool = True,
        **more: Any,
    ) -> Reply:
        """A call as that app (the keeper, if none is named); a path that is a whole URL is asked as it is.

        `patient`: a tenant that asks to slow down is asked again when it says so.
        """
        url = path if path.startswith("https://") else f"{self._target.graph}/{version}{path}"
        bearer = more.pop("bearer", None) or await self._entra.token(app or self._target.keeper)
        reply = await self._web.ask(method, url, bearer=bearer, **more)
        for _ in range(RETRIES if patient and self._target.patience else 0):
            if reply.status != 429:
                break
            await asyncio.sleep(_pause(reply))
            reply = await self._web.ask(method, url, bearer=bearer, **more)
        return reply

    async def administer(self, method: str, path: str, **more: Any) -> Reply:
        """A call as the administrator; only where the target has one."""
        assert self._target.admin_token is not None
        return await self.ask(method, path, bearer=Bearer(self._target.admin_token), **more)

    async def send_json(self, message: dict[str, Any], app: App | None = None, **fields: Any) -> Reply:
        """sendMail in JSON from the sender's mailbox."""
        sender = self._target.sender_address
        body = {"message": message} | fields
        return await self.ask("POST", f"/users/{sender}/sendMail", app or self._target.sender, json=body)

    async def send_mime(self, mime: bytes, app: App | None = None) -> Reply:
        """sendMail in MIME from the sender's mailbox."""
        return await self.send_raw(base64.b64encode(mime), "text/plain", app)

    async def send_raw(self, body: bytes, content_type: str, app: App | None = None) -> Reply:
        """sendMail with whatever body."""
        path, headers = f"/users/{self._target.sender_address}/sendMail", {"Content-Type": content_type}
        return await self.ask("POST", path, app or self._target.sender, data=body, headers=headers)


def _pause(reply: Reply) -> float:
    """Seconds that the server asks for; it may send a decimal, or a date, for which half a minute will do."""
    try:
        return min(float(reply.headers.get("Retry-After", "1")), MAX_PAUSE)
    except ValueError:
        return MAX_PAUSE


def segment(ident: str) -> str:
    """An id as part of a path: they may hold anything (facts 3)."""
    return quote(ident, safe="")
