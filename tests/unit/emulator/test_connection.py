"""What is no HTTP: the page that Windows' http.sys sends, in an answer that ends the connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey


async def speak(emulator: Emulator, request: bytes) -> str:
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    port = int(emulator.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(request)
        return (await reader.read()).decode()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (b"G@T / HTTP/1.1\r\n\r\n", "HTTP Error 400. The request is badly formed."),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000, "HTTP Error 400. The size of the request headers is"),
    ],
)
async def test_what_is_no_http_gets_a_page(emulator: Emulator, request_: bytes, text: str) -> None:
    answer = await speak(emulator, request_)
    assert " 400 Bad Request\r\n" in answer
    assert "Content-Type: text/html; charset=us-ascii" in answer
    assert text in answer
    assert "aaaa" not in answer


@pytest.mark.parametrize("ident", ["a%0d%0aX-Injected:%20b", "%C3%BC", "%00"])
async def test_a_request_id_that_fits_no_header_is_passed_over(emulator: Emulator, ident: str) -> None:
    request = f"GET /v1.0/me?client-request-id={ident} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await speak(emulator, request.encode())
    assert answer.startswith("HTTP/1.1 401 ")
    assert "X-Injected" not in answer


async def test_a_compressed_body_is_not_unpacked(emulator: Emulator) -> None:
    head = b"POST /v1.0/me/sendMail HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
    answer = await speak(emulator, head + b"Content-Length: 3\r\n\r\nabc")
    assert answer.startswith("HTTP/1.1 401 ")


@pytest.fixture
async def hasty(tmp_path: Path, certificates: Certificates, signing_key: SigningKey) -> AsyncIterator[Emulator]:
    """An emulator that waits for hardly a moment."""
    running = Emulator(tmp_path / "hasty", certificates=certificates, signing_key=signing_key, read_timeout=0.05)
    async with running:
        yield running


BODY = b"POST /t/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\n"
FORM = BODY + b"Content-Type: application/x-www-form-urlencoded\r\n"
WHOLE = b"GET /_emulator/ready HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"G",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        FORM + b"Content-Length: 20\r\n\r\ngrant_type=",
        FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_half_a_request_is_408_and_the_end(
    hasty: Emulator, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await speak(hasty, request_)
    assert answer.startswith("HTTP/1.1 408 Request Timeout\r\n")
    assert "HTTP Error 408. The request timed out." in answer
    assert "connection: close" in answer.lower()
    assert caplog.text == ""


async def test_a_connection_without_a_request_ends_without_a_word(hasty: Emulator) -> None:
    assert await speak(hasty, b"") == ""


async def test_half_a_second_request_is_408_too(hasty: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(hasty.ca_file))
    reader, writer = await asyncio.open_connection("localhost", int(hasty.url.rpartition(":")[2]), ssl=context)
    writer.write(WHOLE)
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    writer.write(b"GET /")
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_connection_is_kept_between_requests_for_longer(hasty: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(hasty.ca_file))
    reader, writer = await asyncio.open_connection("localhost", int(hasty.url.rpartition(":")[2]), ssl=context)
    for _ in range(2):
        writer.write(WHOLE)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
    writer.close()


async def test_an_answer_may_take_longer_than_a_request(hasty: Emulator) -> None:
    hasty.faults.add(path="/v1.0", delay=0.1)
    answer = await speak(hasty, b"GET /v1.0/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 401 ")


async def test_who_waits_to_be_let_on_is_let_on(emulator: Emulator) -> None:
    """As curl does before a large body (RFC 9110 section 10.1.1)."""
    context = ssl.create_default_context(cafile=str(emulator.ca_file))
    port = int(emulator.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    head = b"POST /v1.0/me/sendMail HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
    writer.write(head + b"Content-Length: 3\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
    writer.close()
