"""SIGKILL just before and just after a bounce is committed: the sender gets one, whatever was cut off."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.faults.dying import ARMED
from tests.faults.test_crash_points import NOWHERE, SCANNER, Crashes


@pytest.mark.parametrize(("point", "attempts"), [("before_finish", 2), ("after_finish", 1)])
async def test_a_kill_around_the_bounce_leaves_exactly_one(
    tmp_path: Path, microsoft: Microsoft, point: str, attempts: int
) -> None:
    crashes = Crashes(tmp_path, microsoft, "send-only")
    service = await crashes.start(point)
    await crashes.furnish(service)
    microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients", times=attempts)
    os.kill(service.ready["pid"], signal.SIGUSR1)
    await service.logged(lambda lines: ARMED in lines)
    dead = asyncio.create_task(service.process.wait())
    await crashes.hand_in(service, 0)  # It may die before it can say the queue id.
    assert await dead == -signal.SIGKILL
    service = await crashes.start(NOWHERE)
    await service.logged(lambda lines: any("state=sent" in line and "mail.final" in line for line in lines))
    (entry,) = microsoft.emulator.ledger.entries
    queue_id = dict(entry.headers)["X-Pillarbox-Loop"]
    assert crashes.acknowledged in ([], [queue_id])
    assert list(entry.recipients) == [SCANNER]
    assert (await crashes._shown(service, queue_id))["state"] == "bounced"
    assert await service.end(signal.SIGTERM) == 0
    assert len(microsoft.emulator.ledger.entries) == 1
