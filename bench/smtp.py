"""The SMTP door beside Postfix and aiosmtpd: how many messages, for how much CPU, and how long a client waits.

Each figure of a round is of a fresh server; the servers take turns, each round beginning with another one. All of them
have each message on the disk before its 250 (bench/durability.py shows it) and deliver it to a transport that discards
it. CPU is that of the whole process or of all of Postfix's, from the first connection until the queue is empty.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench import postfix, smtp_source
from bench.load import Job
from bench.processes import Load, met, spread, submit
from bench.servers import NO_DELIVERY, SENDERS, anchor, door, start

CONNECTIONS = 8
FULL = 0.9
"""Of a core: a load generator that needs more is the brake itself."""
_WARM_UP = 200
_CPU_TO_250, _CPU_RATIO, _WAIT = 0.8, 0.5, 0.1
_PACE, _PACED = 100.0, 1500


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to connect, and what is to be reached: so many times Postfix's messages a second."""

    name: str
    servers: Sequence[str]
    target: float | None
    """None: the anchor's number is of something else, so that there is nothing to reach."""
    kept: bool = False
    tls: Literal["", "1.2", "1.3"] = ""


_TLS_SERVERS = ("pillarbox", "postfix")
WAYS = (
    _Way("kept connections", ("pillarbox", NO_DELIVERY, "aiosmtpd", "postfix"), 1.5, kept=True),
    _Way("a new connection per message", ("pillarbox", "aiosmtpd", "postfix"), 1.5),
    _Way("a new connection with STARTTLS (TLS 1.2) and AUTH per message", _TLS_SERVERS, 1.0, tls="1.2"),
    _Way("the same with TLS 1.3, where Postfix waits 40 ms for a delayed ACK each time", _TLS_SERVERS, None, tls="1.3"),
)


@dataclass(frozen=True, slots=True)
class _Round:
    load: Load
    cpu: float
    """Milliseconds per message."""


async def rates(rounds: int, messages: int) -> None:
    """Print messages a second and CPU per message."""
    postfix.check(with_login=True)
    print(f"smtp-rate: 10 KB mails, {CONNECTIONS} sessions, {rounds} x {messages} messages, no pipelining;")
    print("  AUTH and header scan on ours; delivered to a transport that discards; CPU until the queue is empty;")
    print("  the one argon2 hash that a device costs (then its login is remembered for an hour) is paid in the warm-up")
    for way in WAYS:
        print(f"  {way.name}:")
        results: dict[str, list[_Round]] = {name: [] for name in way.servers}
        for number in range(rounds):
            for name in _turned(way.servers, number):
                results[name].append(await _round(name, way, messages))
        _print(way, results)


def _turned(names: Sequence[str], number: int) -> Sequence[str]:
    first = number % len(names)
    return (*names[first:], *names[:first])


async def _round(name: str, way: _Way, messages: int) -> _Round:
    async with start(name, starttls=bool(way.tls)) as server:
        login = server.login

        def job(count: int) -> Job:
            return Job(server.address, SENDERS, count, CONNECTIONS, login, kept=way.kept, tls=way.tls)

        delivers = name != NO_DELIVERY
        await submit(job(_WARM_UP))
        if delivers:
            await server.drained(_WARM_UP)
        before = server.cpu()
        load = await submit(job(messages))
        if delivers:
            await server.drained(_WARM_UP + messages)
        return _Round(load, (server.cpu() - before) / messages * 1000)


def _print(way: _Way, results: dict[str, list[_Round]]) -> None:
    for name, done in results.items():
        cpu = spread([one.cpu for one in done], 2)
        print(f"    {name:12} accepted/s {_shown(done)}   CPU ms/message {cpu}   generator {_busy(done):.0%} of a core")
    ours, theirs = results["pillarbox"], results["postfix"]
    ratio = [mine.load.rate / other.load.rate for mine, other in zip(ours, theirs, strict=True)]
    if max(_busy(ours), _busy(theirs)) < FULL:
        aim = " (aim 2)" if way.kept else ""
        verdict = "no target"
        if way.target is not None:
            verdict = f"target >= {way.target}{aim}: {met(statistics.median(ratio) >= way.target)}"
        print(f"    accepted/s, pillarbox / postfix: {spread(ratio, 2)}   {verdict}")
    cpu_ratio = [mine.cpu / other.cpu for mine, other in zip(ours, theirs, strict=True)]
    verdict = "no target" if way.tls else f"target <= {_CPU_RATIO}: {met(statistics.median(cpu_ratio) <= _CPU_RATIO)}"
    print(f"    CPU in all, pillarbox / postfix: {spread(cpu_ratio, 2)}   {verdict}")
    if NO_DELIVERY in results:
        to_250 = [one.cpu for one in results[NO_DELIVERY]]
        good = met(statistics.median(to_250) <= _CPU_TO_250)
        print(f"    CPU to the 250 (no delivery), ms/message: {spread(to_250, 2)}   target <= {_CPU_TO_250}: {good}")


def _busy(done: Sequence[_Round]) -> float:
    return statistics.median(one.load.own_core for one in done)


def _shown(done: Sequence[_Round]) -> str:
    return spread([one.load.rate for one in done], 0) if _busy(done) < FULL else "not shown (load generator full)"


# ---- a witness


async def witness(rounds: int, messages: int) -> None:
    """Print what smtp-source says of both; ours knows it by its network, as it cannot log in."""
    postfix.check()
    print(f"smtp-source: Postfix's generator, no AUTH, {CONNECTIONS} sessions, {rounds} x {messages} messages of 10 KB")
    for kept in (True, False):
        found: dict[str, list[float]] = {"pillarbox": [], "postfix": []}
        for number in range(rounds):
            for name in _turned(tuple(found), number):
                async with anchor() if name == "postfix" else door(by_network=True) as server:
                    for count in (_WARM_UP, messages):
                        rate = await smtp_source.rate(server.address, SENDERS[0], count, CONNECTIONS, kept=kept)
                    found[name].append(rate)
        ratio = [ours / theirs for ours, theirs in zip(found["pillarbox"], found["postfix"], strict=True)]
        print("  kept connections:" if kept else "  a new connection per message:")
        for name, values in found.items():
            print(f"    {name:12} accepted/s {spread(values, 0)}")
        print(f"    pillarbox / postfix: {spread(ratio, 2)}")


# ---- how long a client waits


async def waits(rounds: int, messages: int) -> None:
    """Print the time from when a mail was due to its 250, at a steady pace."""
    postfix.check()
    count = min(messages, _PACED)
    print(
        f"smtp-wait: {_PACE:.0f} messages/s of 10 KB over {CONNECTIONS} kept connections, {rounds} x {count} messages;"
    )
    print("  milliseconds from when a mail was due (MAIL, RCPT, DATA and its text follow) to its 250")
    found: dict[str, list[Load]] = {"pillarbox": [], "postfix": []}
    for number in range(rounds):
        for name in _turned(tuple(found), number):
            async with start(name) as server:
                job = Job(server.address, SENDERS, count, CONNECTIONS, server.login, rate=_PACE)
                found[name].append(await submit(job))
    for name, loads in found.items():
        middle, most = ([getattr(load, key) * 1000 for load in loads] for key in ("p50", "p99"))
        pace = statistics.median(load.rate for load in loads)
        print(f"    {name:12} p50 {spread(middle, 1)}   p99 {spread(most, 1)}   held {pace:.0f}/s")
    worst = statistics.median(load.p99 for load in found["pillarbox"])
    print(f"    p99 of pillarbox: target < {_WAIT * 1000:.0f} ms: {met(worst < _WAIT)}")
