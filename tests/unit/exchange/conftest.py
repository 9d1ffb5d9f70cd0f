"""Exchange by the emulator, and a server that says what a test tells it to say."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pillarbox.core.tls import Outbound
from pillarbox.core.vault import Secret
from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import EXCHANGE
from pillarbox.exchange.login import Credentials, Server
from tests.openapi.recorder import Recorder

ALICE = "alice@contoso.example"
SHORT = Credentials(ALICE, Secret("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"))
LONG = Credentials(ALICE, Secret("x" * 2000))
SCOPES = ("IMAP.AccessAsUser.All", "SMTP.Send")


@dataclass
class Office:
    """An emulator with Exchange, and what is needed to sign in to it."""

    emulator: Emulator
    seed: Seed
    context: ssl.SSLContext

    @property
    def credentials(self) -> Credentials:
        """Alice and a token of hers for Exchange."""
        principal = self.seed.desktop.principal
        assert principal
        now, audience = self.emulator.clock(), EXCHANGE.identifiers[0]
        user = self.seed.user("alice")
        tokens = self.emulator.tokens
        return Credentials(
            ALICE, Secret(tokens.user_token(self.seed.tenant, principal, user, SCOPES, audience, now, "none"))
        )

    @property
    def smtp(self) -> Server:
        assert self.emulator.smtp
        return Server("localhost", self.emulator.smtp[1], self.context, 10)

    @property
    def imap(self) -> Server:
        assert self.emulator.imap
        return Server("localhost", self.emulator.imap[1], self.context, 10)

    async def no_session_left(self) -> None:
        """Until Exchange has no connection any more: one that is left open runs into the time limit of the test."""
        exchange = self.emulator.exchange
        assert exchange is not None
        while exchange._connections or exchange._sessions:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)


@pytest.fixture
async def office(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> AsyncIterator[Office]:
    emulator = Emulator(
        tmp_path / "emulator", certificates=certificates, signing_key=signing_key, witness=recorder, exchange=True
    )
    async with emulator:
        yield Office(emulator, seed(emulator.world), Outbound(emulator.ca_file).ssl_context())


Script = Callable[[bytes], bytes | None]


@dataclass
class Scripted:
    """An SMTP server (STARTTLS) whose `script` answers each line inside TLS; an empty one hangs up, None is silence."""

    tls: ssl.SSLContext
    context: ssl.SSLContext
    script: Script
    heard: list[bytes] = field(default_factory=list)
    port: int = 0
    most: int = 0
    """Connections at the same time."""
    deserted: asyncio.Event = field(default_factory=asyncio.Event)
    """There is no connection now."""
    beginning: tuple[bytes, ...] = (b"220 hello\r\n", b"250-localhost\r\n250 STARTTLS\r\n", b"220 go ahead\r\n")
    """What is said before TLS."""
    clear: list[bytes] = field(default_factory=list)
    """What was heard before TLS."""
    _open: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def server(self) -> Server:
        return Server("localhost", self.port, self.context, 5)

    def say(self, line: bytes) -> None:
        """Say this to the client that came last."""
        self._open[-1].write(line + b"\r\n")

    def hang_up(self) -> None:
        """Drop all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.append(writer)
        self.most = max(self.most, len(self._open))
        self.deserted.clear()
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self._open.remove(writer)
            if not self._open:
                self.deserted.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in self.beginning:
            writer.write(line)
            if b"go ahead" not in line:
                self.clear.append(await reader.readuntil(b"\r\n"))
        await writer.start_tls(self.tls)
        while line := await reader.readline():
            self.heard.append(line.rstrip(b"\r\n"))
            answer = self.script(self.heard[-1])
            if answer is None:
                continue
            if not answer:
                break
            writer.write(answer + b"\r\n")
        writer.transport.abort()


Play = Callable[[Script], Awaitable[Scripted]]


@pytest.fixture
async def play(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Play]:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    context = Outbound(tmp_path / "ca.pem").ssl_context()
    servers: list[asyncio.Server] = []

    async def start(script: Script) -> Scripted:
        made = Scripted(certificates.server_context(), context, script)
        servers.append(await asyncio.start_server(made.talk, "127.0.0.1", 0, limit=1 << 20))
        made.port = servers[-1].sockets[0].getsockname()[1]
        return made

    yield start
    for server in servers:
        server.close()
