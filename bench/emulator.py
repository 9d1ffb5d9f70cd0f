"""The emulator itself: start to first token, CPU per sendMail, idle memory. It must not brake the other benches."""

import asyncio
import base64
import json
import os
import ssl
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp

from bench.processes import Process, met, running, spread

START_AIM = 1.0
SEND_AIM = 1.5
RSS_AIM = 120.0
SENDERS = ("alice", "bob", "carol", "scanner", "erp", "helpdesk")
AT_ONCE = 4
"""Graph takes that many at once for one app and mailbox."""
COMMAND = ["pillarbox", "emulator", "--json"]
MAIL = (
    b"From: {sender}@contoso.example\r\nTo: bob@contoso.example\r\n"
    b"Subject: bench\r\nMessage-ID: <{number}@bench>\r\n\r\n" + (b"x" * 76 + b"\r\n") * 128
)


async def run(rounds: int, messages: int) -> None:
    """Print the figures."""
    print(f"emulator: all services in one process; {rounds} starts, {rounds} x {messages} mails of 10 KB by sendMail")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        log = Path(name) / "log"
        starts = [await _first_token(log) for _ in range(rounds)]
        print(f"  start to first token, s {spread(starts, 2)}   aim < {START_AIM:.0f}: {met(max(starts) < START_AIM)}")
        memory = [await _rss(log) for _ in range(rounds)]
        print(f"  RSS idle, MB {spread(memory, 1)}   aim < {RSS_AIM:.0f}: {met(max(memory) < RSS_AIM)}")
        async with running([*COMMAND, "--discard"], {}, log) as emulator:
            await _round(emulator, 300)
            results = [await _round(emulator, messages) for _ in range(rounds)]
    costs = [cost for cost, _ in results]
    good = met(statistics.median(costs) <= SEND_AIM)
    print(f"  sendMail, CPU ms/call {spread(costs, 3)}   aim <= {SEND_AIM}: {good}")
    rate = statistics.median(rate for _, rate in results)
    print(f"  sendMail, calls/s {rate:.0f}; the emulator had {rate * statistics.median(costs) / 1000:.0%} of a core")


async def _first_token(log: Path) -> float:
    began = time.perf_counter()
    async with running(COMMAND, {}, log) as emulator:
        await asyncio.to_thread(_token, emulator.ready)
        return time.perf_counter() - began


async def _rss(log: Path) -> float:
    async with running(COMMAND, {}, log) as emulator:
        await asyncio.to_thread(_token, emulator.ready)
        await asyncio.sleep(1)
        return emulator.rss()


def _token(ready: Any) -> str:
    app = ready["apps"][0]
    form = {"grant_type": "client_credentials", "scope": f"{ready['url']}/.default"}
    form |= {name: app[name] for name in ("client_id", "client_secret")}
    context = ssl.create_default_context(cafile=ready["ca_file"])
    url, body = f"{ready['authority']}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(url, body, context=context) as answer:
        return str(json.load(answer)["access_token"])


async def _round(emulator: Process, messages: int) -> tuple[float, float]:
    """CPU milliseconds per call, and calls a second."""
    ready = emulator.ready
    token = await asyncio.to_thread(_token, ready)
    context = ssl.create_default_context(cafile=ready["ca_file"])
    numbers = iter(range(messages))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}

    async def send(session: aiohttp.ClientSession, sender: str) -> None:
        url = f"{ready['graph']}/users/{sender}@contoso.example/sendMail"
        for number in numbers:
            mail = MAIL.replace(b"{sender}", sender.encode()).replace(b"{number}", b"%d" % number)
            async with session.post(url, data=base64.b64encode(mail)) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"{answer.status}: {await answer.text()}")

    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        began, before = time.perf_counter(), emulator.cpu()
        await asyncio.gather(*(send(session, sender) for sender in SENDERS for _ in range(AT_ONCE)))
        seconds = time.perf_counter() - began
        await asyncio.sleep(2 / os.sysconf("SC_CLK_TCK"))
        return (emulator.cpu() - before) / messages * 1000, messages / seconds
