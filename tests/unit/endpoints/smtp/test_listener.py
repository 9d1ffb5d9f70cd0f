"""The listener with real sockets, each journey under asyncio's loop and under uvloop."""

import asyncio
import base64
import gc
import logging.handlers
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from pillarbox.core import tls
from pillarbox.core.accounts import Submitter
from pillarbox.core.content import Content
from pillarbox.core.errors import AuthenticationFailed, Unavailable
from pillarbox.core.log import make_logger
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret
from pillarbox.endpoints.smtp.listener import Connection, Listener, Services
from tests.conftest import Log, MakeHouse
from tests.unit.endpoints.smtp.parts import ENVELOPE, LOGIN, PRINTER, TO_DATA, rules

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
MESSAGE = ENVELOPE + b"DATA\r\nSubject: scan\r\n\r\npage 1\r\n.\r\n"


# ---- the door and its clients


@dataclass
class Handed:
    """A message that the door handed in, and waits for the answer."""

    mime: bytes
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

    def vanish(self) -> None:
        """Reset the connection, as when the machine is switched off."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Door:
    """A listener, what it hands in, and its log."""

    services: Services
    log: Log
    handed: "asyncio.Queue[Handed]"
    listener: Listener
    address: tuple[str, int] = ("", 0)
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection(*self.address))
        self.clients.append(client)
        assert await client.codes(1) == [220]
        return client

    async def come_round(self) -> None:
        """The loop has looked at all sockets since."""
        other = await self.client()
        for _ in range(3):
            assert await other.ask(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"


async def authenticate(name: str, password: Secret) -> Submitter:
    if (name, password) != ("printer", Secret("secret")):
        raise AuthenticationFailed("submitter.wrong_password")
    return PRINTER


def make_services(folder: Path, timeout: float, handed: "asyncio.Queue[Handed]", log: Log) -> Services:
    async def accept(_envelope: Envelope, content: Content, _submitter: Submitter) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        handed.put_nowait(Handed(b"".join(content.pieces()), answer))
        return await answer

    context = tls.server_context(*tls.self_made_certificate(folder, "localhost", 1_800_000_000))
    return Services(authenticate, accept, context, make_logger(log, "debug", "text", lambda: 0.0), timeout)


@asynccontextmanager
async def open_door(folder: Path, patience: float) -> AsyncIterator[Door]:
    handed: asyncio.Queue[Handed] = asyncio.Queue()
    log = Log()
    services = make_services(folder, patience, handed, log)
    door = Door(services, log, handed, Listener(rules(max_size=1_000_000), services))
    door.address = await door.listener.start("127.0.0.1", 0)
    try:
        yield door
    finally:
        for client in door.clients:
            client.writer.close()
        await door.listener.stop(grace=0.0)


def on_both_loops(timeout: float = 300) -> Callable[[Callable[[Door], Awaitable[None]]], Callable[..., None]]:
    """Make a test of a journey; the door lets clients be silent for `timeout` seconds."""

    def decorate(journey: Callable[[Door], Awaitable[None]]) -> Callable[..., None]:
        async def run(folder: Path) -> None:
            surprises: list[dict[str, object]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: surprises.append(context))
            async with asyncio.timeout(30), open_door(folder, timeout) as door:
                await journey(door)
            gc.collect()  # so that a task that failed is heard of
            assert surprises == []

        @pytest.mark.parametrize("loop", LOOPS)
        def test(tmp_path: Path, loop: str) -> None:
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                runner.run(run(tmp_path))

        return test

    return decorate


async def answer(door: Door, queue_id: str = "ID") -> bytes:
    """Let the next message be stored; its bytes."""
    handed = await door.handed.get()
    handed.answer.set_result(queue_id)
    return handed.mime


# ---- replies


@on_both_loops()
async def test_pipelined_transactions_get_all_replies_in_order(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n", MESSAGE, b"VRFY x\r\nQUIT\r\n")
    await answer(door, "FIRST")
    await answer(door, "SECOND")
    replies = (await client.reader.read()).splitlines()[8:]
    assert [int(line[:3]) for line in replies] == [235, 250, 250, 354, 250, 250, 250, 250, 354, 250, 252, 221]
    assert [line for line in replies if b"queued" in line] == [
        b"250 2.0.0 queued as FIRST",
        b"250 2.0.0 queued as SECOND",
    ]


@on_both_loops()
async def test_250_comes_only_after_the_message_is_durable(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n.\r\n")
    reply = asyncio.ensure_future(client.reply())
    handed = await door.handed.get()
    await door.come_round()
    assert not reply.done()
    handed.answer.set_result("ID")
    assert await reply == b"250 2.0.0 queued as ID\r\n"


@on_both_loops()
async def test_unexpected_error_is_451_and_the_connection_lives(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n.\r\n")
    (await door.handed.get()).answer.set_exception(ZeroDivisionError("an oversight"))
    assert (await client.reply())[:10] == b"451 4.3.0 "
    assert "an oversight" in "".join(door.log.lines("unexpected"))
    client.send(MESSAGE)
    await answer(door)
    assert await client.codes(4) == [250, 250, 354, 250]


@on_both_loops()
async def test_refusals_are_logged_in_one_line_without_the_password(door: Door) -> None:
    client = await door.client()
    await client.ask(b"EHLO x\r\n")
    await client.ask(b"AUTH LOGIN YQpldmVudD1mYWtlIA==\r\n")  # "a\nevent=fake "
    assert (await client.ask(b"aHVudGVyMg==\r\n"))[:9] == b"535 5.7.8"  # hunter2
    (line,) = door.log.lines("smtp.refused")
    assert "peer=127.0.0.1" in line
    assert 'reply="535 5.7.8"' in line
    assert len(door.log.getvalue().splitlines()) == 1
    assert "hunter2" not in door.log.getvalue()


@on_both_loops()
async def test_store_that_cannot_take_it_now(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b".\r\n")
    (await door.handed.get()).answer.set_exception(Unavailable("store.full"))
    assert await client.reply() == b"452 4.3.1 The disk of the store is full.\r\n"
    assert len(door.log.lines("smtp.refused")) == 1


# ---- clients that vanish, send ahead, do not read


@on_both_loops()
async def test_client_that_vanishes_before_the_reply_hands_in_nothing_more(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, MESSAGE)
    handed = await door.handed.get()
    client.vanish()
    await door.come_round()
    handed.answer.set_result("ID")
    await door.come_round()
    assert door.handed.empty()


@on_both_loops()
async def test_client_that_vanishes_within_data_hands_in_nothing(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b"x\r\n")
    client.vanish()
    await door.come_round()
    assert door.handed.empty()


@on_both_loops()
async def test_client_that_sends_no_more_gets_what_was_promised(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    client.send(b".\r\n", ENVELOPE)
    client.writer.write_eof()
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert [line[:3] for line in (await client.reader.read()).splitlines()] == [b"250", b"250", b"250"]


@on_both_loops()
async def test_commands_far_ahead_wait_and_none_is_lost(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 100_000, b"QUIT\r\n")
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert (await client.reader.read()).count(b"250 2.0.0 OK\r\n") == 100_000


@on_both_loops()
async def test_quit_far_ahead_closes(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 11_000, b"QUIT\r\n" * 100)
    handed = await door.handed.get()
    await door.come_round()
    handed.answer.set_result("ID")
    assert (await client.reader.read()).endswith(b"\r\n221 2.0.0 Bye\r\n")


@on_both_loops()
async def test_replies_that_are_read_late_are_all_there(door: Door) -> None:
    client = await door.client()
    client.send(b"NOOP\r\n" * 300_000, b"QUIT\r\n")
    await door.come_round()
    assert (await client.reader.read()).count(b"250 2.0.0 OK\r\n") == 300_000


@on_both_loops()
async def test_hundred_clients_at_once(door: Door) -> None:
    async def submit() -> bytes:
        client = await door.client()
        await client.to_data()
        client.send(b"x\r\n.\r\n")
        return await client.reply()

    replies, _ = await asyncio.gather(
        asyncio.gather(*[submit() for _ in range(100)]), asyncio.gather(*[answer(door) for _ in range(100)])
    )
    assert replies == [b"250 2.0.0 queued as ID\r\n"] * 100


# ---- silence and the end


@on_both_loops(timeout=0.1)
async def test_silent_client_is_told_and_disconnected(door: Door) -> None:
    client = await door.client()
    assert await client.reader.read() == b"421 4.4.2 Time-out, closing connection\r\n"


@on_both_loops(timeout=0.1)
async def test_silence_counts_within_data_too(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    assert (await client.reader.read())[:9] == b"421 4.4.2"
    assert door.handed.empty()


@on_both_loops(timeout=0.3)
async def test_client_that_waits_for_us_is_not_silent(door: Door) -> None:
    client = await door.client()
    client.send(LOGIN, MESSAGE)
    handed = await door.handed.get()
    for _ in range(2):
        await (await door.client()).reader.read()  # another client's whole time
    handed.answer.set_result("ID")
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    assert await client.ask(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"


@on_both_loops()
async def test_stop_lets_a_message_finish_and_ends_the_idle(door: Door) -> None:
    idle, busy = await door.client(), await door.client()
    await busy.to_data()
    stopping = asyncio.ensure_future(door.listener.stop(grace=60))
    assert await idle.reader.read() == b"421 4.3.2 Service is stopping, closing connection\r\n"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*door.address)
    busy.send(b"x\r\n.\r\n")
    await answer(door)
    assert [line[:9] for line in (await busy.reader.read()).splitlines()] == [b"250 2.0.0", b"421 4.3.2"]
    await stopping


@on_both_loops()
async def test_stop_does_not_wait_for_ever(door: Door) -> None:
    client = await door.client()
    await client.to_data()
    await door.listener.stop(grace=0.05)
    with pytest.raises((ConnectionResetError, EOFError)):
        await client.reader.readexactly(1)


# ---- TLS


def handshake(sock: socket.socket, first: bytes) -> ssl.SSLObject:
    """A TLS client whose first command travels with the last bytes of the handshake; on a blocking socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing)
    while True:
        try:
            peer.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    peer.write(first)
    sock.sendall(outgoing.read())
    while True:
        try:
            assert peer.read().startswith(b"250-")
            return peer
        except ssl.SSLWantReadError:
            incoming.write(sock.recv(65536) or pytest.fail("the connection was closed"))


@on_both_loops()
async def test_first_command_may_come_with_the_end_of_the_handshake(door: Door) -> None:
    def talk() -> None:
        with socket.create_connection(door.address, timeout=10) as sock, sock.makefile("rb") as replies:
            replies.readline()
            sock.sendall(b"STARTTLS\r\n")
            assert replies.readline()[:3] == b"220"
            handshake(sock, b"EHLO printer\r\n")

    await asyncio.to_thread(talk)


async def start_tls(door: Door, client: Client) -> None:
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    await client.writer.start_tls(context)


@on_both_loops()
async def test_transaction_behind_tls(door: Door) -> None:
    client = await door.client()
    await start_tls(door, client)
    client.send(LOGIN, MESSAGE, b"NOOP\r\n" * 100_000)
    await answer(door)
    assert await client.codes(6) == [250, 235, 250, 250, 354, 250]
    assert await client.codes(100_000) == [250] * 100_000


@on_both_loops()
async def test_client_that_ends_tls_before_the_reply_is_no_surprise(door: Door) -> None:
    surprises = logging.handlers.BufferingHandler(100)
    logging.getLogger("asyncio").addHandler(surprises)
    client = await door.client()
    await start_tls(door, client)
    client.send(LOGIN, MESSAGE)
    handed = await door.handed.get()
    client.writer.close()
    await door.come_round()
    handed.answer.set_result("ID")
    await door.come_round()
    logging.getLogger("asyncio").removeHandler(surprises)
    assert surprises.buffer == []


@on_both_loops()
async def test_client_that_vanishes_in_the_handshake_leaves_nothing_behind(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    client.vanish()
    await door.come_round()
    for other in door.clients:
        other.writer.close()
    await asyncio.wait_for(door.listener.stop(grace=60), 10)


@on_both_loops()
async def test_what_is_no_handshake_closes_and_is_logged(door: Door) -> None:
    client = await door.client()
    assert (await client.ask(b"STARTTLS\r\n"))[:3] == b"220"
    client.send(b"EHLO printer\r\n")
    await door.log.next()
    assert "command=STARTTLS" in door.log.lines("smtp.refused")[0]
    await asyncio.wait_for(door.listener.stop(grace=60), 10)


# ---- what a socket's buffers hide


class Wire(asyncio.Transport):
    """A transport whose client takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = True
        self.closed = asyncio.Event()
        self.written = bytearray()
        self.aborted = asyncio.Event()

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.aborted.set()


def connect(folder: Path, timeout: float = 300) -> tuple[Connection, Wire, "asyncio.Queue[Handed]"]:
    handed: asyncio.Queue[Handed] = asyncio.Queue()
    connection = Connection(rules(), make_services(folder, timeout, handed, Log()), set())
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire, handed


async def test_client_that_takes_no_replies_is_not_read(tmp_path: Path) -> None:
    connection, wire, _ = connect(tmp_path)
    connection.pause_writing()
    assert not wire.is_reading()
    connection.data_received(b"NOOP\r\n")
    assert not wire.is_reading()
    connection.resume_writing()
    assert wire.is_reading()
    connection.connection_lost(None)


async def test_client_that_is_far_ahead_is_not_read_until_its_message_is_stored(tmp_path: Path) -> None:
    connection, wire, handed = connect(tmp_path)
    connection.data_received(LOGIN + MESSAGE)
    message = await handed.get()
    connection.data_received(b"NOOP\r\n" * 10_000)
    assert wire.is_reading()
    connection.data_received(b"NOOP\r\n" * 1_000)
    assert not wire.is_reading()
    message.answer.set_result("ID")
    await until(lambda: wire.is_reading())
    connection.connection_lost(None)


async def test_clear_text_that_overtakes_the_handshake_cuts(tmp_path: Path) -> None:
    connection, wire, _ = connect(tmp_path)
    connection.data_received(b"STARTTLS\r\n")
    assert not wire.is_reading()
    connection.data_received(b"EHLO intruder\r\n")
    await wire.aborted.wait()
    connection.connection_lost(None)


async def pass_time(folder: Path, seconds: float) -> None:
    """As long as a silent client is borne that bears `seconds`."""
    connection, wire, _ = connect(folder, timeout=seconds)
    await wire.closed.wait()
    connection.connection_lost(None)


async def time_until_closed(wire: Wire) -> float:
    assert not wire.closed.is_set()
    began = asyncio.get_running_loop().time()
    await wire.closed.wait()
    return asyncio.get_running_loop().time() - began


async def test_silence_counts_from_the_last_bytes(tmp_path: Path) -> None:
    connection, wire, _ = connect(tmp_path, timeout=0.4)
    await pass_time(tmp_path, 0.2)
    connection.data_received(b"NOOP\r\n")
    assert await time_until_closed(wire) > 0.39
    connection.connection_lost(None)


async def test_silence_counts_from_our_last_reply(tmp_path: Path) -> None:
    connection, wire, handed = connect(tmp_path, timeout=0.2)
    connection.data_received(LOGIN + MESSAGE)
    message = await handed.get()
    await pass_time(tmp_path, 0.3)
    message.answer.set_result("ID")
    assert await time_until_closed(wire) > 0.19
    connection.connection_lost(None)


async def test_client_that_never_takes_the_last_reply_is_cut(tmp_path: Path) -> None:
    connection, wire, _ = connect(tmp_path, timeout=0.05)
    connection.data_received(b"QUIT\r\n")
    assert wire.closed.is_set()
    assert not wire.aborted.is_set()
    await wire.aborted.wait()
    connection.connection_lost(None)


async def test_stop_behind_quit_adds_nothing(tmp_path: Path) -> None:
    connection, wire, _ = connect(tmp_path)
    connection.data_received(b"QUIT\r\n")
    connection.stop()
    assert wire.written.endswith(b"\r\n221 2.0.0 Bye\r\n")
    connection.connection_lost(None)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until this is so."""
    while not condition():
        await asyncio.get_running_loop().run_in_executor(None, int)


# ---- the store behind it


async def test_full_disk_is_452_and_the_connection_lives(make_house: MakeHouse) -> None:
    house = await make_house(max_pages=100)
    await house.furnish("scanner@contoso.example")
    plain = base64.b64encode(f"\0printer\0{house.passwords['printer']}".encode())
    client = Client(*await asyncio.open_connection(*house.smtp))
    client.send(b"EHLO x\r\nAUTH PLAIN " + plain + b"\r\n", ENVELOPE, b"DATA\r\n\r\n" + b"x" * 1_000_000 + b"\r\n.\r\n")
    assert await client.codes(6) == [220, 250, 235, 250, 250, 354]
    assert await client.reply() == b"452 4.3.1 The disk of the store is full.\r\n"
    client.send(MESSAGE)
    assert await client.codes(4) == [250, 250, 354, 250]
    assert await house.gateway.outbox.count() != {}
    client.writer.close()
