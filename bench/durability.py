"""The same promise: between a message's 354 and its 250 there is an fsync that succeeded, seen by strace.

One session, so that no other message's fsync can be mistaken for it, then eight, to count how many messages one fsync
serves. For the door delivery stands still, of one mailbox: after three messages the worker commits nothing more that
could be mistaken for the door's.
"""

import asyncio
import contextlib
import itertools
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import postfix
from bench.load import Job
from bench.processes import met, submit
from bench.servers import SENDERS, Server, anchor, door

_STRACE = ("strace", "-f", "-s", "40", "-e", "trace=fdatasync,fsync,write,writev,sendto,sendmsg", "-o")
_CALL = re.compile(r'(?P<sync>fdatasync|fsync)(?:\(\d+| resumed>)\) += 0|"(?P<reply>354|250 2\.0\.0 [^"]*queued)')
_MESSAGES = 200
_SESSIONS = 8


@dataclass(frozen=True, slots=True)
class Order:
    """What a trace shows from its first 354 on: successful fsyncs, messages acknowledged, and those of them that had
    no fsync since the 354 before."""

    synced: int
    acknowledged: int
    too_early: int


def order_of(lines: Iterable[str]) -> Order:
    """Read a trace of strace of one connection at a time. Pure."""
    synced = acknowledged = too_early = 0
    safe = False
    matches = filter(None, map(_CALL.search, lines))
    for match in itertools.dropwhile(lambda match: match["reply"] != "354", matches):
        if match["sync"]:
            synced += 1
            safe = True
        elif match["reply"] == "354":
            safe = False
        else:
            acknowledged += 1
            too_early += not safe
            safe = False
    return Order(synced, acknowledged, too_early)


async def run(_rounds: int, _messages: int) -> None:
    """Print the counts."""
    if shutil.which("strace") is None:
        raise SystemExit("This bench needs the Debian package strace: run `make test-tools` as root.")
    postfix.check()
    print(f"smtp-durability: {_MESSAGES} messages, fsync and fdatasync counted by strace")
    for name in ("pillarbox", "postfix"):
        one = await _trace(name, 1)
        good = met(one.acknowledged == _MESSAGES and not one.too_early)
        some = await _trace(name, _SESSIONS)
        each = some.acknowledged / max(some.synced, 1)
        print(
            f"    {name:12} one session: {one.acknowledged} acknowledged, {one.synced} fsyncs, {one.too_early} without "
            f"one between 354 and 250; target 0: {good}   {_SESSIONS} sessions: {each:.1f} messages per fsync"
        )


async def _trace(name: str, sessions: int) -> Order:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        trace = Path(folder) / "trace"
        async with _traced(name, trace) as server:
            await submit(Job(server.address, SENDERS[:1], _MESSAGES, sessions, server.login))
        with trace.open(errors="replace") as lines:
            return order_of(lines)


@contextlib.asynccontextmanager
async def _traced(name: str, trace: Path) -> AsyncIterator[Server]:
    if name == "pillarbox":
        async with door(way="stay", under=(*_STRACE, str(trace))) as server:
            yield server
        return
    async with anchor() as server:
        # The processes that will serve are children of master that do not exist yet: all are followed.
        strace = await asyncio.create_subprocess_exec(
            *_STRACE, str(trace), "-p", str(server.running.pid), stderr=asyncio.subprocess.PIPE
        )
        assert strace.stderr is not None
        await strace.stderr.readline()  # "attached"
        yield server
    await strace.wait()
