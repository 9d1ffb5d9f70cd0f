"""The API as the console asks it: in this process, as whoever is signed in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from pillarbox.endpoints.api import inside

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

_CARRIED: Final = ("cookie", "origin", "sec-fetch-site", "user-agent")
"""What the API wants to know of the browser."""
_JSON: Final = "application/json"


class Problem(Exception):
    """The API refused: its problem (RFC 9457) as it came."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        super().__init__(told.get("code", ""))
        self.status = status
        self.code: str = told.get("code", "internal")
        self.title: str = told.get("title", "")
        self.hint: str = told.get("hint", "")
        self.params: Mapping[str, Any] = told.get("params") or {}
        self.request_id: str = told.get("request_id", "")
        self.upstream: Mapping[str, Any] | None = told.get("upstream")
        self.flaws: Sequence[Mapping[str, Any]] = told.get("errors") or ()


@dataclass(frozen=True, slots=True)
class Calls:
    """The API. `scope` says who asks; `cookies` collects what the API wants the browser to keep."""

    api: "ASGIApp"
    request: "Request"
    scope: Mapping[str, Any]
    cookies: list[str] = field(default_factory=list)

    async def get(self, path: str, **query: object) -> Any:
        """GET; query values that are None or empty are left out."""
        return await self._call("GET", f"{path}{query_of(query)}")

    async def all(self, path: str, most: int = 1000, **query: object) -> list[dict[str, Any]]:
        """A list page by page, to its end or until there are `most`."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while len(found) < most:
            page = await self.get(path, cursor=cursor, limit=min(500, most - len(found)), **query)
            found += page["data"]
            if (cursor := page["next"]) is None:
                break
        return found

    async def post(self, path: str, value: object = None, **query: object) -> Any:
        """POST a JSON value, or nothing."""
        return await self._call("POST", f"{path}{query_of(query)}", value)

    async def patch(self, path: str, value: object) -> Any:
        """PATCH a JSON value."""
        return await self._call("PATCH", path, value)

    async def put(self, path: str, value: object) -> Any:
        """PUT a JSON value."""
        return await self._call("PUT", path, value)

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self._call("DELETE", path)

    async def _call(self, method: str, path: str, value: object = None) -> Any:
        headers = [(name, self.request.headers[name]) for name in _CARRIED if name in self.request.headers]
        body = b""
        if value is not None:
            body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
            headers.append(("content-type", _JSON))
        answer = await inside.call(self.api, method, path, body, headers, self.scope)
        self.cookies.extend(answer.header("set-cookie"))
        told = json.loads(answer.body) if answer.body else None
        if answer.status >= 400:
            raise Problem(answer.status, told or {})
        return told


def segment(name: object) -> str:
    """A name as one segment of a path."""
    return quote(str(name), safe="")


def query_of(query: Mapping[str, object]) -> str:
    """A query with its question mark; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "", [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""
