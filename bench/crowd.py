"""Many at once: memory of 5,000 connections that say nothing, and of 100 messages of 35 MB.

The messages go to a transport that reads them in pieces and keeps their SHA-256: the figure stands for the door and the
store, not for what Graph's client needs to send them on.
"""

import asyncio
from typing import Literal

from bench.load import Job
from bench.processes import holding, met, spread, submit
from bench.servers import SENDERS, door

_HELD, _HELD_AIM = 5000, 50.0
_PER_ADDRESS = 20
_LARGE, _LARGE_SIZE, _LARGE_AIM = 100, 35 * 1024 * 1024, 400.0
_PATIENT = {
    "PILLARBOX_SMTP__MAX_CONNECTIONS": str(_HELD + 100),
    "PILLARBOX_SMTP__GREETING_TIMEOUT": "3600",
    "PILLARBOX_SMTP__TIMEOUT": "3600",
}
_ROOMY = {
    "PILLARBOX_SMTP__MAX_SIZE": str(_LARGE_SIZE + 100_000),
    "PILLARBOX_SMTP__MAX_CONNECTIONS_PER_IP": str(_LARGE),
    "PILLARBOX_SMTP__MAX_CONNECTIONS_PER_SUBMITTER": str(_LARGE),
    "PILLARBOX_SMTP__TIMEOUT": "3600",
}


async def connections(rounds: int, _messages: int) -> None:
    """Print what idle connections need."""
    print(f"smtp-connections: {_HELD} connections after EHLO, from {_HELD // _PER_ADDRESS} addresses, {rounds} starts")
    plain = [await _held("") for _ in range(rounds)]
    good = met(max(plain) < _HELD_AIM)
    print(f"    plain, MB above idle {spread(plain, 1)}   target < {_HELD_AIM:.0f}: {good}")
    secure = [await _held("1.3") for _ in range(rounds)]
    each = max(secure) * 1e6 / _HELD / 1000
    print(f"    TLS 1.3, MB above idle {spread(secure, 1)}   {each:.0f} KB each; no target")


async def _held(tls: Literal["", "1.3"]) -> float:
    async with door(settings=_PATIENT) as server:
        # The first ones pay for what all share.
        once = Job(server.address, SENDERS, connections=10, tls=tls, hold=True)
        async with holding(once):
            pass
        await asyncio.sleep(1)
        idle = server.process.rss()
        many = Job(server.address, SENDERS, connections=_HELD, tls=tls, hold=True, sources=_HELD // _PER_ADDRESS)
        async with holding(many) as held:
            if held != _HELD:
                raise RuntimeError(f"only {held} connections are held")
            await asyncio.sleep(1)
            return server.process.rss() - idle


async def large(rounds: int, _messages: int) -> None:
    """Print the peak of memory."""
    setup = f"{_LARGE} connections, a message of {_LARGE_SIZE // 1024**2} MiB each, at once; {rounds} rounds"
    print(f"smtp-large: {setup};")
    print(
        "  the door alone: delivered to a transport that takes their SHA-256, which is compared; nothing goes to Graph"
    )
    peaks = [await _peak() for _ in range(rounds)]
    good = met(max(peaks) < _LARGE_AIM)
    print(f"    peak RSS, MB {spread(peaks, 0)}   target < {_LARGE_AIM:.0f}: {good}; all {_LARGE} accepted and whole")


async def _peak() -> float:
    async with door(way="digest", settings=_ROOMY) as server:
        job = Job(server.address, SENDERS, _LARGE, _LARGE, server.login, kept=False, size=_LARGE_SIZE)
        load = await submit(job)
        seen = await server.seen(_LARGE)
        if seen["digests"] != {load.digest: _LARGE}:
            raise RuntimeError(f"other bytes left than came: {seen}")
        return server.process.peak()
