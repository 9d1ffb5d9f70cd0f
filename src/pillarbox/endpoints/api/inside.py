"""A call of the API within this process, without a network: for commands without a service, and for the console."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PLAIN: Final[Mapping[str, Any]] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "http",
    "root_path": "",
    "client": None,
    "server": ("pillarbox", None),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered; the names of header fields are in small letters."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for field, value in self.headers if field == name]


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun; its pieces are read once."""

    status: int
    headers: Sequence[tuple[str, str]]
    _more: "asyncio.Queue[Mapping[str, Any] | None]"
    _working: "asyncio.Task[None]"

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Whoever stops reading ends the call."""
        try:
            while (message := await self._more.get()) is not None:
                if piece := message.get("body"):
                    yield piece
            await self._working
        finally:
            self._working.cancel()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The same line by line; what stands behind the last line break is none."""
        rest = b""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield line


async def call(
    app: "ASGIApp",
    method: str,
    path: str,
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    scope: Mapping[str, Any] = _PLAIN,
) -> Answer:
    """Make a call; `path` is as in a URL, with its query. `scope` says who asks, and how they came in."""
    begun = await begin(app, method, path, body, headers, scope)
    return Answer(begun.status, begun.headers, b"".join([piece async for piece in begun.pieces()]))


async def begin(
    app: "ASGIApp",
    method: str,
    path: str,
    body: bytes | AsyncIterator[bytes] = b"",
    headers: Iterable[tuple[str, str]] = (),
    scope: Mapping[str, Any] = _PLAIN,
) -> Begun:
    """The same, for an answer that takes its time: it is there once its first line is. The body may come in pieces."""
    pieces = _alone(body) if isinstance(body, bytes) else body
    told: asyncio.Queue[Any] = asyncio.Queue()
    more = True

    async def receive() -> dict[str, Any]:
        nonlocal more
        if not more:
            # Whoever asks stays for the answer.
            await asyncio.get_running_loop().create_future()
        piece = await anext(pieces, None)
        more = piece is not None
        return {"type": "http.request", "body": piece or b"", "more_body": more}

    asked = asked_by(scope, method, path, headers)
    working = asyncio.ensure_future(_work(app(asked, receive, told.put), told))
    try:
        start = await told.get()
    except BaseException:
        working.cancel()
        raise
    if start is None:
        await working  # It failed, or has nothing to say.
        told.put_nowait(None)
        return Begun(500, (), told, working)
    fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start.get("headers", ())]
    return Begun(start["status"], fields, told, working)


def asked_by(
    scope: Mapping[str, Any], method: str, path: str, headers: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The ASGI scope of a call by whoever `scope` says. Pure."""
    plain, _, query = path.partition("?")
    return {
        **_PLAIN,
        **scope,
        "path_params": {},  # those of the page that asks are none of the call's
        "method": method,
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }


async def _alone(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _work(work: Awaitable[None], told: "asyncio.Queue[Any]") -> None:
    try:
        await work
    finally:
        told.put_nowait(None)
