"""SIGKILL just before and just after a bounce is committed: the sender gets one, whatever was cut off."""

import signal

import pytest

from tests.conftest import Microsoft
from tests.faults.conftest import MakeLives
from tests.faults.lives import furnish
from tests.faults.test_crash_points import SCANNER, SETTLE, Crashes


@pytest.mark.parametrize(("point", "attempts"), [("before_finish", 2), ("after_finish", 1)])
async def test_a_kill_around_the_bounce_leaves_exactly_one(
    microsoft: Microsoft, make_lives: MakeLives, point: str, attempts: int
) -> None:
    crashes = Crashes(make_lives(delivery_settle=SETTLE), "send-only")
    life = await crashes.lives.begin(point)
    await furnish(life, microsoft, "send-only", SCANNER)
    microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients", times=attempts)
    await life.arm()
    await crashes.hand_in(life, 0)  # It may die before it can say the queue id.
    assert await life.exit == -signal.SIGKILL
    life = await crashes.lives.begin()
    await life.logged(lambda lines: any("state=sent" in line and "mail.final" in line for line in lines))
    (entry,) = microsoft.emulator.ledger.entries
    queue_id = dict(entry.headers)["X-Pillarbox-Loop"]
    assert crashes.acknowledged in ([], [queue_id])
    assert list(entry.recipients) == [SCANNER]
    assert (await crashes.shown(life, queue_id))["state"] == "bounced"
    assert await life.end(signal.SIGTERM) == 0
    assert len(microsoft.emulator.ledger.entries) == 1
