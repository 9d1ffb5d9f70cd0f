"""Which version answers, told with every answer: a command of another one must not misread it."""

from functools import cache
from typing import TYPE_CHECKING, Final

import pillarbox
from pillarbox.store.database import migrations

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "Pillarbox-Version"
OLDER: Final = "before 0.1.0, schema 2"
"""What a service is that does not say it."""


@cache
def of_this_package() -> str:
    """The version of the package and of the store's schema, such as `0.1.0, schema 2`."""
    return f"{pillarbox.__version__}, schema {migrations('sqlite')[-1].version}"


class Versioned:
    """An application whose answers all bear the version."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app
        self._field = (HEADER.lower().encode(), of_this_package().encode())

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""

        async def with_version(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._field]
            await send(message)

        await self._app(scope, receive, with_version)
