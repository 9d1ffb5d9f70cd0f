"""One connection of a web door: uvicorn's protocol, which bears no client that is silent or slow for ever."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pillarbox.core.errors import InvalidInput
from pillarbox.endpoints.api.audited import UID
from pillarbox.endpoints.api.models import Problem
from pillarbox.endpoints.smtp.peer import of_user

if TYPE_CHECKING:
    import asyncio

    import uvicorn
    from starlette.types import Receive, Scope, Send

SLOW_START: Final = 30.0
"""Seconds of a body, or of an answer, in which no rate is asked for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients are borne, in seconds: until a request's header is there, and between two requests (`idle`).

    Who takes nothing of an answer, or goes on sending what was answered already, is borne as long as one that is idle.
    `min_rate` is bytes a second of a request's body after SLOW_START; 0: any.
    """

    header: float = 10.0
    idle: float = 60.0
    min_rate: int = 500
    slow_start: float = SLOW_START

    @property
    def look_every(self) -> float:
        """How often connections must be looked at, so that none is borne much longer than it should be."""
        return min(1.0, self.header / 4, self.slow_start / 4)


class _Plain(H11Protocol):
    """uvicorn's protocol, but for its answer to what is no HTTP."""

    def send_400_response(self, msg: str) -> None:
        """See uvicorn. What cannot be read any more while an answer is under way gets no second one."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            error = InvalidInput("request.invalid", reason="it is no HTTP that can be read")
            body = json.dumps(Problem.of(error, 400).model_dump()).encode()
            headers = [("Content-Type", "application/problem+json"), ("Connection", "close")]
            response = h11.Response(
                status_code=400, reason=b"Bad Request", headers=[*headers, ("Content-Length", str(len(body)))]
            )
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever was just answering this request is told that nobody listens any more, and makes no second answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class LocalConnection(_Plain):
    """A connection of the local socket: the kernel says who is there."""

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        uid, app = of_user(transport.get_extra_info("socket")).uid, self.app

        async def known(scope: "Scope", receive: "Receive", send: "Send") -> None:
            await app({**scope, UID: uid}, receive, send)

        self.app = known
        super().connection_made(transport)


class Connection(_Plain):
    """A connection of the HTTP listener. `left` is called when it is over."""

    def __init__(
        self, server: "uvicorn.Server", patience: Patience, clock: Callable[[], float], left: Callable[[], None]
    ) -> None:
        super().__init__(server.config, server.server_state, {})
        self._patience = patience
        self._clock = clock
        self._left = left
        self._is_made = False
        """False: it is in its handshake, which has a time of its own."""
        self._header_since: float | None = None
        """Since when the header of a request is there that is not whole, or none at all is; None: it is idle, or whole.
        """
        self._body_since: float | None = None
        self._received = 0
        self._unsent = 0
        self._stuck_since: float | None = None
        self._answered_since: float | None = None
        """Since when a body comes in that was answered, as too large for example; it is read and dropped."""

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._is_made, self._header_since = True, self._clock()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        now = self._clock()
        if self.conn.their_state is not h11.IDLE:
            self._header_since = None
        if self.conn.their_state is not h11.SEND_BODY:
            self._body_since = None
        elif self._body_since is None:
            self._body_since, self._received = now, 0
        else:
            self._received += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.over()

    def over(self) -> None:
        """It is over, or never came to be."""
        self._left()

    def abort(self) -> None:
        """End it now."""
        if self._is_made:
            self.transport.abort()

    def look_at_clock(self) -> None:
        """End it where the client is too slow with a header or a body, or does not take our answer."""
        now = self._clock()
        if self._is_made and (self._is_too_slow(now) or self._is_stuck(now) or self._talks_on(now)):
            self.transport.abort()

    def _is_too_slow(self, now: float) -> bool:
        if self._header_since is None and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._header_since = now
        if self._header_since is not None and now - self._header_since > self._patience.header:
            return True
        # While it is we who do not read, or the client waits for our "100 Continue", no time passes for it.
        waits_for_us = self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue)
        if self._body_since is None or waits_for_us:
            self._body_since = now if self._body_since is not None else None
            self._received = 0
            return False
        seconds = now - self._body_since
        return seconds > self._patience.slow_start and self._received < self._patience.min_rate * seconds

    def _is_stuck(self, now: float) -> bool:
        """Whether nothing of our answer was taken for as long as a connection may be idle."""
        unsent: int = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._stuck_since = unsent, now
        return bool(unsent) and self._stuck_since is not None and now - self._stuck_since > self._patience.idle

    def _talks_on(self, now: float) -> bool:
        """Whether a body has not come to its end for as long after its answer."""
        if self.conn.our_state is not h11.DONE or self.conn.their_state is not h11.SEND_BODY:
            self._answered_since = None
        elif self._answered_since is None:
            self._answered_since = now
        return self._answered_since is not None and now - self._answered_since > self._patience.idle
