"""The service ends when it is told to, whoever keeps a connection open."""

import asyncio
import contextlib
import signal
import ssl
from pathlib import Path
from typing import cast

from tests.conftest import Microsoft
from tests.service import serve

GRACE = 20.0
"""Far more than an idle connection may hold up the end."""


async def test_an_unfinished_request_on_the_local_socket_does_not_hold_it_up(
    microsoft: Microsoft, tmp_path: Path
) -> None:
    service = await serve(tmp_path, microsoft.settings | {"delivery.stop_timeout": "1"})
    _, writer = await asyncio.open_unix_connection(service.ready["socket"])
    writer.write(b"POST /api/v1/sends HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsix by")
    await writer.drain()
    assert await asyncio.wait_for(service.end(signal.SIGTERM), GRACE / 2) == 0
    writer.close()


async def test_an_idle_client_behind_tls_does_not_hold_it_up(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings | {"delivery.stop_timeout": str(GRACE)})
    host, _, port = service.ready["smtp"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for line in (b"EHLO x\r\n", b"STARTTLS\r\n"):
        await reader.readuntil(b"\r\n")
        writer.write(line)
    while not (await reader.readuntil(b"\r\n")).startswith(b"220 2.0.0"):
        pass
    context = ssl.create_default_context(cafile=str(tmp_path / "state" / "tls-cert.pem"))
    await writer.start_tls(context, server_hostname="localhost")
    # It neither reads its 421 nor answers the end of TLS.
    cast(asyncio.Transport, writer.transport).pause_reading()
    assert await asyncio.wait_for(service.end(signal.SIGTERM), GRACE / 2) == 0
    writer.transport.abort()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
