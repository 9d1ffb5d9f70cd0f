"""A message at which the process dies, each time: it is held after three deaths, and holds up no other (F12).

`make faults`: one among a thousand.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from pillarbox.core.errors import Unavailable
from tests.conftest import Microsoft
from tests.faults import oracle, scale
from tests.faults.conftest import MakeLives
from tests.faults.lives import SENDERS, Life, furnish
from tests.faults.load import Load

MAILS = scale.figure("POISON_AMONG", 30, 1000)
POISON = f"<{MAILS // 2}@load.contoso.example>"
DEATHS = 3


@pytest.mark.timeout(60 + MAILS // 5)
async def test_one_poison_is_held_after_three_deaths_and_all_others_are_sent(
    microsoft: Microsoft, make_lives: MakeLives, tmp_path: Path
) -> None:
    lives = make_lives(60, delivery_settle="30 60 90")
    life = await lives.begin()
    # All in one mailbox, where others are on their way beside it.
    load = Load(await furnish(life, microsoft, "verify", SENDERS[0]), SENDERS[:1], MAILS)
    await life.arm()
    assert await life.end(signal.SIGTERM) == 0
    deaths = 0
    life = await lives.begin("before_send", only=POISON, armed=True)
    load.point_at(life.ready["smtp"])
    client = asyncio.create_task(load.client())
    while not await _over(life, client):
        assert await life.exit == -signal.SIGKILL
        deaths += 1
        load.gone()
        life = await lives.begin("before_send", only=POISON, armed=True)
        load.point_at(life.ready["smtp"])
    (held,) = await life.listed("held")
    assert await life.end(signal.SIGTERM) == 0
    found = oracle.judge(microsoft.emulator, set(load.ids) - {held}, tmp_path / "state")
    print(f"{len(load.ids)} acknowledged, {deaths} deaths, {found}")
    assert deaths == DEATHS
    assert found.states == {"sent": MAILS - 1, "held": 1}
    assert not found.lost
    assert not found.twice


async def _over(life: Life, client: asyncio.Task[None]) -> bool:
    """Whether it has nothing left to do, not even for its clients; False when it has died first."""
    idle = asyncio.create_task(_idle(life, client))
    await asyncio.wait((idle, life.exit), return_when=asyncio.FIRST_COMPLETED)
    if idle.done() and idle.exception() is None:
        return True
    idle.cancel()
    await asyncio.wait((idle,))
    assert idle.cancelled() or isinstance(idle.exception(), Unavailable)
    return False


async def _idle(life: Life, client: asyncio.Task[None]) -> None:
    await asyncio.shield(client)
    await life.idle()
