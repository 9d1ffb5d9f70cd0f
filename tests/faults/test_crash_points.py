"""SIGKILL at each named point of a message's way, in each assurance mode.

The oracle is the emulator's ledger: what was acknowledged has arrived, once in `verify` and `draft`, and in `send-only`
twice only where the outbox says `maybe_duplicate`. In `draft` no draft is left behind either.

Each point once; in `make faults` two hundred times.
"""

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from pillarbox.core.errors import PillarboxError
from pillarbox.emulator import Fault
from pillarbox.emulator.fault import When
from tests.conftest import Microsoft
from tests.faults.conftest import MakeLives
from tests.faults.lives import ROLES, Lives, furnish
from tests.faults.scale import figure
from tests.service import Service

ROUNDS = figure("CRASH_ROUNDS", 1, 200)
SCANNER = "scanner@contoso.example"
SETTLE = "0.05 0.1 0.2"
"""Seconds that need no patience."""
PLAIN = ("after_claim", "before_send", "after_answer", "before_finish", "after_finish")
LOOKS = ("after_doubtful", "before_looked", "after_looked")
DRAFT = ("before_create", "after_create", "after_keep_draft")


def points(mode: str) -> tuple[str, ...]:
    """Those that a message passes in a mode."""
    return (*PLAIN, *LOOKS, *(DRAFT if mode == "draft" else ()))


@dataclass
class Crashes:
    """One store, the lives that end on it one after the other, and what they acknowledged."""

    lives: Lives
    mode: str
    acknowledged: list[str] = field(default_factory=list)
    final: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the outbox says of those that are sent."""

    async def die_at(self, point: str, number: int) -> None:
        """Begin a life, finish what is left from before, hand in a message, and die at the point."""
        microsoft = self.lives.microsoft
        life = await self.lives.begin(point)
        if number == 0:
            await furnish(life, microsoft, self.mode, SCANNER)
        await self.all_sent(life)
        await life.arm()
        if point in LOOKS:
            # There must be something to look up. Microsoft has it, every other time.
            path = "/send" if self.mode == "draft" else "/sendMail"
            when: When = "after" if number % 2 else "before"
            microsoft.emulator.faults.replace([Fault(path=path, when=when, cut=True, times=1)])
        if await self.hand_in(life, number):
            assert await life.exit == -signal.SIGKILL
            return
        await life.exit
        life = await self.lives.begin()
        assert await self.hand_in(life, number), "a living service takes it"
        assert await life.end(signal.SIGTERM) == 0

    async def hand_in(self, service: Service, number: int) -> bool:
        """Hand in a message; False where the process died before it said its queue id."""
        mime = f"From: {SCANNER}\r\nTo: alice@contoso.example\r\nMessage-ID: <{number}@x>\r\n\r\n{number}\r\n".encode()
        try:
            queued = await _ask(service.api.post_message, "/api/v1/sends", mime, [])
        except PillarboxError:
            return False
        self.acknowledged.append(queued["id"])
        return True

    async def all_sent(self, service: Service) -> None:
        """Until all that was acknowledged is sent."""
        for queue_id in self.acknowledged:
            if queue_id in self.final:
                continue
            while (shown := await self.shown(service, queue_id))["state"] != "sent":
                done = f"id={queue_id} state=sent"
                await service.logged(lambda lines, done=done: any(done in line for line in lines))  # type: ignore[misc]
            self.final[queue_id] = shown

    async def shown(self, service: Service, queue_id: str) -> dict[str, Any]:
        """What the outbox says of a message."""
        return dict((await _ask(service.api.get, f"/api/v1/sends/{queue_id}"))["message"])


async def _ask(call: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


@pytest.mark.timeout(120 + 60 * ROUNDS)
@pytest.mark.parametrize("mode", ROLES)
async def test_a_kill_at_any_point_loses_nothing_and_doubles_nothing_in_silence(
    microsoft: Microsoft, make_lives: MakeLives, mode: str
) -> None:
    crashes = Crashes(make_lives(delivery_settle=SETTLE), mode)
    for number, point in enumerate(points(mode) * ROUNDS):
        await crashes.die_at(point, number)
    life = await crashes.lives.begin()
    await crashes.all_sent(life)
    assert await life.end(signal.SIGTERM) == 0
    arrived = Counter(dict(entry.headers)["X-Pillarbox-Id"] for entry in microsoft.emulator.ledger.entries)
    lost = [queue_id for queue_id in crashes.acknowledged if not arrived[queue_id]]
    twice = {queue_id for queue_id, times in arrived.items() if times > 1}
    flagged = {queue_id for queue_id, shown in crashes.final.items() if shown["maybe_duplicate"]}
    print(
        f"{mode}: {len(points(mode)) * ROUNDS} kills, {len(crashes.acknowledged)} acknowledged, {len(lost)} lost, "
        f"{len(twice)} arrived twice, {len(flagged)} flagged"
    )
    assert not lost
    assert set(arrived) == set(crashes.acknowledged)
    if mode == "send-only":
        assert twice, "nothing was doubled where that cannot be helped: the kills did not hit"
        assert twice <= flagged
    else:
        assert not twice
        assert not flagged
    drafts = [one for one in microsoft.emulator.world.mailbox(SCANNER).messages(float("inf")) if one.draft]
    assert not drafts
