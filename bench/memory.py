"""Whether a gateway that works grows: its memory while mail goes through it evenly, and the slope of that."""

import asyncio
import os
import statistics
import time
from typing import Final

from bench.load import Job
from bench.processes import submit
from bench.smtp import CONNECTIONS
from bench.tenant import started

RATE: Final = 50
"""Messages a second."""
MINUTES: Final = float(os.environ.get("BENCH_MINUTES", "30"))
"""How long; BENCH_MINUTES allows a shorter try."""
MAILBOXES: Final = 50
_LOOKS: Final = 120
_WARM: Final = 1 / 3
"""Part of the time in which caches fill, which the slope is not taken of."""


async def run(_rounds: int, _messages: int) -> None:
    """Print the figures."""
    print(f"memory: {RATE} messages/s of 10 KB for {MINUTES:g} minutes, {MAILBOXES} mailboxes")
    seconds = MINUTES * 60
    async with started(MAILBOXES) as bench:
        idle, cpu = bench.gateway.rss(), bench.gateway.cpu()
        messages = round(RATE * seconds)
        job = Job(bench.gateway.ready["smtp"], bench.senders, messages, CONNECTIONS, bench.login, rate=RATE)
        load = asyncio.create_task(submit(job))
        seen: list[tuple[float, float]] = []
        began = time.perf_counter()
        while not load.done():
            await asyncio.wait([load], timeout=seconds / _LOOKS)
            seen.append((time.perf_counter() - began, bench.gateway.rss()))
        await load
        await bench.all_arrived(messages)
        cost = (bench.gateway.cpu() - cpu) / messages * 1000
        end, peak = bench.gateway.rss(), bench.gateway.peak()
    times, sizes = zip(*(one for one in seen if one[0] >= seconds * _WARM), strict=True)
    slope = statistics.linear_regression(times, sizes).slope * 3600
    print(f"  RSS MB: idle {idle:.1f}, at the end {end:.1f}, at the most {peak:.1f}   CPU {cost:.3f} ms/message")
    print(f"  slope MB/h {slope:+.2f} of the last two thirds of the time")
