"""What became of it all: the emulator's ledger x the queue ids that clients were told x the final states."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pillarbox.emulator import Emulator


@dataclass(frozen=True)
class Verdict:
    """Queue ids of what went wrong, or might have: `lost`, came `twice`, told `flagged` as perhaps doubled.

    `doubled` are subjects that came under two queue ids. `states` counts the outbox by state; `notices` are what was
    written to senders: bounces, and warnings.
    """

    lost: frozenset[str]
    twice: frozenset[str]
    flagged: frozenset[str]
    doubled: frozenset[str]
    states: Counter[str]
    notices: int
    whole: bool

    def __str__(self) -> str:
        return (
            f"{len(self.lost)} lost, {len(self.twice)} came twice, {len(self.flagged)} flagged, "
            f"{len(self.doubled)} accepted twice, {dict(self.states)}"
        )


def judge(emulator: Emulator, told: Iterable[str], state_dir: Path) -> Verdict:
    """After the last service has ended."""
    arrived: Counter[str] = Counter()
    ids: dict[str, set[str]] = {}
    for entry in emulator.ledger.entries:
        headers = dict(entry.headers)
        queue_id = headers["X-Pillarbox-Id"]
        arrived[queue_id] += 1
        ids.setdefault(headers["Subject"], set()).add(queue_id)
    with closing(sqlite3.connect(state_dir / "pillarbox.db")) as store:
        states = Counter(
            dict(store.execute("SELECT state, count(*) FROM outbox WHERE bounce_of IS NULL GROUP BY state"))
        )
        notices = store.execute("SELECT count(*) FROM outbox WHERE bounce_of IS NOT NULL").fetchone()[0]
        flagged = frozenset(row[0] for row in store.execute("SELECT id FROM outbox WHERE maybe_duplicate"))
        whole = store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return Verdict(
        lost=frozenset(told) - arrived.keys(),
        twice=frozenset(queue_id for queue_id, times in arrived.items() if times > 1),
        flagged=flagged,
        doubled=frozenset(subject for subject, those in ids.items() if len(those) > 1),
        states=states,
        notices=notices,
        whole=whole,
    )
