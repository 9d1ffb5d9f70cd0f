"""uvicorn as the doors use it: started on a socket that is bound already, stopped by its owner, silent."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import uvicorn

from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Clock
from pillarbox.endpoints.acceptor import BACKLOG, Acceptor
from pillarbox.endpoints.smtp.limits import Census
from pillarbox.endpoints.smtp.peer import Peer
from pillarbox.endpoints.web_connection import Connection, LocalConnection, Patience

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_LONGEST_HEADER: Final = 64 * 1024
"""Bytes of a request's header: Microsoft sends browsers back with codes of some kilobytes."""
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class WebServer:
    """Serves an ASGI application. `grace` is how many seconds a stop waits for requests in flight, `idle` how many a
    connection may be silent between two requests.
    """

    def __init__(self, app: "ASGIApp", grace: float, idle: float = 60.0) -> None:
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                log_level="critical",  # of what strangers send it would write a line each, and of errors a second time
                access_log=False,  # its lines would hold what Microsoft's redirects carry
                ws="none",
                http=LocalConnection,
                h11_max_incomplete_event_size=_LONGEST_HEADER,
                timeout_keep_alive=max(1, round(idle)),
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(grace)),
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, *listening: socket.socket) -> None:
        """Serve on these Unix sockets; without any, connections are those that `connection` makes."""
        self._task = asyncio.create_task(self._server.serve(sockets=list(listening)), name="web")
        await self._server.ready.wait()

    def connection(self, patience: Patience, clock: Clock, left: Callable[[], None]) -> Connection:
        """The protocol of one more connection from the network."""
        return Connection(self._server, patience, clock, left)

    async def stop(self) -> bool:
        """Answer what was asked, for as long as the grace lasts; whether it was serving."""
        if self._task is None:
            return False
        self._server.stopping.set()
        await self._task
        self._task = None
        return True


@dataclass(frozen=True, slots=True)
class HttpTerms:
    """On which terms the HTTP listener serves. `tls` makes the context of the next handshake; None: no TLS.

    Who speaks plain HTTP all the same is served so: the application sees the scheme, and can say what is wrong.
    `trusts`: proxies, whose connections are those of many, and count in all alone. `cannot_accept` hears why nobody is
    let in for a moment.
    """

    census: Census = field(default_factory=lambda: Census(1000, 1000, 1000))
    patience: Patience = field(default_factory=Patience)
    tls: Callable[[], ssl.SSLContext] | None = None
    trusts: Callable[[str], bool] = lambda _address: False
    clock: Clock = time.monotonic
    cannot_accept: Callable[[OSError], None] = lambda _error: None


class HttpListener:
    """An application at an address of ours, open to whoever comes, in bounds: how many, how long, how slow."""

    def __init__(self, app: "ASGIApp", grace: float, terms: HttpTerms | None = None) -> None:
        self._terms = terms or HttpTerms()
        self._web = WebServer(app, grace, idle=self._terms.patience.idle)
        self._listening: socket.socket | None = None
        self._acceptor = Acceptor(self._arrive, self._terms.cannot_accept)
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and serve; the address that it listens on. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        listening.setblocking(False)
        self._listening = listening
        await self._web.start()
        self._acceptor.accept(listening)
        bound = listening.getsockname()
        return bound[0], bound[1]

    async def stop(self) -> None:
        """Take no new connections, answer what was asked for as long as the grace lasts, and close."""
        await self._acceptor.stop()
        if self._listening is not None:
            self._listening.close()
        await self._web.stop()
        for connection in list(self._connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    async def _arrive(self, accepted: socket.socket, peer: Peer, unless_served: contextlib.ExitStack) -> None:
        """Look at a connection before anything is spent on it: a handshake, or memory for a header."""
        try:
            tls = self._terms.tls() if self._terms.tls else None
            leave = self._enter(peer)
        except Unavailable:
            if self._terms.tls is None:
                with contextlib.suppress(OSError):
                    accepted.send(_FULL)
            return
        unless_served.pop_all()
        over = contextlib.ExitStack()
        over.callback(leave)
        connection = self._web.connection(self._terms.patience, self._terms.clock, over.close)
        self._connections.add(connection)
        over.callback(self._connections.discard, connection)
        if self._timer is None:
            self._watch()
        await self._serve(accepted, connection, tls)

    async def _serve(self, accepted: socket.socket, connection: Connection, tls: ssl.SSLContext | None) -> None:
        patience = self._terms.patience.header
        try:
            if tls is not None and await _begins_in_clear(accepted, patience):
                tls = None
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=patience if tls else None
            )
        except OSError:
            connection.over()
        except BaseException:
            connection.over()
            raise

    def _enter(self, peer: Peer) -> Callable[[], None]:
        """Count a connection; what counts it out again. Raises Unavailable where it is one too many."""
        census = self._terms.census
        if self._terms.trusts(peer.name):
            census.arrive()
            return census.arrived
        census.enter(peer)
        return lambda: census.leave(peer)

    def _watch(self) -> None:
        """Look at all connections now and then, while there are any."""
        again = self._terms.patience.look_every
        self._timer = asyncio.get_running_loop().call_later(again, self._watch) if self._connections else None
        for connection in list(self._connections):
            connection.look_at_clock()


async def _begins_in_clear(accepted: socket.socket, patience: float) -> bool:
    """Whether a client begins with a word of HTTP; a TLS handshake begins with no letter (RFC 8446 section 5.1).

    Closes the connection where it does not begin in time. Raises OSError.
    """
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    with contextlib.ExitStack() as unless_begun:
        unless_begun.callback(accepted.close)
        loop.add_reader(accepted, begun.set)
        try:
            async with asyncio.timeout(patience):
                await begun.wait()
        finally:
            loop.remove_reader(accepted)
        first = accepted.recv(1, socket.MSG_PEEK)
        unless_begun.pop_all()
        return first.isalpha()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the gateway, says when it listens, and does not wake up ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the gateway's."""
        yield

    async def main_loop(self) -> None:
        """Until told to stop."""
        await self.stopping.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then ready."""
        await super().startup(sockets)
        self.ready.set()
