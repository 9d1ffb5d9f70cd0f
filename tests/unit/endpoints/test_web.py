"""The HTTP listener in its bounds: slow, silent and too many clients are ended, and others are served meanwhile."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from pillarbox.core.tls import ServerTls, self_made_certificate
from pillarbox.endpoints.api.audited import UID
from pillarbox.endpoints.api.local import LocalSocket
from pillarbox.endpoints.smtp.limits import Census
from pillarbox.endpoints.web import HttpListener, HttpTerms
from pillarbox.endpoints.web_connection import Patience

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HASTY = Patience(header=0.1, idle=60, min_rate=500, slow_start=0.1)
"""Looked at each fortieth of a second; what passes is the test's own clock."""

Start = Callable[..., Awaitable[int]]


class Now:
    """The time, which passes when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body whole and answers with its length; to /long with much, which the client need not take.

    To /refused it answers before it has read anything, and at /broken it makes a mistake.
    """
    if scope["path"] == "/broken":
        raise RuntimeError("a mistake")
    size, more = 0, scope["path"] != "/refused"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(2000 if scope["path"] == "/long" else 0):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    await send({"type": "http.response.body", "body": b"%d" % size})


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
async def start(now: Now) -> AsyncIterator[Start]:
    """Start a listener; its port."""
    made: list[HttpListener] = []

    async def begin(terms: HttpTerms | None = None) -> int:
        listener = HttpListener(whole, 1, terms or HttpTerms(patience=HASTY, clock=now))
        made.append(listener)
        _, port = await listener.start("127.0.0.1", 0)
        return port

    yield begin
    for listener in made:
        await listener.stop()


async def answer(port: int, request: bytes = GET, source: str = "127.0.0.1") -> bytes:
    """All that comes back until the other side closes; what we sent asks for that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(request.replace(b"Host: x", b"Host: x\r\nConnection: close"))
    found = await ended(reader)
    writer.close()
    return found


async def half_open(port: int, begun: bytes, source: str = "127.0.0.1") -> asyncio.StreamReader:
    """A connection on which something has begun and does not go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(begun)
    KEPT.append(writer)
    return reader


KEPT: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    yield
    while KEPT:
        writer = KEPT.pop()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other side has ended the connection."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", GET + b"GET / HT"])
async def test_a_header_that_does_not_come_ends_the_connection(start: Start, now: Now, begun: bytes) -> None:
    port = await start(HttpTerms(census=Census(1000, 1, 1000), patience=HASTY, clock=now))
    await half_open(port, begun, source="127.0.0.2")
    while not (await answer(port, source="127.0.0.2")).startswith(b"HTTP/1.1 200"):
        now.seconds += 0.06


async def test_a_body_that_trickles_ends_the_connection(start: Start, now: Now) -> None:
    port = await start()
    reader = await half_open(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + bytes(20))
    # Another client is answered, so what this one sent was read.
    assert (await answer(port)).endswith(b"1\r\n0\r\n0\r\n\r\n")
    now.seconds += 30
    assert await ended(reader) == b""


async def test_a_body_that_comes_in_time_is_taken(start: Start, now: Now) -> None:
    port = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\nConnection: close\r\n\r\n")
    for _ in range(9):
        writer.write(bytes(1000))
        await writer.drain()
        assert (await answer(port)).startswith(b"HTTP/1.1 200")
        now.seconds += 0.09
    assert b"9000" in await reader.read()
    writer.close()


async def test_who_takes_nothing_of_an_answer_is_ended(start: Start, now: Now) -> None:
    port = await start(HttpTerms(census=Census(1000, 1, 1000), patience=HASTY, clock=now))
    reader = await half_open(port, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n", source="127.0.0.2")
    await reader.readexactly(100)
    # While it is there, nobody else is let in from its address.
    while not (await answer(port, source="127.0.0.2")).startswith(b"HTTP/1.1 200"):
        now.seconds += 30


async def test_who_goes_on_sending_what_was_answered_is_ended(start: Start, now: Now) -> None:
    port = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await reader.readuntil(b"0\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    ending = asyncio.create_task(ended(reader))
    # Fast enough for any rate; what is over is found out by writing.
    while not ending.done():
        now.seconds += 1
        assert now.seconds < 2000
        writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        await asyncio.wait([ending], timeout=0.01)
    assert now.seconds > 1060
    writer.close()


async def test_of_a_mistake_nothing_is_printed_past_the_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    assert (await answer(await start(), GET.replace(b"/", b"/broken", 1))).startswith(b"HTTP/1.1 500 ")
    assert not caplog.records


async def test_many_half_open_connections_keep_nobody_else_out(start: Start) -> None:
    port = await start(HttpTerms(census=Census(1000, 20, 1000)))
    for _ in range(200):
        await half_open(port, b"GET / HTTP/1.1\r\n", source="127.0.0.2")
    async with asyncio.timeout(1):
        assert (await answer(port)).startswith(b"HTTP/1.1 200")


async def test_one_address_has_so_many_connections_and_is_told_so(start: Start) -> None:
    port = await start(HttpTerms(census=Census(1000, 2, 1000)))
    for _ in range(2):
        await half_open(port, b"GET / HTTP/1.1\r\n")
    reader = await half_open(port, b"")
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")


async def test_a_trusted_proxy_brings_many_clients(start: Start) -> None:
    port = await start(HttpTerms(census=Census(1000, 2, 1000), trusts=lambda address: address == "127.0.0.1"))
    for _ in range(5):
        await half_open(port, b"GET / HTTP/1.1\r\n")
    assert (await answer(port)).startswith(b"HTTP/1.1 200")


async def test_connections_that_are_over_count_no_more(start: Start) -> None:
    port = await start(HttpTerms(census=Census(1000, 1, 1000)))
    for _ in range(20):
        # Our end may be seen by us before it is by the listener.
        while not (found := await answer(port)).startswith(b"HTTP/1.1 200"):
            assert found.startswith(b"HTTP/1.1 503 ")


async def test_of_the_local_socket_the_user_is_known(tmp_path: Path) -> None:
    async def who(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"uid=%d" % scope[UID]})

    path = tmp_path / "api.sock"
    local = LocalSocket(who, path, 1)
    await local.start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(GET)
    await reader.readuntil(b"uid=%d" % os.getuid())
    writer.close()
    await local.stop()


async def test_what_is_no_http_is_answered_as_a_problem(start: Start) -> None:
    found = await answer(await start(), b"\0nonsense\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in found


async def test_a_body_that_cannot_be_read_has_one_answer_and_is_no_mistake_of_ours() -> None:
    mistakes: list[Exception] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await whole(scope, receive, send)
        except Exception as error:
            mistakes.append(error)

    listener = HttpListener(watched, 1)
    _, port = await listener.start("127.0.0.1", 0)
    for path in (b"/refused", b"/"):
        begun = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n" % path
        found = await answer(port, begun)
        assert (found[:13], found.count(b"HTTP/1.1 ")) == (b"HTTP/1.1 400 ", 1)
    await listener.stop()
    assert mistakes == []


async def test_a_header_without_an_end_is_not_kept(start: Start) -> None:
    found = await ended(await half_open(await start(), b"GET / HTTP/1.1\r\nX: " + bytes(b"a" * 400_000)))
    assert found.startswith(b"HTTP/1.1 400 ") or found == b""


def by_tls(folder: Path, **more: Any) -> HttpTerms:
    files = self_made_certificate(folder, "localhost", 1_795_176_000.0)

    def broken(error: Exception) -> None:
        raise error

    return HttpTerms(tls=ServerTls(files, clock=lambda: 0.0, broken=broken).context, **more)


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"])
async def test_a_tls_handshake_that_does_not_come_counts_and_ends(start: Start, tmp_path: Path, begun: bytes) -> None:
    port = await start(by_tls(tmp_path, census=Census(1000, 1, 1000), patience=Patience(header=0.3)))
    first, second = await half_open(port, begun), await half_open(port, b"")
    assert (await ended(second), await ended(first)) == (b"", b"")


async def test_who_speaks_plain_http_where_tls_is_spoken_is_answered_so(start: Start, tmp_path: Path) -> None:
    port = await start(by_tls(tmp_path))
    assert (await answer(port)).startswith(b"HTTP/1.1 200 ")


async def test_who_leaves_before_a_word_is_counted_out(start: Start, tmp_path: Path) -> None:
    port = await start(by_tls(tmp_path, census=Census(1000, 1, 1000)))
    for _ in range(20):
        (await asyncio.open_connection("127.0.0.1", port))[1].close()
    while not (await answer(port)).startswith(b"HTTP/1.1 200 "):
        pass
