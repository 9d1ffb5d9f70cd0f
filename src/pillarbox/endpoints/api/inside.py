"""A call of the API within this process, without a network: for commands without a service, and for the console."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
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


async def call(
    app: "ASGIApp",
    method: str,
    path: str,
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    scope: Mapping[str, Any] = _PLAIN,
) -> Answer:
    """Make a call; `path` is as in a URL, with its query. `scope` says who asks, and how they came in."""
    plain, _, query = path.partition("?")
    asked = {
        **_PLAIN,
        **scope,
        "method": method,
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }
    status, fields, pieces = 500, list[tuple[str, str]](), list[bytes]()
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        # Whoever asks stays for the answer.
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        told = message.get("headers", ())
        fields.extend((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in told)
        pieces.append(message.get("body", b""))

    await app(asked, receive, send)
    return Answer(status, fields, b"".join(pieces))
