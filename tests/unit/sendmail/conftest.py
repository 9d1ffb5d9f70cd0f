"""The program, and a service that says what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.sendmail.program import Program

GREETING = "220 gateway.contoso.example ESMTP Pillarbox <ops@contoso.example>"
EHLO = "250-gateway.contoso.example\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 PIPELINING"
HANG_UP = ""
"""As a reply: end the connection instead."""


@dataclass
class FakeService:
    """A service at a Unix socket: one list of commands and one message for each connection, unstuffed by nobody."""

    path: Path
    replies: dict[str, str] = field(default_factory=dict)
    """The reply to a command that begins so, `.` for the message, `greeting`; else it says yes."""
    commands: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=1 << 26)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(reply: str) -> bool:
            writer.write(f"{reply}\r\n".encode() if reply else b"")
            return bool(reply)

        going = say(self.replies.get("greeting", GREETING))
        while going and (line := await reader.readline()):
            command = line.decode("utf-8", "surrogateescape").rstrip()
            self.commands.append(command)
            going = say(self._reply(command)) and command != "QUIT"
            if command == "DATA" and self._reply(command).startswith("354"):
                self.data.append((await reader.readuntil(b"\r\n.\r\n"))[:-3])
                going = say(self.replies.get(".", "250 2.0.0 queued as 0123456789ABCDEF"))

    def _reply(self, command: str) -> str:
        given = [reply for begin, reply in self.replies.items() if command.startswith(begin)]
        usual = {"EHLO": EHLO, "DATA": "354 go", "QUIT": "221 2.0.0 bye"}.get(command.split(" ")[0], "250 2.0.0 OK")
        return given[0] if given else usual


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program; its service does not run."""
    return Program(tmp_path)


MakeService = Callable[..., Awaitable[FakeService]]


@pytest.fixture
async def make_service(program: Program) -> AsyncIterator[MakeService]:
    """Start a service with these replies."""
    made: list[FakeService] = []

    async def make(replies: dict[str, str] | None = None) -> FakeService:
        service = FakeService(program.socket, replies or {})
        await service.start()
        made.append(service)
        return service

    yield make
    for service in made:
        await service.stop()


@pytest.fixture
async def service(make_service: MakeService) -> FakeService:
    """A service that takes everything."""
    return await make_service()
