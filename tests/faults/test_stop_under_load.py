"""SIGTERM under load: what is on its way comes to its end, and nothing is left in doubt (F16)."""

import asyncio
import random
import signal
from pathlib import Path

from tests.conftest import Microsoft
from tests.faults import oracle, scale
from tests.faults.conftest import MakeLives
from tests.faults.lives import SENDERS, furnish
from tests.faults.load import Load

STOPS = scale.figure("STOPS", 4, 50)
MAILS = 50 * STOPS


async def test_a_stop_under_load_loses_nothing_and_leaves_nothing_in_doubt(
    microsoft: Microsoft, make_lives: MakeLives, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    # Each request takes its time, so that the signal meets some on their way.
    microsoft.emulator.faults.add(path="/sendMail", delay=0.3, when="after")
    lives = make_lives()
    life = await lives.begin()
    load = Load(await furnish(life, microsoft, "send-only", *SENDERS), SENDERS, MAILS)
    clients = [asyncio.create_task(load.client()) for _ in range(4)]
    met = 0
    for _ in range(STOPS):
        before = len(microsoft.emulator.ledger)
        load.point_at(life.ready["smtp"])
        await load.acknowledged(len(load.ids) + chance.randint(1, MAILS // STOPS))
        load.gone()
        # What Microsoft has taken and has not answered yet is on its way.
        met += len(microsoft.emulator.ledger) > before + sum("mail.attempt" in line for line in life.lines)
        assert await life.end(signal.SIGTERM) == 0
        states = oracle.judge(microsoft.emulator, (), tmp_path / "state").states
        assert states.keys() <= {"sent", "queued"}, states
        life = await lives.begin()
    load.point_at(life.ready["smtp"])
    await asyncio.gather(*clients)
    await life.finished()
    assert await life.end(signal.SIGTERM) == 0
    found = oracle.judge(microsoft.emulator, load.ids, tmp_path / "state")
    print(f"seed {seed}: {STOPS} stops, {met} of them met mail on its way, {len(load.ids)} acknowledged, {found}")
    assert met
    assert not found.lost
    assert not found.twice
    assert not found.doubled
    assert found.states == {"sent": MAILS}
