"""A rotation of the master key that is killed, anywhere: no value is lost, and none stays under an old key."""

import asyncio
import json
import random
import signal
import sys
from pathlib import Path

from pillarbox.core import master_key
from tests import service
from tests.faults.rotating import KEY, Desk, key_ids_on_disk

ROOT = Path(__file__).parents[2]
KILLS = 20
CACHES, SAVERS = 600, 8


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.rotating", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    service.STARTED.append(process)
    return process


class Told:
    """What the killed processes told: the last durable save of each owner, and how many rotations came to an end."""

    def __init__(self) -> None:
        self.saved: dict[str, int] = {}
        self.saves = 0
        self.rotations = 0

    async def life(self, folder: Path, milliseconds: float) -> None:
        """One process, from its start to its kill."""
        process = await _start("load", str(folder), str(CACHES), str(SAVERS))
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n", (await process.stderr.read()).decode()
        asyncio.get_running_loop().call_later(milliseconds / 1000, process.kill)
        async for line in process.stdout:
            self._hear(line)
        errors = (await process.stderr.read()).decode()
        assert (await process.wait(), errors) == (-signal.SIGKILL, "")

    def _hear(self, line: bytes) -> None:
        word, *rest = line.decode().split()
        if not line.endswith(b"\n"):
            return  # cut off by the kill
        if word == "saved":
            self.saved[rest[0]] = int(rest[1])
            self.saves += 1
        else:
            self.rotations += 1


async def test_kills_during_rotations_under_load_lose_nothing_and_leave_nothing_under_an_old_key(
    tmp_path: Path,
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    desk = await Desk.open(tmp_path)
    await desk.furnish(CACHES)
    first = desk.ring.ids[0]
    await desk.database.close()
    told, cut = Told(), 0
    for _ in range(KILLS):
        await told.life(tmp_path, chance.uniform(100, 300))
        cut += len(master_key.read(tmp_path / KEY).keys) > 1
    desk = await Desk.open(tmp_path)
    status = await desk.rotation.rotate()
    saved = {owner: await desk.saved(owner) for owner in told.saved}
    await desk.database.close()
    print(f"seed {seed}: {KILLS} kills, {cut} of them within a rotation, {told.rotations} whole rotations, "
          f"{told.saves} saves")  # fmt: skip
    (key,) = master_key.read(tmp_path / KEY).ids
    assert (status.advice.code, dict(status.undecryptable)) == ("vault.sound", {})
    assert key_ids_on_disk(tmp_path) == {key: CACHES + 3}
    assert key != first
    assert {owner: number for owner, number in told.saved.items() if saved[owner] < number} == {}
    assert told.saves > KILLS
    assert cut > 0


async def test_a_rotation_cut_at_any_step_of_the_file_goes_on_with_the_same_keys(tmp_path: Path) -> None:
    process = await _start("cuts", str(tmp_path))
    output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    told = [json.loads(line) for line in output.splitlines()]
    assert len(told) > 20
    assert {one["keys"] for one in told} == {1, 2}
    for one in told:
        # What the first key of the file was after the cut is what everything is under in the end: no third key.
        assert one["after"] == [one["before"]], one
        assert one["values"] == {one["before"]: 6}, one
        assert one["files"] == [KEY], one
