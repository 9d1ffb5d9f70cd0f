"""Exchange Online's old protocols: listens for SMTP and IMAP, and stops."""

import asyncio
import contextlib

from pillarbox.emulator.exchange.imap import Session
from pillarbox.emulator.exchange.site import Site
from pillarbox.emulator.exchange.smtp import Connection

Address = tuple[str, int]


class Exchange:
    """Two listeners on one world; `smtp` and `imap` tell where, once it is started."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._sessions: set[Session] = set()
        self.smtp: Address = ("", 0)
        self.imap: Address = ("", 0)

    async def start(self, smtp: Address, imap: Address) -> None:
        """Listen at these hosts and ports, 0 for a free one; an OSError if one is taken."""
        try:
            self.smtp, self.imap = await self.listen(smtp, imap)
        except OSError:
            await self.stop()
            raise

    async def listen(self, smtp: Address, imap: Address) -> tuple[Address, Address]:
        """Listen there too, and tell where; an OSError if a port is taken."""
        loop = asyncio.get_running_loop()
        return (
            self._listening(await loop.create_server(self._connection, *smtp)),
            self._listening(await asyncio.start_server(self._talk, *imap, ssl=self.site.tls)),
        )

    async def stop(self) -> None:
        """Stop listening, drop all connections and wait until nothing runs on them."""
        self.site.stopping.set()
        for server in self._servers:
            server.close()
        endings = [each.end() for each in self._connections] + [each.end() for each in self._sessions]
        await asyncio.gather(*endings)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _listening(self, server: asyncio.Server) -> Address:
        self._servers.append(server)
        host, port, *_ = server.sockets[0].getsockname()
        return host, port

    def _connection(self) -> Connection:
        return Connection(self.site, self._connections)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self.site, reader, writer)
        self._sessions.add(session)
        try:
            with contextlib.suppress(ConnectionError):
                await session.run(crowded=len(self._sessions) > self.site.max_connections)
        finally:
            self._sessions.discard(session)
