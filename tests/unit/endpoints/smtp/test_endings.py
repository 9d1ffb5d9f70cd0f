"""After whatever way a connection can end, nothing is counted that is not there; under asyncio's loop and uvloop.

Four listeners share one census, as those of a service do. Each client says something, stays in that phase, and then
ends in order, vanishes, or waits for us to end it: by the clock, or by a stop.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from pillarbox.endpoints.smtp.limits import Census, Patience
from pillarbox.endpoints.smtp.peer import Networks
from tests.unit.endpoints.smtp.doors import LOOPS, Client, Door, open_door, trusting
from tests.unit.endpoints.smtp.parts import ENVELOPE, LOGIN, PRINTER, TO_DATA, WRONG_LOGIN

MESSAGE = ENVELOPE + b"DATA\r\nSubject: scan\r\n\r\npage 1\r\n.\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)
VERSION_2 = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, b"\xc0\0\2\x07", b"\xc6\x33\x64\1", 40_000, 25)
UNNAMED = SIGNATURE + struct.pack("!BBH", 0x21, 0, 0)
VERSION_1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"
ELSEWHERE = b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 25\r\n"
HEADERS = (VERSION_1, VERSION_2, LOCAL, UNNAMED, UNKNOWN, ELSEWHERE)

ENDS: dict[str, Callable[[Client], None]] = {
    "closes": lambda client: client.writer.close(),
    "vanishes": Client.vanish,
    "stays": lambda _client: None,
}
SAYS = (
    b"",
    b"EH",
    b"GET / HTTP/1.0\r\n\r\n",
    b"x" * 70_000,
    b"EHLO x\r\n" + WRONG_LOGIN * 3,
    LOGIN,
    LOGIN + ENVELOPE,
    TO_DATA + b"Subject: sc",
    LOGIN + MESSAGE,
    LOGIN + MESSAGE + b"QUIT\r\n",
    LOGIN + b"QUIT\r\nNOOP\r\n",
    b"STARTTLS\r\n",
    b"STARTTLS\r\nEHLO x\r\n",
    LOGIN + b"STARTTLS\r\n",
)
HELLO = bytes.fromhex("160301020001")
"""How a handshake begins."""


def cuts(header: bytes) -> Iterator[bytes]:
    return (header[:length] for length in range(len(header)))


def to_proxies() -> Iterator[bytes]:
    """What a balancer's connection may begin with: whole, cut anywhere, broken."""
    yield from (
        b"",
        b"EHLO printer\r\n",
        b"PROXY TCP4 x\r\n",
        b"PROXY TCP4 192.0.2.7 1 1 1\r\n",
        SIGNATURE + b"\0" * 16,
    )
    for header in HEADERS:
        yield from cuts(header)
        yield from (header + words for words in (b"", LOGIN, LOGIN + MESSAGE, b"\0\0\0"))


async def to_be_told(client: Client) -> None:
    """What the door said first, if anything: so the connection is where it should be."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.05):
            await client.reader.read(1)


class Street:
    """The listeners, and their census."""

    def __init__(self) -> None:
        # Some are one too many, of an address and of a submitter.
        self.census = Census(100, 60, 10)
        self.doors: list[Door] = []

    async def open(self, folder: Path, doors: contextlib.AsyncExitStack) -> None:
        patience = Patience(handshake=0.2)
        here = Networks(["127.0.0.0/8"])
        for options in (
            {},
            {"implicit_tls": True},
            {"proxies": here, "networks": Networks(["192.0.2.0/24", "127.0.0.0/8"])},
            {"proxies": here, "implicit_tls": True, "of_network": {"192.0.2.7": PRINTER}.get},
        ):
            door = await doors.enter_async_context(open_door(folder, census=self.census, patience=patience, **options))
            self.doors.append(door)

    async def crowd(self) -> None:
        """Clients in every phase, that end in every way, side by side."""
        visits = [
            *product(self.doors[:1], SAYS),
            *product(self.doors[1:2], (b"", HELLO, b"GET / HTTP/1.0\r\n\r\n")),
            *product(self.doors[2:3], to_proxies()),
            *product(self.doors[3:], (header + HELLO for header in HEADERS)),
        ]
        plain = [self._visit(door, words, end) for (door, words), end in product(visits, ENDS.values())]
        encrypted = [self._visit_by_tls(words, end) for words, end in product((b"", LOGIN, TO_DATA), ENDS.values())]
        upgraded = [self._visit_by_starttls(words, end) for words, end in product((b"", LOGIN), ENDS.values())]
        visiting = [*plain, *encrypted, *upgraded]
        for some in range(0, len(visiting), 50):
            await asyncio.gather(*visiting[some : some + 50])

    async def _visit(self, door: Door, words: bytes, end: Callable[[Client], None]) -> None:
        client = await door.dial()
        client.send(words)
        await to_be_told(client)
        end(client)

    async def _visit_by_tls(self, words: bytes, end: Callable[[Client], None]) -> None:
        with contextlib.suppress(ConnectionError):  # one too many
            client = await self.doors[1].dial(ssl=trusting())
            client.send(words)
            await to_be_told(client)
            end(client)

    async def _visit_by_starttls(self, words: bytes, end: Callable[[Client], None]) -> None:
        client = await self.doors[0].dial(source="127.0.0.2")
        with contextlib.suppress(ConnectionError):  # not in time
            await client.codes(1)
            await client.start_tls()
            client.send(words)
            await to_be_told(client)
            end(client)

    async def store_all(self, door: Door) -> None:
        while True:
            await door.store()

    def counted(self) -> tuple[int, dict[str, int], dict[str, int]]:
        return self.census._all, self.census._sites, self.census._submitters


async def end_by_the_clock(street: Street) -> None:
    while street.counted() != (0, {}, {}):
        for door in street.doors:
            door.pass_time(10_000)
        await asyncio.get_running_loop().run_in_executor(None, int)


async def end_by_a_stop(street: Street) -> None:
    await asyncio.gather(*(door.listener.stop(grace=0.05) for door in street.doors))


@pytest.mark.parametrize("end", [end_by_the_clock, end_by_a_stop])
@pytest.mark.parametrize("loop", LOOPS)
def test_when_all_have_gone_nobody_is_counted(
    tmp_path: Path, loop: str, end: Callable[[Street], Awaitable[None]]
) -> None:
    async def run() -> None:
        surprises: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: surprises.append(context))
        street = Street()
        async with asyncio.timeout(30), contextlib.AsyncExitStack() as doors:
            await street.open(tmp_path, doors)
            storing = [asyncio.ensure_future(street.store_all(door)) for door in street.doors]
            await street.crowd()
            assert street.counted()[0] > 0
            await end(street)
            assert street.counted() == (0, {}, {})
            assert not any(door.listener._connections for door in street.doors)
            for task in storing:
                task.cancel()
        assert [str(one) for one in surprises] == []

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())
