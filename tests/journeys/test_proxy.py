"""Behind a proxy: tokens and mail both go through it, by the setting or by HTTPS_PROXY, and loopback is left alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.conftest import House, MakeHouse, Microsoft

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\n\r\nhello\r\n"


@dataclass
class Proxy:
    """A proxy that tunnels every CONNECT to the emulator and remembers what was asked for."""

    target: tuple[str, int]
    asked: list[str] = field(default_factory=list)
    url: str = ""
    tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request.split()[1])
        upstream_reader, upstream_writer = await asyncio.open_connection(*self.target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for source, sink in ((reader, upstream_writer), (upstream_reader, writer)):
            self.tunnels.add(asyncio.create_task(_pump(source, sink)))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
    except ConnectionError:
        pass
    finally:
        sink.close()


@pytest.fixture
async def proxy(microsoft: Microsoft) -> AsyncIterator[Proxy]:
    """A proxy in front of the emulator."""
    made = Proxy(("127.0.0.1", int(microsoft.emulator.url.rpartition(":")[2])))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    for tunnel in made.tunnels:
        tunnel.cancel()
    await asyncio.gather(*made.tunnels, return_exceptions=True)


async def _send(house: House) -> None:
    await house.furnish("scanner@contoso.example")
    await house.settled(await house.accept(MAIL, "alice@contoso.example"))


async def test_the_setting_sends_tokens_and_mail_through_the_proxy(make_house: MakeHouse, proxy: Proxy) -> None:
    house = await make_house({"microsoft.proxy": proxy.url})
    await _send(house)
    host = house.microsoft.emulator.url.removeprefix("https://")
    assert proxy.asked == [host, host]


async def test_https_proxy_of_the_environment_leaves_loopback_alone(make_house: MakeHouse, proxy: Proxy) -> None:
    await _send(await make_house(environ={"HTTPS_PROXY": proxy.url}))
    assert proxy.asked == []
