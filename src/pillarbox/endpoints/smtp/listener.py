"""The sockets that the SMTP door listens on, and all the connections that came of them."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from pillarbox.core.errors import Forbidden, InvalidInput, PillarboxError
from pillarbox.endpoints.acceptor import BACKLOG, Acceptor
from pillarbox.endpoints.smtp import proxy_protocol
from pillarbox.endpoints.smtp.admission import Entrance, admit, turned_away
from pillarbox.endpoints.smtp.connection import Connection, Terms, handshake_failed
from pillarbox.endpoints.smtp.peer import Peer, of_address

_LAST_WORD: Final = 1.0
"""Seconds that a client has to take its 421 when the service stops."""


class Listener:
    """One listening address."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._sockets: Sequence[socket.socket] = ()
        self._servers: list[asyncio.Server] = []
        self._acceptor = Acceptor(self._arrive, self._cannot_accept)
        self._connections: set[Connection] = set()
        self._look_again = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; the address that was bound. Raises OSError."""
        sockets = bind(host, port)
        await self.serve(sockets)
        bound = sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on bound sockets, which are closed at the end."""
        self._sockets = sockets
        loop = asyncio.get_running_loop()
        for listening in sockets:
            if self._terms.implicit_tls or self._terms.proxies:
                # The first bytes are not for a session: looked at here, so that a handshake is done for nobody who is
                # turned away, and begins right behind a PROXY header.
                listening.listen(BACKLOG)
                self._acceptor.accept(listening)
            elif listening.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._entrance, sock=listening, backlog=BACKLOG)
                self._servers.append(server)
            else:
                self._servers.append(await loop.create_server(self._entrance, sock=listening, backlog=BACKLOG))

    async def stop(self, grace: float) -> None:
        """Take no new connections, let messages that are being handed in be answered, and close."""
        await self._stop_listening()
        for connection in list(self._connections):
            connection.stop()
        await self._until(lambda: not any(one.handing_in for one in self._connections), grace)
        # The others have their 421. One that does not read it, or does not end its TLS, is not waited for long.
        await self._until(lambda: not self._connections, min(grace, _LAST_WORD))
        for connection in list(self._connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        await self._acceptor.stop()
        for listening in self._sockets:
            listening.close()

    async def _until(self, condition: Callable[[], bool], patience: float) -> None:
        """Until this is so, looked at whenever somebody leaves and now and then, or the patience is at its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not condition():
                    self._look_again.clear()
                    await self._look_again.wait()

    # ---- connections

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def _entrance(self) -> Entrance:
        return Entrance(self._terms, self._let_in, self._left)

    def _let_in(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._terms.services.tally.add("smtp_sessions")
        if self._timer is None:
            self._watch()

    def _left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._look_again.set()

    def _watch(self) -> None:
        """Look at all clients now and then. One timer for all: each of thousands with its own would cost more."""
        again = self._terms.patience.look_every
        self._timer = asyncio.get_running_loop().call_later(again, self._watch) if self._connections else None
        self._look_again.set()
        self.look_at_clock()

    def look_at_clock(self) -> None:
        """End the sessions of clients that are silent too long, or too slow."""
        now = self._terms.services.clock()
        for connection in list(self._connections):
            connection.look_at_clock(now)

    # ---- connections that do not begin with our greeting

    def _cannot_accept(self, error: OSError) -> None:
        self._terms.services.log.error("listener.cannot_accept", listener=self._terms.name, reason=error.strerror)

    async def _arrive(self, accepted: socket.socket, peer: Peer, unless_served: contextlib.ExitStack) -> None:
        try:
            peer = await self._real_peer(accepted, peer)
            # Before anything is counted, as it may fail.
            tls = self._terms.tls() if self._terms.tls is not None and self._terms.implicit_tls else None
            submitter = admit(self._terms, peer)
        except PillarboxError as error:
            with contextlib.suppress(OSError):
                accepted.send(turned_away(self._terms, peer, error))
            return
        except Exception:
            self._terms.services.log.exception("unexpected", peer=peer.name)
            return
        unless_served.pop_all()
        connection = Connection(self._terms, peer, submitter, self._left)
        self._let_in(connection)
        await self._serve(accepted, connection, peer, tls)

    async def _serve(
        self, accepted: socket.socket, connection: Connection, peer: Peer, tls: ssl.SSLContext | None
    ) -> None:
        patience = self._terms.patience.handshake if tls else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=patience
            )
        except (OSError, ssl.SSLError) as error:
            self._terms.tell_refusal(peer, None, "TLS", handshake_failed(error))
            connection.connection_lost(error)
        except BaseException:
            connection.connection_lost(None)
            raise

    async def _real_peer(self, accepted: socket.socket, peer: Peer) -> Peer:
        """Who is behind a load balancer. Raises Forbidden for anybody else, InvalidInput for what is no header."""
        if not self._terms.proxies:
            return peer
        if peer not in self._terms.proxies:
            raise Forbidden("smtp.not_a_proxy")
        self._terms.census.arrive()
        try:
            async with asyncio.timeout(self._terms.patience.handshake):
                address = proxy_protocol.client(await _proxy_header(accepted))
        except proxy_protocol.Malformed as error:
            raise InvalidInput("smtp.bad_proxy_header", reason=error) from error
        except TimeoutError as error:
            raise InvalidInput("smtp.bad_proxy_header", reason="none came in time") from error
        except OSError as error:
            raise InvalidInput("smtp.bad_proxy_header", reason=error.strerror or error) from error
        finally:
            self._terms.census.arrived()
        if address == proxy_protocol.UNTOLD:
            return Peer(address, via=peer.name)
        return of_address(address) if address else peer


async def _proxy_header(accepted: socket.socket) -> bytes:
    """The bytes of the header and none behind it. Raises Malformed."""
    loop = asyncio.get_running_loop()
    header = b""
    while more := proxy_protocol.missing(header):
        piece = await loop.sock_recv(accepted, more)
        if not piece:
            raise proxy_protocol.Malformed("the connection ended")
        header += piece
    return header


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound at all addresses of `host`, with one port; IPv6 without IPv4, so that both can be listened on.

    Raises OSError. An address that this machine has not got is no error where there is another (`localhost`).
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    error: OSError | None = None
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(_bound(family, str(address[0]), port))
            except OSError as one:
                if one.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                error = one
            else:
                port = sockets[0].getsockname()[1]
        if error is not None and not sockets:
            raise error
    except OSError:
        for made in sockets:
            made.close()
        raise
    return sockets


def _bound(family: int, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
