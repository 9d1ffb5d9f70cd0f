"""How near delivery comes to what Graph lets through: a slow Graph, and as many messages at once as are allowed."""

import time
from typing import Final

from bench.load import Job
from bench.processes import met, spread, submit
from bench.smtp import CONNECTIONS
from bench.tenant import Bench, started

MAILBOXES: Final = 20
AT_ONCE: Final = 3
"""Of a mailbox: the default of delivery.per_mailbox."""
ANSWER: Final = 0.3
"""Seconds that Graph takes for a message."""
AIM: Final = 0.9


async def run(rounds: int, messages: int) -> None:
    """Print the figures."""
    ideal = MAILBOXES * AT_ONCE / ANSWER
    print(f"pace: Graph takes {ANSWER * 1000:.0f} ms, {MAILBOXES} mailboxes x {AT_ONCE}: {ideal:.0f}/s at the most")
    async with started(MAILBOXES, answer_after=ANSWER) as bench:
        await _round(bench, 2 * MAILBOXES * AT_ONCE)
        rates = [await _round(bench, messages) for _ in range(rounds)]
    good = met(min(rates) >= AIM * ideal)
    print(f"  sent/s {spread(rates, 1)}   {min(rates) / ideal:.1%} of it and more; aim >= {AIM:.0%}: {good}")


async def _round(bench: Bench, messages: int) -> float:
    """Messages a second, from the first that is handed in to the last that Graph has taken."""
    goal = await bench.arrived() + messages
    began = time.perf_counter()
    await submit(Job(bench.gateway.ready["smtp"], bench.senders, messages, CONNECTIONS, bench.login))
    return messages / (await bench.all_arrived(goal) - began)
