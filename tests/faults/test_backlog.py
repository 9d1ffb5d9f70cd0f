"""A hundred thousand messages wait in fifty mailboxes: ready and sending soon, no mailbox waits for others (F13)."""

import asyncio
import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.faults import scale
from tests.faults.conftest import MakeLives
from tests.faults.lives import furnish

ROWS = scale.figure("ROWS", 20_000, 100_000)
MAILBOXES = 50
WATCHED = scale.figure("WATCHED", 500, 5_000)
"""So many are sent until the shares are looked at."""
MIME = b"From: %s\r\nTo: alice@contoso.example\r\nMessage-ID: <%d@x>\r\n\r\nx\r\n"


def _fill(state: Path, addresses: list[str]) -> None:
    """Messages that were accepted long ago: most of them in one mailbox."""
    big = ROWS - (MAILBOXES - 1) * (ROWS // 2 // MAILBOXES)
    of = [addresses[0]] * big + addresses[1:] * (ROWS // 2 // MAILBOXES)
    with closing(sqlite3.connect(state / "pillarbox.db")) as store, store:
        ids = dict(store.execute("SELECT address, id FROM mailboxes"))
        rows = [
            (
                number,
                f"Q{number:08}",
                ids[address],
                address,
                json.dumps(["alice@contoso.example"]),
                f"<{number}@x>",
                time.time(),
            )
            for number, address in enumerate(of, 1)
        ]
        store.executemany(
            "INSERT INTO outbox (seq, id, mailbox_id, submitter, sender, recipients, size, message_id, created_at,"
            " state, due_at) VALUES (?1, ?2, ?3, 'printer', ?4, ?5, 60, ?6, ?7, 'queued', ?7)",
            rows,
        )
        store.executemany(
            "INSERT INTO bodies (seq, part, data) VALUES (?, 0, ?)",
            [(number, MIME % (address.encode(), number)) for number, address in enumerate(of, 1)],
        )


@pytest.mark.timeout(120)
async def test_a_long_backlog_is_taken_up_at_once_and_shared_fairly(
    microsoft: Microsoft, make_lives: MakeLives, tmp_path: Path
) -> None:
    addresses = [f"store{number}@contoso.example" for number in range(MAILBOXES)]
    for address in addresses:
        microsoft.emulator.world.add_user(microsoft.seed.tenant, address.partition("@")[0])
    lives = make_lives()
    life = await lives.begin()
    await furnish(life, microsoft, "send-only", *addresses)
    assert await life.end(signal.SIGTERM) == 0
    await asyncio.to_thread(_fill, tmp_path / "state", addresses)
    microsoft.emulator.faults.add(path="/sendMail", delay=0.2, when="after")
    began = time.monotonic()
    life = await lives.begin()
    ready = time.monotonic() - began
    await life.logged(lambda lines: any("mail.attempt" in line for line in lines))
    first = time.monotonic() - began - ready
    await life.logged(lambda lines: sum("mail.attempt" in line for line in lines) >= WATCHED)
    shares = Counter(entry.mailbox for entry in microsoft.emulator.ledger.entries)
    fair = sum(shares.values()) / MAILBOXES
    print(f"{ROWS} rows: ready in {ready:.2f} s, first sent {first:.2f} s later, shares {min(shares.values())} to "
          f"{max(shares.values())} of {fair:.0f}")  # fmt: skip
    assert await life.end(signal.SIGKILL) == -signal.SIGKILL
    assert ready < 5
    assert first < 2
    assert len(shares) == MAILBOXES
    assert fair / 2 <= min(shares.values()) <= max(shares.values()) <= 2 * fair
