"""SIGKILL under load, twenty times: what was answered 250 is never lost.

Clients send numbered mails and resend what was not acknowledged. The oracle is the emulator's ledger: every queue id
that a client was told must have arrived there at the end, after `outbox retry` of what a kill left `uncertain`.
"""

import asyncio
import base64
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.service import Service, furnish, serve

KILLS = 20
CLIENTS = 8
SENDERS = ("scanner@contoso.example", "erp@contoso.example", "helpdesk@contoso.example")


class Load:
    """Clients that send until they are told to stop, wherever the service is just now."""

    def __init__(self, password: str) -> None:
        self._login = base64.b64encode(f"\0printer\0{password}".encode())
        self._number = 0
        self._acknowledged = asyncio.Condition()
        self.address: tuple[str, int] | None = None
        self.up = asyncio.Event()
        self.stopping = False
        self.ids: list[str] = []

    async def acknowledged(self, goal: int) -> None:
        """Until so many mails have been acknowledged."""
        async with self._acknowledged:
            await self._acknowledged.wait_for(lambda: len(self.ids) >= goal)

    async def client(self) -> None:
        """Send mail after mail; after a broken connection send the same one again."""
        self._number += 1
        number = self._number
        while not self.stopping:
            await self.up.wait()
            try:
                number = await self._session(number)
            except (OSError, asyncio.IncompleteReadError, ConnectionError):
                continue

    async def _session(self, number: int) -> int:
        assert self.address is not None
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            await _reply(reader)
            for line in (b"EHLO load.contoso.example", b"AUTH PLAIN " + self._login):
                writer.write(line + b"\r\n")
                await _reply(reader)
            while not self.stopping:
                queue_id = await _send(reader, writer, number)
                async with self._acknowledged:
                    self.ids.append(queue_id)
                    self._acknowledged.notify_all()
                self._number += 1
                number = self._number
            return number
        finally:
            writer.close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> str:
    sender = SENDERS[number % len(SENDERS)].encode()
    mime = b"From: " + sender + b"\r\nTo: alice@contoso.example\r\nSubject: %d\r\n\r\n%s\r\n." % (number, b"x" * 2000)
    reply = b""
    for line in (b"MAIL FROM:<" + sender + b">", b"RCPT TO:<alice@contoso.example>", b"DATA", mime):
        writer.write(line + b"\r\n")
        reply = await _reply(reader)
    return reply.decode().split()[-1]


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] == b" ":
            assert line[:1] in b"23", line
            return line


async def _all_sent(service: Service) -> Counter[str]:
    """Retry what is uncertain, until everything is sent; which ids were uncertain."""
    uncertain: Counter[str] = Counter()
    for state in ("uncertain", "queued", "sending", "deferred"):
        for message in await _listed(service, state):
            if state == "uncertain":
                uncertain[message] += 1
                await asyncio.to_thread(service.api.post, f"/api/v1/sends/{message}:retry")
    waiting = {m for state in ("queued", "sending", "deferred") for m in await _listed(service, state)}
    for queue_id in waiting:
        done = f"id={queue_id} state=sent"
        await service.logged(lambda lines, done=done: any(done in line for line in lines))  # type: ignore[misc]
    return uncertain


async def _listed(service: Service, state: str) -> list[str]:
    found, before = [], None
    while True:
        page = await asyncio.to_thread(service.api.get, "/api/v1/sends", state=state, before=before, limit=500)
        found += [message["id"] for message in page["data"]]
        before = page["next"]
        if before is None:
            return found


@pytest.mark.timeout(240)
async def test_nothing_acknowledged_is_lost_in_twenty_kills_under_load(tmp_path: Path, microsoft: Microsoft) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    app = microsoft.seed.gateway
    microsoft.emulator.faults.add(path="/sendMail", delay=0.01, when="after")
    service = await serve(tmp_path, microsoft.settings)
    secret = microsoft.seed.secrets[app.client_id]
    tenant = microsoft.seed.tenant.id
    load = Load(await asyncio.to_thread(furnish, service, tenant, app.client_id, secret, *SENDERS))
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    for _ in range(KILLS):
        host, _, port = service.ready["smtp"].rpartition(":")
        load.address = (host, int(port))
        load.up.set()
        await load.acknowledged(len(load.ids) + chance.randint(1, 120))
        load.up.clear()
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL
        service = await serve(tmp_path, microsoft.settings)
    load.stopping = True
    load.up.set()
    await asyncio.wait_for(asyncio.gather(*clients), 30)
    uncertain = await _all_sent(service)
    assert await service.end(signal.SIGTERM) == 0
    arrived = Counter(dict(entry.headers)["X-Pillarbox-Id"] for entry in microsoft.emulator.ledger.entries)
    twice = [queue_id for queue_id, times in arrived.items() if times > 1]
    lost = [queue_id for queue_id in load.ids if queue_id not in arrived]
    print(f"seed {seed}: {KILLS} kills, {len(load.ids)} acknowledged, {len(lost)} lost, "
          f"{len(uncertain)} uncertain and retried, {len(twice)} of these arrived twice")  # fmt: skip
    assert not lost
    assert set(twice) <= set(uncertain), "a mail came twice that never was uncertain"
    store = sqlite3.connect(tmp_path / "state" / "pillarbox.db")
    assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()
