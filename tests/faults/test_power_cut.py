"""The power goes: what was committed is there, and the store is whole (F4).

The control run is without the fsync at each commit (`synchronous=NORMAL`): it must lose some, or the test tests
nothing. `make faults`: 200 cuts.
"""

import asyncio
import random
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests import service
from tests.conftest import MakeHouse
from tests.faults import scale

CUTS = scale.figure("CUTS", 8, 200)
ROOT = Path(__file__).parents[2]


async def _acknowledged(state: Path, synchronous: str, mails: int, seed: int) -> set[str]:
    """The queue ids that one life told before the power went."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.power_cut", str(state), synchronous, str(mails), str(seed)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    service.STARTED.append(process)
    output, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    (state / "pillarbox.db-shm").unlink(missing_ok=True)
    return set(output.decode().split())


def _kept(state: Path) -> set[str]:
    """The queue ids in the store, which is whole."""
    with closing(sqlite3.connect(state / "pillarbox.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.execute("SELECT count(*) FROM outbox WHERE seq NOT IN (SELECT seq FROM bodies)").fetchone() == (0,)
        return {row[0] for row in store.execute("SELECT id FROM outbox")}


@pytest.mark.timeout(60 + 10 * CUTS)
@pytest.mark.parametrize(("synchronous", "loses"), [("FULL", False), ("NORMAL", True)])
async def test_what_was_acknowledged_outlives_a_power_cut(
    make_house: MakeHouse, tmp_path: Path, synchronous: str, loses: bool
) -> None:
    house = await make_house(start=False)
    await house.furnish("scanner@contoso.example")
    await house.gateway.stop()
    state, seed = tmp_path / "state", scale.seed()
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    lost: set[str] = set()
    for number in range(CUTS):
        # Every other time some of what waited has reached the disk.
        told = await _acknowledged(state, synchronous, chance.randint(1, 300), chance.randrange(1 << 32) * (number % 2))
        kept = _kept(state)
        assert told
        acknowledged |= told
        lost |= told - kept
        # What was there once stays.
        assert loses or acknowledged <= kept
    print(f"{synchronous}, seed {seed}: {CUTS} cuts, {len(acknowledged)} acknowledged, {len(lost)} lost")
    assert bool(lost) is loses
