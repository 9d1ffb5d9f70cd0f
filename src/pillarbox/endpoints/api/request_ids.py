"""Each request has an id, which its answer, its lines in the log and its row in the audit log bear.

A client may give one (`X-Request-Id`), to find its call with us by its own name. So it may say of which trace of its
own the request is a part (`traceparent`, https://www.w3.org/TR/trace-context/): our lines bear that trace's id, too.
"""

import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.requests import HTTPConnection

from pillarbox.core.log import in_request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID: Final = "pillarbox.request_id"
"""Where the id stands in the ASGI scope; a door may have put one there."""
TRACE: Final = "pillarbox.trace"
"""Where the client's traceparent stands in the ASGI scope; empty where it gave none."""
_FIELD: Final = b"x-request-id"
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[ -~]*)?")


def id_of(scope: "Scope") -> str:
    """The id of a request; empty outside of the API."""
    return str(scope.get(REQUEST_ID, ""))


def trace_of(connection: HTTPConnection) -> str:
    """The traceparent that came with a request; empty where none did."""
    return str(connection.scope.get(TRACE, ""))


class RequestIds:
    """An application whose requests all have an id. `make` makes those of whom gives none, or one that is no id."""

    def __init__(self, app: "ASGIApp", make: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._app = app
        self._make = make

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        request_id = id_of(scope) or _given(scope) or self._make()
        trace = traceparent(_values(scope, b"traceparent"))

        async def with_id(message: "Message") -> None:
            # Of several around each other, as a door has them, the innermost says it.
            if message["type"] == "http.response.start" and not _values(message, _FIELD):
                message["headers"] = [*message.get("headers", ()), (_FIELD, request_id.encode())]
            await send(message)

        told = {"request": request_id} | ({"trace": trace.split("-")[1]} if trace else {})
        with in_request(told):
            await self._app({**scope, REQUEST_ID: request_id, TRACE: trace}, receive, with_id)


def traceparent(values: list[bytes]) -> str:
    """The value of `traceparent`; empty where it is malformed or told twice (Trace Context, section 3.2). Pure.

    A version of the future may have more behind; version ff, and ids of zeros alone, are invalid.
    """
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or match[1] == b"ff" or (match[1] == b"00" and match[4]):
        return ""
    if not match[2].strip(b"0") or not match[3].strip(b"0"):
        return ""
    # Without what a later version has behind it: nobody said what that is, or how long.
    return b"-".join(values[0].split(b"-")[:4]).decode("ascii")


def _given(scope: "Scope") -> str:
    values = _values(scope, _FIELD)
    return values[0].decode("ascii") if len(values) == 1 and _ID.fullmatch(values[0]) else ""


def _values(told: "Scope | Message", name: bytes) -> list[bytes]:
    return [value for field, value in told.get("headers", ()) if field == name]
