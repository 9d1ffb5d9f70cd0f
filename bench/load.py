"""The load generator: SMTP, in a process of its own. A job comes as JSON on standard input, the result goes out so."""

import asyncio
import itertools
import json
import math
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import uvloop

from bench.client import Client, Conversation, greet, no_verification, submit
from bench.mails import Mail, Mails

_OPENING = 50
"""Connections that are opened at once, where many are to be held."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with the door at `address`.

    `messages` mails of `size` bytes over `connections` at once, which are kept or made anew for each message. `rate`:
    as many a second, and no more; 0: as fast as it goes. `sources`: from so many addresses of 127.0.0.0/8. `hold`: open
    the connections, say EHLO, and hold them until the standard input ends; no mail. `tls`: by STARTTLS, this version of
    it; empty: none.
    """

    address: str
    senders: list[str]
    messages: int = 0
    connections: int = 8
    login: tuple[str, str] | None = None
    kept: bool = True
    tls: Literal["", "1.2", "1.3"] = ""
    rate: float = 0
    size: int = 10_000
    sources: int = 1
    hold: bool = False

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))


class _Generator:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._host, _, port = job.address.rpartition(":")
        self._port = int(port)
        self._tls = no_verification(job.tls)
        self._source = itertools.cycle(range(job.sources))
        self._waits: list[float] = []

    async def submit(self) -> dict[str, Any]:
        job = self._job
        made = Mails(job.senders, job.size)
        mails = (made.make(number) for number in range(job.messages))
        began, cpu = time.perf_counter(), time.process_time()
        dues = self._dues() if job.rate else None
        await asyncio.gather(*(self._session(mails, dues) for _ in range(job.connections)))
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        waits = sorted(self._waits)
        return {
            "seconds": seconds,
            "cpu": spent,
            "accepted": len(waits),
            "p50": waits[len(waits) // 2],
            "p99": waits[math.ceil(len(waits) * 0.99) - 1],
            "digest": made.digest(),
        }

    async def hold(self) -> None:
        waiting = iter(range(self._job.connections))
        held: list[Client] = []

        async def open_some() -> None:
            for _ in waiting:
                held.append(await self._play(greet(bool(self._job.tls), None)))

        await asyncio.gather(*(open_some() for _ in range(_OPENING)))
        print(json.dumps({"held": len(held)}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        alive = sum(not client.transport.is_closing() for client in held)
        print(json.dumps({"alive": alive}), flush=True)

    def _dues(self) -> Iterator[float]:
        # From when the first connection has logged in: what that costs is no mail's wait.
        began = time.perf_counter()
        for number in itertools.count():
            yield began + number / self._job.rate

    async def _session(self, mails: Iterator[Mail], dues: Iterator[float] | None) -> None:
        while (first := next(mails, None)) is not None:
            mine = itertools.chain((first,), mails) if self._job.kept else (first,)
            client = await self._play(self._conversation(submit(mine, self._waits, dues)))
            client.transport.close()

    def _conversation(self, submitting: Conversation) -> Conversation:
        yield from greet(bool(self._job.tls), self._job.login)
        yield from submitting
        yield b"QUIT\r\n"

    async def _play(self, conversation: Conversation) -> Client:
        loop = asyncio.get_running_loop()
        source = None
        if self._job.sources > 1:
            high, low = divmod(next(self._source), 250)
            source = (f"127.0.{high}.{low + 1}", 0)
        client = Client(conversation, self._tls)
        await loop.create_connection(lambda: client, self._host, self._port, local_addr=source)
        await client.done
        return client


async def _main() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    generator = _Generator(job)
    if job.hold:
        await generator.hold()
    else:
        print(json.dumps(await generator.submit()))


if __name__ == "__main__":
    uvloop.run(_main())
