"""Processes under measurement: started with free ports, ready when they say so, their CPU and memory from /proc."""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.load import Job

_TICKS = os.sysconf("SC_CLK_TCK")

LIFTED: Final = {f"PILLARBOX_LIMITS__{name}": "0" for name in ("MESSAGES", "RECIPIENTS", "BYTES", "REQUESTS")}
"""Microsoft's limits are not what is measured."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process, what it said when it was ready, and how to go on talking with it."""

    pid: int
    ready: Mapping[str, Any]
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    def cpu(self) -> float:
        """CPU seconds so far, user and system, all threads."""
        return cpu(self.pid)

    def rss(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        return self._memory("VmRSS")

    def peak(self) -> float:
        """The most that `rss` ever was."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6

    async def ask(self, question: object) -> Any:
        """Write a line of JSON, read one."""
        self.stdin.write(json.dumps(question).encode() + b"\n")
        line = await self.stdout.readline()
        if not line:
            raise RuntimeError("the process has ended")
        return json.loads(line)


def cpu(pid: int, *, with_exited_children: bool = False) -> float:
    """CPU seconds of a process so far; perhaps with those of its children that have ended (proc(5): cutime, cstime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(int(field) for field in fields[11 : 15 if with_exited_children else 13]) / _TICKS


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process, its children and theirs, with those that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = cpu(pid, with_exited_children=True)
    for child in children:
        with contextlib.suppress(OSError):  # it ends at this moment; the next look has it
            total += cpu_of_tree(int(child))
    return total


@contextlib.asynccontextmanager
async def running(
    arguments: Sequence[str], environ: Mapping[str, str], log: Path, *, under: Sequence[str] = ()
) -> AsyncIterator[Process]:
    """Run `python -m ...`, perhaps `under` another program, wait for its JSON line, and end it by SIGTERM."""
    with log.open("a") as errors:
        process = await asyncio.create_subprocess_exec(
            *under,
            sys.executable,
            "-m",
            *arguments,
            env={**os.environ, **environ},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"{arguments} did not start: {await asyncio.to_thread(log.read_text)}")
    ready = json.loads(line)
    pid = int(ready.get("pid", process.pid))
    try:
        yield Process(pid, ready, process.stdin, process.stdout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        await process.wait()


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator did: messages a second, how much of a core it needed itself (of the busiest, where there
    were several), and the seconds from the final dot to the 250."""

    rate: float
    own_core: float
    p50: float
    p99: float
    digest: str


async def submit(job: Job, generators: int = 1) -> Load:
    """Hand in mail by so many processes; return when every message has its 250."""
    share = replace(
        job,
        messages=job.messages // generators,
        connections=job.connections // generators,
        rate=job.rate / generators,
    )
    results = await asyncio.gather(*(_generate(share) for _ in range(generators)))
    seconds = max(result["seconds"] for result in results)
    accepted = sum(result["accepted"] for result in results)
    if accepted != share.messages * generators:
        raise RuntimeError(f"{accepted} of {job.messages} messages were accepted")
    return Load(
        rate=accepted / seconds,
        own_core=max(result["cpu"] / result["seconds"] for result in results),
        p50=statistics.median(result["p50"] for result in results),
        p99=max(result["p99"] for result in results),
        digest=results[0]["digest"],
    )


async def _generate(job: Job) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *GENERATOR, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(job.to_json().encode() + b"\n")
    if process.returncode:
        raise RuntimeError("the load generator failed")
    result: dict[str, Any] = json.loads(output)
    return result


@contextlib.asynccontextmanager
async def holding(job: Job) -> AsyncIterator[int]:
    """Hold the connections of a job open; how many there are. Raises RuntimeError if one was lost meanwhile."""
    process = await asyncio.create_subprocess_exec(
        *GENERATOR, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(job.to_json().encode() + b"\n")
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the load generator failed")
    held = int(json.loads(line)["held"])
    try:
        yield held
    finally:
        process.stdin.close()
        output = await process.stdout.read()
        await process.wait()
    if not output or json.loads(output)["alive"] != held:
        raise RuntimeError(f"connections were lost: {output.decode()}of {held}")


GENERATOR = (sys.executable, "-m", "bench.load")


def spread(values: Sequence[float], digits: int) -> str:
    """Median, and minimum to maximum."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def met(good: bool) -> str:
    """How a target was done by."""
    return "met" if good else "MISSED"
