"""The API by the HTTP listener, as a program with a key asks it."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pillarbox.access.key_rules import Wanted
from tests.conftest import House


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of a refusal; empty for a success."""
        return "" if self.status < 400 else str(self.json["code"])


async def ask(
    house: House,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask by HTTP; a `body` goes as JSON, but bytes as they are."""
    sent = {"Authorization": f"Bearer {key}"} if key else {}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"

    def call() -> Answer:
        host, _, port = house.gateway.http_address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            connection.request(method, path, body, sent | dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read().decode())
        finally:
            connection.close()

    return await asyncio.to_thread(call)


async def make_key(house: House, name: str = "crm", **wish: Any) -> str:
    """The text of a new key."""
    wanted: Wanted = wish  # type: ignore[assignment]
    return (await house.gateway.keys.add(name, wanted))[1].reveal()
