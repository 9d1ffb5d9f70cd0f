"""`serve` with several listeners: what its ready line says, and what its log does."""

import asyncio
import signal
from pathlib import Path

from pillarbox.core.listening import parse_address
from tests.conftest import Microsoft
from tests.service import serve


async def test_the_ready_line_names_every_listener(tmp_path: Path, microsoft: Microsoft) -> None:
    given = {"smtp.listeners.scanners.listen": "127.0.0.1:0", "smtp.listeners.scanners.tls": "none"}
    service = await serve(tmp_path, microsoft.settings | given)
    listeners = service.ready["listeners"]
    assert list(listeners) == ["smtp", "scanners"]
    assert listeners["smtp"] == service.ready["smtp"]
    for address in listeners.values():
        reader, writer = await asyncio.open_connection(*parse_address("", address, ""))
        assert (await reader.readline())[:4] == b"220 "
        writer.close()
    assert await service.end(signal.SIGTERM) == 0
    (line,) = [line for line in service.lines if "event=service.ready" in line]
    assert f'listeners="smtp={listeners["smtp"]} scanners={listeners["scanners"]}"' in line
