"""A clock that jumps by an hour or by ten years, there and back: all is delivered, and nobody gets a bounce (F9).

A fifth of all requests goes wrong meanwhile, so that there is much to wait for. `make faults`: 100 jumps.
"""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.faults import oracle, scale
from tests.faults.chaos import PATIENCE, Chaos
from tests.faults.conftest import MakeLives
from tests.faults.lives import ROLES, SENDERS, furnish
from tests.faults.load import Load

JUMPS = scale.figure("JUMPS", 10, 100)
MAILS = 15 * JUMPS
SPEED = 60.0
HOUR = 3600.0
FAR = 10 * 365.25 * 24 * HOUR


@pytest.mark.timeout(60 + 3 * JUMPS)
@pytest.mark.parametrize("mode", ROLES)
async def test_all_is_delivered_and_nothing_bounces_whatever_the_clock_says(
    microsoft: Microsoft, chaos: Chaos, make_lives: MakeLives, tmp_path: Path, mode: str, seed: int
) -> None:
    chance = random.Random(seed)
    if mode == "send-only":
        chaos.calm("429 after")
    settings = {"microsoft_timeout": str(SPEED * PATIENCE), "retention_messages": str(5 * FAR)}
    lives = make_lives(SPEED, delivery_settle="30 60 90", **settings)
    life = await lives.begin()
    load = Load(await furnish(life, microsoft, mode, *SENDERS), SENDERS, MAILS)
    chaos.raging = True
    clients = [asyncio.create_task(load.client()) for _ in range(4)]
    load.point_at(life.ready["smtp"])
    for number in range(1, JUMPS + 1):
        await load.acknowledged(number * MAILS // JUMPS)
        lives.jump(chance.choice((-FAR, -HOUR, 0.0, HOUR, FAR)))
    await asyncio.gather(*clients)
    chaos.raging = False
    await life.finished()
    assert await life.end(signal.SIGTERM) == 0
    found = oracle.judge(microsoft.emulator, load.ids, tmp_path / "state")
    print(f"{mode}, seed {seed}: {JUMPS} jumps, {len(load.ids)} acknowledged, {found}")
    assert not found.notices
    assert not found.lost
    assert found.states == {"sent": MAILS}
    assert found.twice <= found.flagged
