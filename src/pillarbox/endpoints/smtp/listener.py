"""The sockets of the SMTP door: each connection drives one session and carries out its actions."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.smtp.session import Action, Authenticate, Close, Rules, Session, StartTls, Submit

_HANDSHAKE_TIMEOUT: Final = 30
_LAST_WORD: Final = 1.0
"""Seconds that a client has to take its 421 when the service stops."""
_MAX_AHEAD: Final = 64 * 1024
"""Bytes that a client may send ahead while an action is carried out."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the door needs of the house."""

    authenticate: Callable[[str, Secret], Awaitable[Submitter]]
    accept: Callable[[Envelope, Content, Submitter], Awaitable[str]]
    tls: ssl.SSLContext
    log: Logger
    timeout: float


class Listener:
    """One listening address."""

    def __init__(self, rules: Rules, services: Services) -> None:
        self._rules = rules
        self._services = services
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; return the address that was bound."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, host, port, backlog=512)
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def _closed(self, connections: Sequence["Connection"], grace: float) -> None:
        if connections:
            await asyncio.wait([connection.closed for connection in connections], timeout=grace)

    def _connect(self) -> "Connection":
        return Connection(self._rules, self._services, self._connections)

    async def stop(self, grace: float) -> None:
        """Take no new connections, let messages that are being handed in be answered, and close."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.stop()
        await self._closed([one for one in self._connections if one.handing_in], grace)
        # The others have their 421. One that does not read it, or does not end its TLS, is not waited for long.
        await self._closed(list(self._connections), min(grace, _LAST_WORD))
        for connection in list(self._connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, rules: Rules, services: Services, register: "set[Connection]") -> None:
        self._session = Session(rules)
        self._services = services
        self._register = register
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._ended = False
        self._handshaking = False
        self._congested = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_input = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there. Not called again when TLS begins."""
        # A cast, as the transports of uvloop do not inherit from those of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("unknown",)
        self._peer = str(peer[0])
        self._register.add(self)
        self._last_input = self._loop.time()
        self._watch()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._last_input = self._loop.time()
        self._session.receive(data)
        if not self._session.waiting:
            self._advance()
        self._set_reading()

    def eof_received(self) -> bool:
        """The client will send no more; what it was promised is still answered. TLS knows no half-open connection."""
        self._ended = True
        tls = self._transport is not None and self._transport.get_extra_info("sslcontext") is not None
        return self._session.waiting and not tls

    def pause_writing(self) -> None:
        """The client does not take our replies: read none of its commands until it does."""
        self._congested = True
        self._set_reading()

    def resume_writing(self) -> None:
        """The client takes our replies again."""
        self._congested = False
        self._set_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. A message that is being committed stays: it may be ours already."""
        self._transport = None
        self._register.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    # ---- the listener's side

    @property
    def handing_in(self) -> bool:
        """Whether a message is on its way in."""
        return self._session.in_transaction

    def stop(self) -> None:
        """End the session as soon as nothing is being handed in."""
        self._stopping = True
        if not self._session.in_transaction:
            self._end("smtp.stopping")

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    # ---- driving the session

    def _advance(self) -> None:
        if self._transport is None:
            # A message that nobody can be told about any more is not taken: its client will hand it in again.
            return
        action = self._session.advance()
        for verb, error in self._session.take_refusals():
            submitter = self._session.submitter
            self._log_refusal(verb, submitter.name if submitter else "", error)
        self._flush()
        if action is not None:
            self._carry_out(action)
        elif self._stopping and not self._session.in_transaction:
            self._end("smtp.stopping")
        elif self._ended:
            self._close()

    def _carry_out(self, action: Action) -> None:
        match action:
            case Close():
                self._close()
            case StartTls():
                self._handshaking = True
                if self._transport is not None:
                    self._transport.pause_reading()
                self._task = self._loop.create_task(self._start_tls())
            case Authenticate() | Submit():
                self._task = self._loop.create_task(self._serve(action))

    async def _serve(self, action: Authenticate | Submit) -> None:
        """Hand the action to the house, and go on with what the client sent ahead."""
        try:
            if isinstance(action, Submit):
                self._session.submitted(await self._services.accept(action.envelope, action.content, action.submitter))
            else:
                self._session.authenticated(await self._services.authenticate(action.name, action.password))
                self._services.log.debug("smtp.auth", peer=self._peer, submitter=action.name)
        except PillarboxError as error:
            self._refuse(action, error)
        except Exception:
            self._services.log.exception("unexpected", peer=self._peer)
            self._refuse(action, Unavailable("internal"))
        self._last_input = self._loop.time()
        self._advance()
        self._set_reading()

    def _refuse(self, action: Authenticate | Submit, error: PillarboxError) -> None:
        who = action.name if isinstance(action, Authenticate) else action.submitter.name
        self._log_refusal("AUTH" if isinstance(action, Authenticate) else "DATA", who, error)
        self._session.refused(error)

    def _log_refusal(self, command: str, submitter: str, error: PillarboxError) -> None:
        self._services.log.warning(
            "smtp.refused",
            peer=self._peer,
            submitter=submitter,
            command=command,
            code=error.code,
            reply=error.entry.smtp,
            reason=error.sentence,
        )

    async def _start_tls(self) -> None:
        if self._transport is None:
            return
        if self._session.buffered:
            # Came in clear, and must not be taken for what comes encrypted. Later the handshake fails on it.
            self.abort()
            return
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._services.tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT,
            )
        except (OSError, ssl.SSLError) as error:
            self._services.log.info("smtp.refused", peer=self._peer, command="STARTTLS", reason=str(error))
            self.abort()
            # asyncio does not tell of a client that vanishes during the handshake.
            self.connection_lost(error)
            return
        self._transport = cast(asyncio.Transport, transport)
        self._handshaking = self._congested = self._paused = False
        self._session.tls_started()
        # The first command may have come together with the end of the handshake.
        self._advance()
        self._set_reading()

    # ---- writing, pausing, closing

    def _flush(self) -> None:
        output = self._session.take_output()
        if output and self._transport is not None:
            self._transport.write(output)

    def _set_reading(self) -> None:
        """Read on, unless the client is too far ahead: with commands, or with replies that it does not take."""
        ahead = self._congested or (self._session.waiting and self._session.buffered > _MAX_AHEAD)
        if self._transport is None or self._handshaking or ahead == self._paused:
            return
        self._paused = ahead
        if ahead:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            # A client that does not take the last replies would keep the connection for ever.
            self._set_timer(self._services.timeout, self.abort)

    def _end(self, code: str) -> None:
        self._session.give_up(code)
        self._flush()
        self._close()

    def _watch(self) -> None:
        """Close a client that was silent too long. One timer a connection, moved on only when it fires."""
        silent = 0.0 if self._session.waiting else self._loop.time() - self._last_input
        if silent >= self._services.timeout:
            self._end("smtp.timeout")
        else:
            self._set_timer(self._services.timeout - silent, self._watch)

    def _set_timer(self, delay: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, action)
