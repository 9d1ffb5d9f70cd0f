"""What is no HTTP: the page that Windows' http.sys sends, in an answer that ends the connection."""

import asyncio
import ssl

import pytest

from pillarbox.emulator import Emulator


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
