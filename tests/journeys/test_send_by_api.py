"""A product sends a very large file by the API of a service that runs by itself."""

import asyncio
import email
import email.policy
import hashlib
import http.client
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pillarbox.cli.local import UnixConnection
from pillarbox.core.graph_limits import MOST_MESSAGE
from tests.conftest import Microsoft
from tests.journeys.test_assurance_modes import ROLES
from tests.service import Service, serve

BOX, ALICE = "scanner@contoso.example", "alice@contoso.example"
FILE_BYTES = MOST_MESSAGE // 78 * 57 - 64 * 1024
"""One file: as base64, 57 bytes a line of 78, it is all but 0.1 MB of the 150 MB that Exchange takes of a message."""
CHUNK = 8 * 1024 * 1024
MOST_GROWTH = 64 * 1024
"""Kilobytes."""


class Client:
    """Asks a service on its local socket, each time on a connection of its own."""

    def __init__(self, service: Service) -> None:
        self._socket = Path(service.ready["socket"])

    async def ask(self, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None) -> Any:
        """The status, and the JSON of the answer; None where the connection broke."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()

        def call() -> Any:
            connection = UnixConnection(self._socket, os.geteuid(), timeout=120)
            try:
                connection.request(method, path, raw, {"Content-Type": "application/json", **(headers or {})})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read() or b"null")
            except (OSError, http.client.HTTPException):
                return None
            finally:
                connection.close()

        return await asyncio.to_thread(call)

    async def done(self, method: str, path: str, body: Any = b"", headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer that is a success."""
        status, answer = await self.ask(method, path, body, headers)
        assert 200 <= status < 300, answer
        return answer


async def begun(microsoft: Microsoft, folder: Path) -> tuple[Service, Client]:
    """A service, whose mailbox scanner@ sends drafts, as large as Exchange takes them."""
    service = await serve(folder, microsoft.settings)
    client = Client(service)
    world, seed = microsoft.emulator.world, microsoft.seed
    app = world.add_app("Product", ROLES["draft"], tenant=seed.tenant)
    secret = world.add_secret(app)
    wish = {"name": "contoso", "tenant_id": seed.tenant.id, "client_id": app.client_id, "client_secret": secret}
    await client.done("POST", "/api/v1/apps", wish)
    await client.done("POST", "/api/v1/mailboxes", {"address": BOX, "app": "contoso"})
    await client.done("PATCH", f"/api/v1/mailboxes/{BOX}", {"assurance": "draft", "send_limit": MOST_MESSAGE})
    return service, client


def memory(service: Service, name: str) -> int:
    """Kilobytes of the service's process: VmRSS now, VmHWM at the most."""
    lines = Path(f"/proc/{service.ready['pid']}/status").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1])


@pytest.mark.timeout(180)
async def test_a_file_as_large_as_exchange_takes_arrives_whole_in_little_memory(
    microsoft: Microsoft, tmp_path: Path
) -> None:
    service, client = await begun(microsoft, tmp_path)
    user = microsoft.seed.tenant.user(BOX)
    assert user is not None
    assert user.open_mailbox is not None
    user.open_mailbox.max_send_size = MOST_MESSAGE
    small = {"from": BOX, "to": ALICE, "subject": "first", "text": "t"}
    assert (await client.ask("POST", "/api/v1/sends", small, {"Prefer": "wait=60"}))[0] == 200
    before = memory(service, "VmRSS")
    digest, block = hashlib.sha256(), os.urandom(CHUNK)
    upload = await client.done("POST", "/api/v1/uploads", {"name": "film.mp4", "size": FILE_BYTES})
    for start in range(0, FILE_BYTES, CHUNK):
        piece = (start.to_bytes(8, "big") + block)[: min(CHUNK, FILE_BYTES - start)]
        digest.update(piece)
        place = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{FILE_BYTES}"}
        await client.done("PUT", f"/api/v1/uploads/{upload['id']}", piece, place)
    wish = small | {"subject": "film", "attachments": [{"upload_id": upload["id"]}]}
    answer = await client.done("POST", "/api/v1/sends", wish)
    await service.logged(lambda lines: any("mail.final" in line and answer["id"] in line for line in lines))
    trace = await client.done("GET", f"/api/v1/sends/{answer['id']}")
    assert trace["message"]["state"] == "sent", trace
    assert MOST_MESSAGE - 128 * 1024 < trace["message"]["size"] <= MOST_MESSAGE
    growth = memory(service, "VmHWM") - before
    raw = microsoft.emulator.ledger.entries[-1].raw
    assert raw is not None
    (part,) = email.message_from_bytes(raw, policy=email.policy.default).iter_attachments()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert (part.get_filename(), hashlib.sha256(content).hexdigest()) == ("film.mp4", digest.hexdigest())
    print(f"the process grew by {growth} KB")
    assert growth < MOST_GROWTH
    assert await service.end(signal.SIGTERM) == 0
