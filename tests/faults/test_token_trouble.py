"""Tokens that Microsoft does not take any more, again and again, and a secret that is replaced: no mail stops (F10)."""

import asyncio
import signal
from pathlib import Path

from tests.conftest import Microsoft
from tests.faults import oracle, scale
from tests.faults.conftest import MakeLives
from tests.faults.lives import SENDERS, furnish
from tests.faults.load import Load

MAILS = scale.figure("TOKEN_MAILS", 150, 2_000)
ENDS = scale.figure("TOKEN_ENDS", 8, 100)
"""So often all tokens end."""
APART = 600.0
"""Seconds: of tokens that are refused as soon as they were fetched, no third is asked for within five minutes."""


async def test_no_message_is_held_for_tokens_that_end_and_each_is_replaced_once(
    microsoft: Microsoft, make_lives: MakeLives, tmp_path: Path, seed: int
) -> None:
    lives = make_lives(60, delivery_settle="30 60 90")
    life = await lives.begin()
    password = await furnish(life, microsoft, "verify", *SENDERS)
    emulator = microsoft.emulator
    app = emulator.world.app(list(microsoft.seed.secrets)[-1])
    assert app is not None
    load = Load(password, SENDERS, 0)
    load.point_at(life.ready["smtp"])
    for number in range(ENDS):
        if number == ENDS // 2:
            new = {"client_secret": emulator.world.add_secret(app)}
            await asyncio.to_thread(life.api.post, "/api/v1/apps/contoso/credentials", new)
        lives.jump(number * APART)
        emulator.faults.add(path="/sendMail", revoke_tokens=True, times=1)
        load.more(MAILS // ENDS)
        await asyncio.gather(*(load.client() for _ in range(4)))
        await life.idle()
    assert await life.listed("held") == []
    assert await life.end(signal.SIGTERM) == 0
    found = oracle.judge(microsoft.emulator, load.ids, tmp_path / "state")
    issued = emulator.ledger.tokens["issued"]
    print(f"seed {seed}: {len(load.ids)} acknowledged, all tokens ended {ENDS} times, {issued} issued, {found}")
    assert emulator.ledger.answers[401] >= ENDS
    # One at the start and one for the new secret, besides.
    assert issued <= ENDS + 2
    assert found.states == {"sent": len(load.ids)}
    assert not found.lost
    assert not found.twice
