"""A plain HTTP client that trusts what the target says and follows nothing by itself."""

import io
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.contract.microsoft.target import Target

LARGE = 1024 * 1024
"""Bytes from which aiohttp wants a file."""


@dataclass(frozen=True)
class Bearer:
    """An access token that no failure prints."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end; the body may hold a token, so it is not shown."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON, None if there is no body."""
        return json.loads(self.body) if self.body else None

    @property
    def names(self) -> set[str]:
        """The names in a JSON object: a failure shows these, and not the token beside them."""
        return {*self.json}

    @property
    def code(self) -> str:
        """The code of Graph's error envelope; empty if this is none."""
        shown = self.json
        error = shown.get("error") if isinstance(shown, dict) else None
        return str(error["code"]) if isinstance(error, dict) else ""


class Web:
    """Asks, and reads the answer to its end."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, url: str, *, bearer: Bearer | None = None, **more: Any) -> Reply:
        """One request; `url` is sent as it is written, so links of the server's stay opaque."""
        headers = dict(more.pop("headers", {}))
        if bearer:
            headers["Authorization"] = f"Bearer {bearer.value}"
        if (content := more.pop("json", None)) is not None:
            headers["Content-Type"] = "application/json"
            more["data"] = json.dumps(content).encode()
        data = more.get("data")
        if data is None:
            more["skip_auto_headers"] = ("Content-Type",)
        elif isinstance(data, bytes) and len(data) > LARGE:
            more["data"] = io.BytesIO(data)
        asked = self._session.request(method, URL(url, encoded=True), headers=headers, allow_redirects=False, **more)
        async with asked as answer:
            return Reply(answer.status, answer.headers, await answer.read())


def tls(target: Target) -> ssl.SSLContext:
    """Verifies by the target's CA, or by the system's where it names none."""
    return ssl.create_default_context(cafile=str(target.ca_file) if target.ca_file else None)


def session(target: Target) -> aiohttp.ClientSession:
    """A client session for one test."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls(target)),
        timeout=aiohttp.ClientTimeout(total=120),
        headers={"User-Agent": "pillarbox-certify"},
    )
