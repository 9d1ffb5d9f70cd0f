"""The console: its pages with a million messages, their weight, and what a browser that looks on costs the service."""

import asyncio
import contextlib
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench import tenant
from bench.api import ROWS, UNLIMITED, fill, furnish, serving
from bench.load import Job
from bench.processes import met, spread, submit
from bench.smtp import CONNECTIONS
from pillarbox.cli.local import Api

PAGE_AIM: Final = 300.0
"""Milliseconds from the request to the whole page, as a client on the same machine sees it."""
WEIGHT_AIM: Final = 100_000
REQUESTS_AIM: Final = 10
CPU_AIM: Final = 1.1
RSS_AIM: Final = 130.0
PAGES: Final = (
    "/",
    "/outbox",
    "/outbox?state=held",
    "/outbox?state=failed",
    "/outbox?mailbox=box7%40contoso.example",
    "/outbox?submitter=nobody",
    "/outbox?recipient=nobody%40contoso.example",
    "/mailboxes",
    "/mailboxes/box7%40contoso.example",
    "/compose",
    "/apps",
    "/apps/bench",
    "/links",
    "/submitters",
    "/keys",
    "/people",
    "/account",
    "/audit",
    "/doctor",
    "/settings",
    "/about",
    "/start",
    "/start/devices",
)
_PASSWORD: Final = "correct horse battery"
_MAILBOXES: Final = 20
_WARM_UP: Final = 500
_PART: Final = re.compile(r'(?:href|src)="([^"]*/static/[^"]+)"')
_LIVE: Final = re.compile(r'data-live-from="([^"]+)"')
_NEWS: Final = 1.0
"""Seconds from a line of /live until console.js asks for the page anew."""


async def run(rounds: int, messages: int) -> None:
    """Print the figures."""
    await _pages(rounds)
    await _onlooker(rounds, messages)


# ---- a million messages


async def _pages(rounds: int) -> None:
    print(f"console: {ROWS:,} messages; ms to the whole page, {rounds} looks at each behind the first; bytes; requests")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with serving(folder) as (_process, api):
            await asyncio.to_thread(furnish, api)
        await asyncio.to_thread(fill, folder / "state" / "pillarbox.db")
        async with serving(folder) as (process, api), _signed_in(process.ready["http"], api) as browser:
            seen = {path: await browser.weighed(path, rounds) for path in PAGES}
            size = process.rss()
    for path, page in seen.items():
        print(f"  {path:40} {spread(page.waits, 1):24} first {page.first:6.1f}   {page.weight:6} B   {page.requests}")
    slowest = max(max(page.waits) for page in seen.values())
    heaviest, most = max(page.weight for page in seen.values()), max(page.requests for page in seen.values())
    print(f"  slowest {slowest:.0f} ms   aim < {PAGE_AIM:.0f}: {met(slowest < PAGE_AIM)}")
    print(f"  heaviest {heaviest} B   aim < {WEIGHT_AIM}: {met(heaviest < WEIGHT_AIM)}")
    print(f"  requests {most}   aim <= {REQUESTS_AIM}: {met(most <= REQUESTS_AIM)}")
    print(f"  RSS MB {size:.1f} once all were looked at", flush=True)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page: milliseconds until it was there, and bytes and requests of it with its style and script."""

    first: float
    waits: list[float]
    weight: int
    requests: int


@dataclass(frozen=True, slots=True)
class _Browser:
    """Somebody who is signed in."""

    url: str
    session: aiohttp.ClientSession

    async def look(self, path: str) -> str:
        """A page."""
        async with self.session.get(self.url + path, allow_redirects=False) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{path}: HTTP {answer.status}")
            return await answer.text()

    async def weighed(self, path: str, rounds: int) -> _Page:
        """A page several times, and what belongs to it."""
        waits = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            html = await self.look(path)
            waits.append((time.perf_counter() - began) * 1000)
        parts = [await self.look(part) for part in sorted(set(_PART.findall(html)))]
        # Pictures are requests too, and no weight of a page.
        weight = sum(len(part.encode()) for part in (html, *parts) if not part.startswith("<svg"))
        return _Page(waits[0], waits[1:], weight, 1 + len(parts))

    async def watch(self, path: str) -> None:
        """Have a page open as console.js does: told of news, it asks anew."""
        source = _LIVE.findall(await self.look(path))[0]
        while True:
            async with self.session.get(self.url + source, timeout=aiohttp.ClientTimeout(total=None)) as live:
                async for line in live.content:
                    if line.startswith(b"data:"):
                        await asyncio.sleep(_NEWS)
                        await self.look(path)


@contextlib.asynccontextmanager
async def _signed_in(address: str, api: Api) -> AsyncIterator[_Browser]:
    new = {"name": "anna", "roles": ["admin"], "password": _PASSWORD}
    await asyncio.to_thread(api.post, "/api/v1/people", new)
    url = f"http://{address}"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        fields = {"name": "anna", "password": _PASSWORD}
        async with session.post(f"{url}/sign-in", data=fields, allow_redirects=False) as answer:
            if answer.status != 303:
                raise RuntimeError(f"nobody can sign in: HTTP {answer.status}")
        yield _Browser(url, session)


# ---- somebody looks on


async def _onlooker(rounds: int, messages: int) -> None:
    print(f"console: CPU of the service a message by SMTP, sent to the emulator, {rounds} x {messages}, in turns")
    cost: dict[bool, list[float]] = {False: [], True: []}
    async with (
        tenant.started(_MAILBOXES, settings=UNLIMITED) as bench,
        _signed_in(bench.gateway.ready["http"], bench.api) as browser,
    ):
        done = await _spend(bench, _WARM_UP, 0)
        for number in range(rounds):
            for is_open in (number % 2 == 1, number % 2 == 0):
                open_pages = ("/", "/outbox") if is_open else ()
                looking = [asyncio.create_task(browser.watch(path)) for path in open_pages]
                before = bench.gateway.cpu()
                done = await _spend(bench, messages, done)
                cost[is_open].append((bench.gateway.cpu() - before) / messages * 1000)
                for task in looking:
                    if task.done():
                        task.result()
                    task.cancel()
                await asyncio.gather(*looking, return_exceptions=True)
        for path in PAGES:
            for _ in range(5):
                await browser.look(path.replace("box7", "box1"))
        size, most = bench.gateway.rss(), bench.gateway.peak()
    for is_open, spent in cost.items():
        print(f"  {'open' if is_open else 'closed':8} ms/message {spread(spent, 3)}")
    ratio = statistics.median(cost[True]) / statistics.median(cost[False])
    print(f"  open / closed {ratio:.3f}   aim <= {CPU_AIM}: {met(ratio <= CPU_AIM)}")
    print(f"  RSS MB {size:.1f}, at the most {most:.1f}   aim < {RSS_AIM:.0f}: {met(most < RSS_AIM)}", flush=True)


async def _spend(bench: tenant.Bench, messages: int, done: int) -> int:
    """Hand in so many messages as fast as they are taken, until all have left; how many there were in all."""
    await submit(Job(bench.gateway.ready["smtp"], bench.senders, messages, CONNECTIONS, bench.login))
    await bench.all_arrived(done + messages)
    return done + messages
