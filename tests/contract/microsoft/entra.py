"""Tokens of the target, each fetched once in a run: Entra refuses who asks in a loop (AADSTS50196)."""

import base64
import json
from typing import Any

from tests.contract.microsoft.target import App, Target
from tests.contract.microsoft.web import Bearer, Reply, Web

Cache = dict[tuple[str, str], Bearer]


class Entra:
    """The authority of the target."""

    def __init__(self, web: Web, target: Target, cache: Cache) -> None:
        self._web, self._target, self._cache = web, target, cache

    @property
    def graph_scope(self) -> str:
        """All that an app was granted on Graph."""
        return f"{self._target.cloud.graph}/.default"

    @property
    def exchange_scope(self) -> str:
        """All that an app was granted on Exchange Online."""
        return f"{self._target.cloud.exchange}/.default"

    async def get(self, path: str, **more: Any) -> Reply:
        """GET of a path of the authority."""
        return await self._web.ask("GET", f"{self._target.authority}{path}", **more)

    async def post(
        self, form: dict[str, str | None], *, tenant: str | None = None, path: str = "v2.0/token", **more: Any
    ) -> Reply:
        """POST of a form below `/{tenant}/oauth2/`; what is None stays out."""
        sent = {name: value for name, value in form.items() if value is not None}
        url = f"{self._target.authority}/{tenant or self._target.tenant}/oauth2/{path}"
        return await self._web.ask("POST", url, data=sent, **more)

    def form(self, app: App, **fields: str | None) -> dict[str, str | None]:
        """The form of the client credentials grant; `fields` replace the usual ones, None takes one away."""
        usual: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": app.client_id,
            "client_secret": app.secret,
            "scope": self.graph_scope,
        }
        return usual | fields

    async def token(self, app: App, scope: str | None = None) -> Bearer:
        """An app-only token, for Graph if nothing else is asked for."""
        wanted = scope or self.graph_scope
        if (app.client_id, wanted) not in self._cache:
            reply = await self.post(self.form(app, scope=wanted))
            self._cache[app.client_id, wanted] = bearer(reply)
        return self._cache[app.client_id, wanted]


def bearer(reply: Reply) -> Bearer:
    """The access token of an answer; an AssertionError with the AADSTS text if there is none."""
    body = reply.json
    if "access_token" not in body:
        raise AssertionError(f"no token: {body.get('error')}: {body.get('error_description')}")
    return Bearer(body["access_token"])


def claims(token: Bearer) -> dict[str, Any]:
    """What a token says, unverified: programs must not look inside, a test of a token must."""
    part = token.value.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
