"""The API as the console asks it: in this process, as whoever is signed in."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from starlette.responses import Response

from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.api import inside
from pillarbox.endpoints.api.models import Problem as ApiProblem
from pillarbox.endpoints.api.request_ids import id_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CARRIED: Final = ("cookie", "origin", "sec-fetch-site", "user-agent")
"""What the API wants to know of the browser."""
_JSON: Final = "application/json"
_HANDED_ON: Final = (b"content-length", b"content-disposition")
_LINES: Final = "application/x-ndjson"


class Problem(Exception):
    """The API refused: its problem (RFC 9457) as it came."""

    def __init__(self, status: int, told: Mapping[str, Any], retry_after: str = "") -> None:
        super().__init__(told.get("code", ""))
        self.retry_after = retry_after
        self.status = status
        self.code: str = told.get("code", "internal")
        self.title: str = told.get("title", "")
        self.hint: str = told.get("hint", "")
        self.params: Mapping[str, Any] = told.get("params") or {}
        self.request_id: str = told.get("request_id", "")
        self.upstream: Mapping[str, Any] | None = told.get("upstream")
        self.flaws: Sequence[Mapping[str, Any]] = told.get("errors") or ()

    @classmethod
    def of(cls, error: "PillarboxError | Problem", request: "Request") -> "Problem":
        """What the console itself refuses, as the API would say it; what the API refused as it is."""
        if isinstance(error, Problem):
            return error
        told = ApiProblem.of(error, request_id=id_of(request.scope))
        return cls(told.status, told.model_dump())


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

    async def lines(self, path: str, value: object = None) -> AsyncGenerator[Any, None]:
        """POST a JSON value; what the API tells of it line by line, each as it comes."""
        body, headers = self._asked(value)
        begun = await inside.begin(self.api, "POST", path, body, [*headers, ("accept", _LINES)], self.scope)
        if begun.status >= 400:
            raise Problem(begun.status, json.loads(b"".join([piece async for piece in begun.pieces()]) or b"{}"))
        return _lines(begun)

    async def send(self, path: str, pieces: AsyncIterator[bytes], headers: Mapping[str, str]) -> Any:
        """POST a body that comes in pieces."""
        asked = [*self._asked(None)[1], *headers.items()]
        begun = await inside.begin(self.api, "POST", path, pieces, asked, self.scope)
        told = json.loads(b"".join([piece async for piece in begun.pieces()]) or b"{}")
        if begun.status >= 400:
            raise Problem(begun.status, told)
        return told

    def passed(self, path: str, headers: Mapping[str, str], refused: "Callable[[Problem], Response]") -> Response:
        """What a GET gives, handed on as it comes; its header fields are these, not those of the API.

        `refused` is the answer where the API refuses.
        """
        return _Passed(self.api, inside.asked_by(self.scope, "GET", path, self._asked(None)[1]), headers, refused)

    async def _call(self, method: str, path: str, value: object = None) -> Any:
        body, headers = self._asked(value)
        answer = await inside.call(self.api, method, path, body, headers, self.scope)
        self.cookies.extend(answer.header("set-cookie"))
        told = json.loads(answer.body) if answer.body else None
        if answer.status >= 400:
            raise Problem(answer.status, told or {}, *answer.header("retry-after"))
        return told

    def _asked(self, value: object) -> tuple[bytes, list[tuple[str, str]]]:
        """Body and header of a call."""
        headers = [(name, self.request.headers[name]) for name in _CARRIED if name in self.request.headers]
        if value is None:
            return b"", headers
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return body, [*headers, ("content-type", _JSON)]


class _Passed(Response):
    """An answer of the API on its way to a browser, never whole in memory."""

    def __init__(
        self,
        api: "ASGIApp",
        asked: dict[str, Any],
        headers: Mapping[str, str],
        refused: Callable[[Problem], Response],
    ) -> None:
        super().__init__()
        self._refused = refused
        self._api = api
        self._asked = asked
        self._fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        status, told = 0, b""

        async def sent(message: "Message") -> None:
            nonlocal status, told
            if message["type"] == "http.response.start":
                status = message["status"]
                theirs = [field for field in message["headers"] if field[0] in _HANDED_ON]
                message = {**message, "headers": [*self._fields, *theirs]}
            if status >= 400:
                told += message.get("body", b"")
            else:
                await send(message)

        await self._api(self._asked, receive, sent)
        if status >= 400:
            await self._refused(Problem(status, json.loads(told or b"{}")))(scope, receive, send)


async def _lines(begun: inside.Begun) -> AsyncGenerator[Any, None]:
    async with aclosing(begun.lines()) as lines:
        async for line in lines:
            yield json.loads(line)


def segment(name: object) -> str:
    """A name as one segment of a path."""
    return quote(str(name), safe="")


def query_of(query: Mapping[str, object]) -> str:
    """A query with its question mark; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "", [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""
