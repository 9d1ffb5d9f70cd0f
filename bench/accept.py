"""Accepted messages a second and CPU per message to a durable 250, beside aiosmtpd with the same writer."""

import statistics

from bench.load import Job
from bench.processes import Load, spread, submit
from bench.servers import SENDERS, door
from bench.smtp import CONNECTIONS, FULL

_WARM_UP = 200


async def run(rounds: int, messages: int) -> None:
    """Print the figures, rounds interleaved."""
    setup = f"{CONNECTIONS} kept connections with AUTH, durable outbox, {rounds} x {messages} messages"
    print(f"accept: 10 KB mails, {setup}")
    loads: dict[str, list[Load]] = {"pillarbox": [], "aiosmtpd": []}
    cpu: dict[str, list[float]] = {"pillarbox": [], "aiosmtpd": []}
    for _ in range(rounds):
        for kind in loads:
            load, per_message = await _round(kind, messages)
            loads[kind].append(load)
            cpu[kind].append(per_message)
    for kind, results in loads.items():
        busy = statistics.median(load.own_core for load in results)
        rate = spread([load.rate for load in results], 0) if busy < FULL else "not shown (load generator full)"
        spent = spread(cpu[kind], 3)
        print(f"  {kind:10} accepted/s {rate}   CPU ms/message {spent}   load generator {busy:.0%} of a core")
    ratio = [ours / theirs for ours, theirs in zip(cpu["pillarbox"], cpu["aiosmtpd"], strict=True)]
    print(f"  CPU per message, pillarbox / aiosmtpd: {spread(ratio, 2)}")


async def _round(kind: str, messages: int) -> tuple[Load, float]:
    async with door(kind, "stay") as server:
        await submit(Job(server.address, SENDERS, _WARM_UP, CONNECTIONS, server.login))
        before = server.cpu()
        load = await submit(Job(server.address, SENDERS, messages, CONNECTIONS, server.login))
        return load, (server.cpu() - before) / messages * 1000
