"""No request fills the memory of the service: the body of every one is counted while it comes in."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from pillarbox.core.errors import InvalidInput

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST: Final = 6 * 1024 * 1024
"""Bytes of a body: 4 MB for Graph, as base64, and the JSON around them."""


class BodyLimit:
    """An application that takes no larger body, but at paths that count for themselves; `/x/` stands for all in it."""

    def __init__(self, app: "ASGIApp", counted_elsewhere: Collection[str], most: int = MOST) -> None:
        self._app = app
        self._counted_elsewhere = counted_elsewhere
        self._most = most

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        read = 0

        async def counted() -> "Message":
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise InvalidInput("request.too_large", limit=self._most)
            return message

        path = scope.get("path", "")
        elsewhere = path in self._counted_elsewhere or f"{path.rpartition('/')[0]}/" in self._counted_elsewhere
        await self._app(scope, receive if elsewhere else counted, send)
