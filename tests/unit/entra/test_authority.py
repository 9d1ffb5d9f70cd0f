"""What answers in Entra ID's place may be slow, endless or nonsense: it is never more than "not now"."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import PillarboxError
from pillarbox.core.tls import Outbound
from pillarbox.emulator import Certificates
from pillarbox.entra.authority import Authority, SignInNeeded, TokenRefused, TokenUnavailable, refusal

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def ask(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Callable[[Answer], Awaitable[object]]]:
    """GET something of a server that answers so."""
    authorities: list[Authority] = []
    servers: list[asyncio.Server] = []
    serving: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []
    (tmp_path / "ca.pem").write_bytes(certificates.ca)

    async def asked(answer: Answer) -> object:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.append((asyncio.current_task(), writer))
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)

        server = await asyncio.start_server(serve, "localhost", 0, ssl=certificates.server_context())
        servers.append(server)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        authorities.append(Authority(Cloud(url, url, "", 0, "", 0), Outbound(tmp_path / "ca.pem"), timeout=0.5))
        return await authorities[-1].run(lambda: authorities[-1].session.get(url).json())

    yield asked
    for authority in authorities:
        authority.close()
    for server in servers:
        server.close()
    for task, writer in serving:
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.transport.abort()
    await asyncio.sleep(0)


async def test_an_answer_that_drips_is_given_up(ask: Callable[[Answer], Awaitable[object]]) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises(TokenUnavailable):
        await ask(drip)


async def test_a_header_that_drips_is_given_up(ask: Callable[[Answer], Awaitable[object]]) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"X-Endless: ")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises(TokenUnavailable) as caught:
        await ask(drip)
    assert caught.value.params["reason"] == "no answer in time"


async def test_an_endless_answer_is_given_up_after_a_megabyte(ask: Callable[[Answer], Awaitable[object]]) -> None:
    written = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(HEAD + b"Content-Length: 400000000\r\n\r\n")
        while not writer.is_closing() and written < 400_000_000:
            writer.write(b"x" * 65536)
            written += 65536
            await writer.drain()
            await asyncio.sleep(0)  # a drain that need not wait lets the loop hear of no end

    with pytest.raises(TokenUnavailable):
        await ask(flood)
    assert written < 40_000_000


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({}, TokenUnavailable),
        ({"error": {"code": "x"}}, TokenUnavailable),
        ({"error": 7}, TokenUnavailable),
        ({"error": "temporarily_unavailable"}, TokenUnavailable),
        ({"error": "invalid_client", "error_codes": ["x"]}, TokenRefused),
        ({"error": "invalid_client", "error_codes": 7}, TokenRefused),
        ({"error": "invalid_client", "error_description": ["x"]}, TokenRefused),
        ({"error": "invalid_client", "error_description": " \r\n"}, TokenRefused),
        ({"error": ""}, TokenRefused),
        ({"error": "invalid_grant", "error_description": "AADSTS700082: x", "error_codes": [None]}, SignInNeeded),
    ],
)
def test_every_error_is_one_of_ours(told: dict[str, object], kind: type[PillarboxError]) -> None:
    error = refusal(told, delegated=True)
    assert type(error) is kind
    assert error.sentence


def test_the_number_is_found_in_the_text_where_the_list_is_none() -> None:
    error = refusal({"error": "invalid_client", "error_description": "AADSTS7000215: x", "error_codes": "7"})
    assert isinstance(error, TokenRefused)
    assert (error.number, error.of_credential) == (7000215, True)
