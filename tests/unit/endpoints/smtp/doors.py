"""Listeners with real sockets: what they hand in, their log and clock, and clients of theirs."""

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pillarbox.core.accounts import Login, Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.core.log import make_logger
from pillarbox.core.mail import Arrival, Envelope
from pillarbox.core.tls import self_made_certificate, server_context
from pillarbox.core.vault import Secret
from pillarbox.delivery.window import Handover
from pillarbox.endpoints.smtp.connection import Services, Terms
from pillarbox.endpoints.smtp.limits import Census, Discretion, Patience
from pillarbox.endpoints.smtp.listener import Listener
from pillarbox.endpoints.smtp.peer import NO_NETWORKS, Networks
from pillarbox.endpoints.smtp.rules import Limits, Rules
from tests.conftest import Log
from tests.unit.endpoints.smtp.parts import PRINTER, TO_DATA, rules

TALKATIVE = Limits(idle_commands=10**6)
"""For tests that say NOOP until buffers are full."""
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """What stands behind a handover, to see what it was told."""

    def __init__(self) -> None:
        self.heard = False

    def _forget(self, _entry: object) -> None:
        self.heard = True


@dataclass
class Handed:
    """A message that the door handed in, and waits for the answer."""

    mime: bytes
    content: Content
    submitter: Submitter
    arrival: Arrival
    handover: Handover
    told: Told
    answer: "asyncio.Future[str]"


class Client:
    """A client on a real socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *texts: bytes) -> None:
        self.writer.write(b"".join(texts))

    async def line(self) -> bytes:
        return await self.reader.readline()

    async def reply(self) -> bytes:
        """The last line of the next reply."""
        while (line := await self.line())[3:4] == b"-":
            pass
        return line

    async def codes(self, count: int) -> list[int]:
        return [int((await self.reply())[:3]) for _ in range(count)]

    async def ask(self, text: bytes) -> bytes:
        self.send(text)
        return await self.reply()

    async def to_data(self) -> None:
        self.send(TO_DATA)
        assert await self.codes(5) == [250, 235, 250, 250, 354]

    async def start_tls(self) -> None:
        assert (await self.ask(b"STARTTLS\r\n"))[:3] == b"220"
        await self.writer.start_tls(trusting())

    async def rest(self) -> bytes:
        """All that comes until the end, also where the end is a reset."""
        said = b""
        try:
            while piece := await self.reader.read(65536):
                said += piece
        except ConnectionError:
            pass
        return said

    def acknowledge(self) -> None:
        """Have its TCP acknowledge what came now, and not some milliseconds later."""
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def vanish(self) -> None:
        """Reset the connection, as when the machine is switched off."""
        # uvloop has no socket any more where the other end has gone first.
        if connection := self.writer.get_extra_info("socket"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def trusting() -> ssl.SSLContext:
    """A client's context that believes everything."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def authenticate(login: Login) -> Submitter:
    if (login.name, login.secret) != ("printer", Secret("secret")):
        raise AuthenticationFailed("submitter.wrong_password")
    return PRINTER


@dataclass
class Door:
    """A listener, what it hands in, its log and its clock."""

    folder: Path
    listener: Listener
    log: Log
    clock: Clock
    handed: "asyncio.Queue[Handed]"
    address: tuple[str, int] = ("", 0)
    clients: list[Client] = field(default_factory=list)

    async def dial(self, *, ssl: ssl.SSLContext | None = None, source: str = "") -> Client:
        """A client that has not read the greeting."""
        here = (source, 0) if source else None
        client = Client(*await asyncio.open_connection(*self.address, ssl=ssl, local_addr=here))
        self.clients.append(client)
        return client

    async def client(self) -> Client:
        client = await self.dial()
        assert await client.codes(1) == [220]
        return client

    async def come_round(self) -> None:
        """The loop has looked at all sockets since."""
        other = await self.client()
        for _ in range(3):
            assert await other.ask(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"

    def pass_time(self, seconds: float) -> None:
        """Move the clock on, and have the clients looked at."""
        self.clock.now += seconds
        self.listener.look_at_clock()

    async def store(self, queue_id: str = "ID") -> Handed:
        """Let the next message be stored."""
        handed = await self.handed.get()
        handed.answer.set_result(queue_id)
        return handed


def services(log: Log, clock: Clock, handed: "asyncio.Queue[Handed]", **changed: Any) -> Services:
    async def accept(
        envelope: Envelope, content: Content, submitter: Submitter, *, arrival: Arrival, handover: Handover
    ) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        mime, told = b"".join(content.pieces()), Told()
        handover._belongs_to(told, None)  # type: ignore[arg-type]
        handed.put_nowait(Handed(mime, content, submitter, arrival, handover, told, answer))
        return await answer

    given: dict[str, Any] = {
        "authenticate": authenticate,
        "accept": accept,
        "of_network": lambda _peer: None,
        "of_unix": lambda _uid: None,
        "is_banned": lambda _peer: False,
        "log": make_logger(log, "debug", "text", lambda: 0.0),
        "clock": clock,
    }
    return Services(**given | changed)


def terms(
    folder: Path,
    of: Services,
    *,
    given: Rules | None = None,
    most: tuple[int, int, int] = (1000, 1000, 1000),
    census: Census | None = None,
    patience: Patience | None = None,
    door: str = "smtp",
    implicit_tls: bool = False,
    tls: Callable[[], ssl.SSLContext] | None = None,
    networks: Networks = NO_NETWORKS,
    proxies: Networks = NO_NETWORKS,
    received: bool = False,
) -> Terms:
    context = server_context(*self_made_certificate(folder, "localhost", 1_800_000_000))
    return Terms(
        name="first",
        rules=given or rules(max_size=1_000_000, limits=TALKATIVE),
        services=of,
        census=census or Census(*most),
        discretion=Discretion(),
        patience=patience or Patience(),
        door=door,
        tls=tls or (lambda: context),
        implicit_tls=implicit_tls,
        networks=networks,
        proxies=proxies,
        received=received,
    )


def make_door(folder: Path, options: dict[str, Any]) -> Door:
    """A door that does not listen yet; options of `services` and of `terms`."""
    handed: asyncio.Queue[Handed] = asyncio.Queue()
    log, clock = Log(), Clock()
    of = {key: options[key] for key in options.keys() & set(Services.__dataclass_fields__)}
    rest = {key: value for key, value in options.items() if key not in of}
    listener = Listener(terms(folder, services(log, clock, handed, **of), **rest))
    return Door(folder, listener, log, clock, handed)


@asynccontextmanager
async def open_door(folder: Path, **options: Any) -> AsyncIterator[Door]:
    """A door that listens at a free port of 127.0.0.1."""
    door = make_door(folder, options)
    door.address = await door.listener.start("127.0.0.1", 0)
    try:
        yield door
    finally:
        for client in door.clients:
            client.writer.close()
        await door.listener.stop(grace=0.0)


Journey = Callable[[Door], Awaitable[None]]


def on_both_loops(**options: Any) -> Callable[[Journey], Callable[..., None]]:
    """Make a test of a journey, under asyncio's loop and under uvloop; nothing may reach the loop's last handler."""

    def decorate(journey: Journey) -> Callable[..., None]:
        async def run(folder: Path) -> None:
            surprises: list[dict[str, object]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: surprises.append(context))
            async with asyncio.timeout(30), open_door(folder, **options) as door:
                await journey(door)
            gc.collect()  # so that a task that failed is heard of
            assert [str(one) for one in surprises] == []

        @pytest.mark.parametrize("loop", LOOPS)
        def test(tmp_path: Path, loop: str) -> None:
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                runner.run(run(tmp_path))

        return test

    return decorate
