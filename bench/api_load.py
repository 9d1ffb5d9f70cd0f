"""The load generator of the API, in a process of its own: one line of JSON in, one out, as bench/load.py.

Each request is due at its time; what is measured is from then to its answer, so that one that stands behind a slow one
has waited too.
"""

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop

_TEXT = "The quick brown fox jumps over the lazy dog, and the dog lets it.\n" * 150


@dataclass(frozen=True, slots=True)
class Job:
    """Hand in `messages` of 10 KB at `url` with this key over `connections`, so many a second."""

    url: str
    key: str
    senders: list[str]
    messages: int
    connections: int
    rate: float


async def _run(job: Job) -> dict[str, Any]:
    waits: list[float] = []
    headers = {"Authorization": f"Bearer {job.key}"}
    connector = aiohttp.TCPConnector(limit=job.connections)
    cpu = time.process_time()
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        # Connections first: what they cost is no message's wait.
        await asyncio.gather(*(_send(session, job, number) for number in range(job.connections)))
        began = time.perf_counter()
        dues = ((number, began + number / job.rate) for number in range(job.messages))
        await asyncio.gather(*(_worker(session, job, dues, waits) for _ in range(job.connections)))
    seconds = time.perf_counter() - began
    waits.sort()
    return {
        "p50": waits[len(waits) // 2],
        "p99": waits[math.ceil(len(waits) * 0.99) - 1],
        "rate": len(waits) / seconds,
        "own_core": (time.process_time() - cpu) / seconds,
    }


async def _worker(
    session: aiohttp.ClientSession, job: Job, dues: Iterator[tuple[int, float]], waits: list[float]
) -> None:
    for number, due in dues:
        await asyncio.sleep(due - time.perf_counter())
        await _send(session, job, number)
        waits.append(time.perf_counter() - due)


async def _send(session: aiohttp.ClientSession, job: Job, number: int) -> None:
    sender = next(itertools.islice(job.senders, number % len(job.senders), None))
    message = {"from": sender, "to": ["bob@contoso.example"], "subject": f"bench {number}", "text": _TEXT}
    headers = {"Idempotency-Key": f"{job.key[:12]}-{time.perf_counter_ns()}-{number}"}
    async with session.post(f"{job.url}/api/v1/sends", json=message, headers=headers) as answer:
        if answer.status != 202:
            raise RuntimeError(f"HTTP {answer.status}: {await answer.text()}")


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(Job(**json.loads(sys.stdin.readline()))))))
