"""Processes under measurement: started with free ports, ready when they say so, their CPU and memory from /proc."""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A running process and what it said when it was ready."""

    pid: int
    ready: Mapping[str, Any]

    def cpu(self) -> float:
        """CPU seconds so far, user and system, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.asynccontextmanager
async def running(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> AsyncIterator[Process]:
    """Run `python -m ...`, wait for its JSON line, and end it by SIGTERM."""
    with log.open("a") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env={**os.environ, **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{arguments} did not start; see {log}")
    try:
        yield Process(process.pid, json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator did: messages a second, and how much of a core it needed itself."""

    rate: float
    own_core: float


async def submit(address: str, login: tuple[str, str], sender: str, messages: int, connections: int) -> Load:
    """Send 10 KB mails over kept connections by a process of its own; return when all have their 250."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        address,
        sender,
        str(messages),
        str(connections),
        env={**os.environ, "BENCH_LOGIN": "\0".join(("", *login)).encode().hex()},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the load generator failed")
    result = json.loads(output)
    return Load(messages / result["seconds"], result["cpu"] / result["seconds"])


def spread(values: Sequence[float], digits: int) -> str:
    """Median, and minimum to maximum."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
