"""Behind a proxy: tokens and mail both go through it, by the setting or by HTTPS_PROXY, and loopback is left alone."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates
from tests.conftest import House, MakeHouse, Microsoft

NAME = "microsoft.contoso.example"
"""A name that the proxy alone can resolve."""
MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\n\r\nhello\r\n"


@dataclass
class Proxy:
    """A proxy that tunnels every CONNECT to the emulator and remembers what was asked for.

    `answers` are status lines that it gives instead, one to each of the next requests.
    """

    target: tuple[str, int]
    asked: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    url: str = ""
    tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request.split()[1])
        if self.answers and (answer := self.answers.pop(0)):
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            writer.close()
            return
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


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    """The emulator's certificate, also for the name that only the proxy resolves."""
    return Certificates.make(NAME)


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


def _far(microsoft: Microsoft) -> tuple[str, dict[str, str]]:
    """Microsoft under the name that only the proxy resolves: host with port, and the settings for it."""
    host = f"{NAME}:{microsoft.emulator.url.rpartition(':')[2]}"
    return host, {"microsoft.authority_url": f"https://{host}", "microsoft.graph_url": f"https://{host}"}


async def test_https_proxy_of_the_environment_is_used_for_tokens_and_mail(
    make_house: MakeHouse, microsoft: Microsoft, proxy: Proxy
) -> None:
    host, settings = _far(microsoft)
    await _send(await make_house(settings, environ={"HTTPS_PROXY": proxy.url}))
    assert proxy.asked == [host, host]
    assert len(microsoft.emulator.ledger) == 1


async def test_no_proxy_of_the_environment_is_honoured(
    make_house: MakeHouse, microsoft: Microsoft, proxy: Proxy
) -> None:
    environ = {"HTTPS_PROXY": proxy.url, "NO_PROXY": ".contoso.example"}
    house = await make_house(_far(microsoft)[1], environ=environ)
    await house.furnish("scanner@contoso.example")
    row = await house.settled(await house.accept(MAIL, "alice@contoso.example"), "deferred")
    assert proxy.asked == []
    assert NAME in row["reason"]
    (attempt,) = await house.gateway.outbox.attempts(row["seq"])
    assert attempt["code"] == "microsoft.unreachable"


@pytest.mark.parametrize("where", ["Entra ID", "Graph"])
@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
@pytest.mark.parametrize("by", ["setting", "environment"])
async def test_a_proxy_that_refuses_is_named_and_its_password_is_nowhere(
    make_house: MakeHouse, microsoft: Microsoft, proxy: Proxy, tmp_path: Path, where: str, answer: str, by: str
) -> None:
    settings = _far(microsoft)[1]
    url = proxy.url.replace("//", "//squid:pass%2Fword@")
    if by == "setting":
        house = await make_house(settings | {"microsoft.proxy": url})
    else:
        house = await make_house(settings, environ={"HTTPS_PROXY": url})
    await house.furnish("scanner@contoso.example")
    proxy.answers = [answer] if where == "Entra ID" else ["", answer]
    row = await house.settled(await house.accept(MAIL, "alice@contoso.example"), "deferred")
    assert answer.split()[0] in row["reason"]
    written = house.log.getvalue().encode() + repr(dict(row)).encode()
    written += b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir() if file.is_file())
    assert b"microsoft.unreachable" in written
    for secret in (b"pass%2Fword", b"pass/word", b"squid", base64.b64encode(b"squid:pass/word")):
        assert secret not in written
