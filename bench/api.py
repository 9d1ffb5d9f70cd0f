"""The HTTP API: how long a message waits for its 202, and a list of a million for its pages; memory, and the start."""

import asyncio
import contextlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import aiohttp
import apsw

from bench import tenant
from bench.api_load import Job
from bench.backlog import MESSAGE
from bench.processes import LIFTED, Process, met, running, spread
from bench.smtp import FULL
from pillarbox.cli.local import Api

RATE: Final = 100.0
ACCEPT_AIM: Final = 20.0
"""Milliseconds from when a message was due to its 202, the median."""
ROWS: Final = 1_000_000
PAGE_AIM: Final = 50.0
"""Milliseconds to the whole answer, as a client on the same machine sees it."""
RSS_AIM: Final = 110.0
READY_AIM: Final = 2.0
_CONNECTIONS: Final = 16
_MAILBOXES: Final = 50
_PAGES: Final = 1000
_LIMIT: Final = 50
_DAY: Final = 86_400.0
_BODY: Final = b"Subject: small\r\n\r\n" + b"x" * 200
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
UNLIMITED: Final = {"PILLARBOX_HTTP__RATE": "0", "PILLARBOX_HTTP__LISTEN": "127.0.0.1:0"}


async def accept(rounds: int, messages: int) -> None:
    """Print how long a message waits for its 202, beside a bare fsync of the same minute."""
    print(f"api-accept: {RATE:.0f} JSON sends/s of 10 KB over {_CONNECTIONS} connections, {rounds} x {messages};")
    print("  milliseconds from when one was due to its 202, with delivery to the emulator behind it")
    found: list[Mapping[str, float]] = []
    synced: list[tuple[float, float]] = []
    spent: list[float] = []
    async with tenant.started(_MAILBOXES, settings=UNLIMITED) as bench:
        url, key = _door(bench.gateway, bench.api, ["send"])
        for _ in range(rounds):
            synced.append(await asyncio.to_thread(_fsyncs))
            before = bench.gateway.cpu()
            found.append(await _load(Job(url, key, bench.senders, messages, _CONNECTIONS, RATE)))
            spent.append((bench.gateway.cpu() - before) / (messages + _CONNECTIONS) * 1000)
    middle, most = ([one[name] * 1000 for one in found] for name in ("p50", "p99"))
    busy = max(one["own_core"] for one in found)
    shown = "" if busy < FULL else "   not shown (load generator full)"
    print(f"  send    p50 {spread(middle, 1)}   p99 {spread(most, 1)}   load generator {busy:.0%} of a core{shown}")
    bare, worst = map(_milliseconds, zip(*synced, strict=True))
    print(f"  fsync   p50 {bare}   p99 {worst}   one at a time, 10 KB appended, before each round")
    print(f"  CPU of the service {spread(spent, 2)} ms a message, delivery and all")
    print(f"  p50: aim < {ACCEPT_AIM:.0f} ms: {met(statistics.median(middle) < ACCEPT_AIM)}", flush=True)


async def _load(job: Job) -> Mapping[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.api_load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps(asdict(job)).encode() + b"\n")
    if process.returncode:
        raise RuntimeError("the load generator failed")
    result: Mapping[str, float] = json.loads(output)
    return result


def _fsyncs() -> tuple[float, float]:
    """Seconds of a bare append and fdatasync, one after the other: the median, and the 99th of a hundred."""
    waits: list[float] = []
    with tempfile.NamedTemporaryFile(prefix="bench-", buffering=0) as file:
        for _ in range(300):
            began = time.perf_counter()
            file.write(b"x" * 10_000)
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - began)
    return statistics.median(waits), _most(waits)


def _most(waits: Sequence[float]) -> float:
    """The 99th of a hundred."""
    return sorted(waits)[math.ceil(len(waits) * 0.99) - 1]


def _milliseconds(seconds: Sequence[float]) -> str:
    return spread([one * 1000 for one in seconds], 1)


async def lists(rounds: int, _messages: int) -> None:
    """Print how long pages of a list of a million messages take, however far down they are."""
    print(f"api-lists: {ROWS:,} messages of {_MAILBOXES} mailboxes, pages of {_LIMIT}; ms to the whole answer")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with serving(folder) as (_process, api):
            await asyncio.to_thread(furnish, api)
        await asyncio.to_thread(fill, folder / "state" / "pillarbox.db")
        async with serving(folder) as (process, api):
            url, key = _door(process, api, ["outbox.read"])
            _, narrow = _door(process, api, ["outbox.read"], mailboxes=[_box(1), _box(2)], name="narrow")
            questions = {
                "all": (key, ""),
                "state=sent": (key, "&state=sent"),
                "state=held (1 in 100)": (key, "&state=held"),
                "submitter (none), short pages": (key, "&submitter=nobody"),
                "code (none), short pages": (key, "&code=nothing"),
                "recipient (none), short pages": (key, "&recipient=nobody@contoso.example"),
                "mailbox": (key, f"&mailbox={_box(7)}"),
                "key with 2 mailboxes": (narrow, ""),
                "the same, state=failed (none)": (narrow, "&state=failed"),
            }
            for what, (by, query) in questions.items():
                pages = [await _walk(url, by, query) for _ in range(rounds)]
                first, last, each = zip(*pages, strict=True)
                most = [_most(one) for one in each]
                good = met(max(map(statistics.median, (first, last, most))) * 1000 < PAGE_AIM)
                count = int(statistics.median(map(len, each)))
                print(
                    f"  {what:30} first {_milliseconds(first)}   {count}th {_milliseconds(last)}   "
                    f"p99 {_milliseconds(most)}   slowest {max(map(max, each)) * 1000:.1f}   "
                    f"aim < {PAGE_AIM:.0f}: {good}",
                    flush=True,
                )


async def _walk(url: str, key: str, query: str) -> tuple[float, float, list[float]]:
    """Seconds of the first page, of the last of up to a thousand, and of each."""
    took: list[float] = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        async with session.get(f"{url}/api/v1/status"):
            pass  # the connection
        cursor = ""
        while len(took) < _PAGES:
            began = time.perf_counter()
            async with session.get(f"{url}/api/v1/sends?limit={_LIMIT}{query}{cursor}") as answer:
                page = await answer.read()
                took.append(time.perf_counter() - began)
                if answer.status != 200:
                    raise RuntimeError(page.decode())
            following = json.loads(page)["next"]
            if following is None:
                break
            cursor = f"&cursor={following}"
    return took[0], took[-1], took


async def idle(rounds: int, _messages: int) -> None:
    """Print the memory of a service whose API was used, and how long a start takes."""
    print(f"api-idle: RSS of `pillarbox serve` after its API was used, and its start, {rounds} starts")
    sizes, starts = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            began = time.perf_counter()
            async with serving(Path(name)) as (process, api):
                starts.append(time.perf_counter() - began)
                await asyncio.to_thread(furnish, api)
                url, key = _door(process, api, ["admin"])
                await _use(url, key)
                await asyncio.sleep(2)
                sizes.append(process.rss())
    print(f"  RSS MB {spread(sizes, 1)}   aim < {RSS_AIM:.0f}: {met(max(sizes) < RSS_AIM)}")
    print(f"  ready s {spread(starts, 2)}   aim < {READY_AIM:.0f}: {met(max(starts) < READY_AIM)}", flush=True)


async def _use(url: str, key: str) -> None:
    message = {"from": _box(1), "to": ["bob@contoso.example"], "subject": "bench", "text": "x", "hold": True}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        for _ in range(20):
            for path in ("sends", "mailboxes", "submitters", "apps", "status", "events", "api-keys", "openapi.json"):
                async with session.get(f"{url}/api/v1/{path}") as answer:
                    await answer.read()
            async with session.post(f"{url}/api/v1/sends", json=message) as answer:
                if answer.status != 202:
                    raise RuntimeError(await answer.text())


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Process, Api]]:
    """A service without a Microsoft that answers."""
    environ = {
        "PILLARBOX_STATE_DIR": str(folder / "state"),
        "PILLARBOX_SOCKET": str(folder / "run" / "api.sock"),
        "PILLARBOX_SMTP__LISTEN": "127.0.0.1:0",
        **UNLIMITED,
        **LIFTED,
    }
    async with running(["pillarbox", "serve", "--json"], environ, folder / "log") as process:
        yield process, Api(Path(environ["PILLARBOX_SOCKET"]), None, ())


def _door(process: Process, api: Api, scopes: Sequence[str], **more: Any) -> tuple[str, str]:
    """The address of the HTTP door, and a new key for it."""
    made = api.post("/api/v1/api-keys", {"name": "bench", "scopes": list(scopes), **more})
    return f"http://{process.ready['http']}", made["key"]


def _box(number: int) -> str:
    return f"box{number}@contoso.example"


def furnish(api: Api) -> None:
    ids = {"tenant_id": _NOBODY, "client_id": _NOBODY.replace("0", "1"), "client_secret": "not-used"}
    api.post("/api/v1/apps", {"name": "bench", **ids})
    for number in range(1, _MAILBOXES + 1):
        api.post("/api/v1/mailboxes", {"address": _box(number), "app": "bench"})
    api.post("/api/v1/outbox:pause", {"mailbox": None})


def fill(path: Path) -> None:
    """A million messages, written past the outbox: it would take an hour."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        connection.executemany(MESSAGE, map(_row, range(ROWS)))
        connection.execute("INSERT INTO bodies SELECT seq, 0, ? FROM outbox", (_BODY,))
    connection.close()
    os.sync()


def _row(number: int) -> tuple[object, ...]:
    at = time.time() - _DAY + _DAY * number / ROWS
    state = "held" if number % 100 == 0 else "queued" if number % 2 else "sent"
    finished = at + 1 if state == "sent" else None
    cause = "access_denied" if state == "held" else ""
    mailbox = number // 2 % _MAILBOXES + 1
    return number + 1, f"{number:020d}", mailbox, len(_BODY), at, state, int(state != "queued"), finished, cause
