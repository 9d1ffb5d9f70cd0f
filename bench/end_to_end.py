"""SMTP in, durable, Graph out to the emulator: sent messages a second, and the gateway's CPU per message."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.load import Job
from bench.processes import met, spread, submit
from bench.smtp import CONNECTIONS, FULL
from bench.tenant import Bench, started

AIM: Final = 1.0
MAILBOXES: Final = 50
_WARM: Final = 300
_MODES: Final = ("send-only", "verify", "draft")
"""The first has the aim; the others are shown beside it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One round."""

    rate: float
    gateway_ms: float
    emulator_core: float
    load_core: float


async def run(rounds: int, messages: int) -> None:
    """Print the figures."""
    setup = f"{CONNECTIONS} kept connections, {MAILBOXES} mailboxes x 3, {rounds} x {messages} messages a mode"
    print(f"end to end: 10 KB mails, {setup}")
    async with started(MAILBOXES) as bench:
        for mode in _MODES:
            await bench.choose(mode)
            await _round(bench, _WARM)
            _print(mode, [await _round(bench, messages) for _ in range(rounds)])


def _print(mode: str, results: Sequence[Result]) -> None:
    emulator_core = statistics.median(result.emulator_core for result in results)
    load_core = statistics.median(result.load_core for result in results)
    shown = max(emulator_core, load_core) < FULL
    rate = spread([result.rate for result in results], 0) if shown else "not shown (emulator or load generator full)"
    per_message = [result.gateway_ms for result in results]
    own_core = statistics.median(result.rate * result.gateway_ms / 1000 for result in results)
    cores = f"gateway {own_core:.0%}, emulator {emulator_core:.0%}, load generator {load_core:.0%} of a core"
    aim = f"   aim <= {AIM}: {met(statistics.median(per_message) <= AIM)}" if mode == _MODES[0] else ""
    print(f"  {mode:9} sent/s {rate}   {cores}")
    print(f"  {mode:9} gateway CPU ms/message {spread(per_message, 3)}{aim}", flush=True)


async def _round(bench: Bench, messages: int) -> Result:
    goal = await bench.arrived() + messages
    began, before, emulator_before = time.perf_counter(), bench.gateway.cpu(), bench.emulator.cpu()
    load = await submit(Job(bench.gateway.ready["smtp"], bench.senders, messages, CONNECTIONS, bench.login))
    seconds = await bench.all_arrived(goal) - began
    await asyncio.sleep(0.3)  # the last results are written
    return Result(
        rate=messages / seconds,
        gateway_ms=(bench.gateway.cpu() - before) / messages * 1000,
        emulator_core=(bench.emulator.cpu() - emulator_before) / seconds,
        load_core=load.own_core,
    )
