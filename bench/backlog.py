"""Whether a long queue makes anything slow: what the store is asked with ten thousand and with a million messages."""

import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from bench.processes import met
from pillarbox.store.limits import LimitStore
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import open_sqlite

SIZES: Final = (10_000, 1_000_000)
MAILBOXES: Final = 50
AT_ONCE: Final = 3
AIM: Final = 1.5
"""Times as much as with the short queue."""
_TAIL: Final = 100
"""One message in so many is held, and one is uncertain."""
_DAY: Final = 86_400.0
_BODY: Final = b"Subject: small\r\n\r\n" + b"x" * 200
MESSAGE: Final = """
INSERT INTO outbox (seq, id, mailbox_id, submitter, sender, recipients, size, message_id, created_at, state, due_at,
    attempts, started_at, began_at, finished_at, cause, code, kept)
VALUES (?1, ?2, ?3, 'bench', 'a@contoso.example', '["b@contoso.example"]', ?4, '<' || ?2 || '@contoso.example>', ?5,
    ?6, ?5, ?7, NULL, ?5, ?8, ?9, ?9, iif(?6 = 'sent', 'header', 'whole'))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one question: as long as it takes (the median), and of CPU (the mean)."""

    wall: float
    cpu: float


async def run(rounds: int, _messages: int) -> None:
    """Print the figures."""
    print(f"backlog: small messages that wait in {MAILBOXES} mailboxes, and as many that were sent within a day")
    costs = [await _costs(size, rounds) for size in SIZES]
    print(f"  {'ms, median and CPU':28}" + "".join(f"{size:>22,}" for size in SIZES))
    for name in costs[0]:
        few, many = (each[name] for each in costs)
        print(f"  {name:28}" + "".join(f"{cost.wall:12.3f}{cost.cpu:10.3f}" for cost in (few, many)))
    few, many = (each["claim"] for each in costs)
    wall, cpu = many.wall / few.wall, many.cpu / few.cpu
    print(f"  claim: median x {wall:.2f}, CPU x {cpu:.2f}   aim <= {AIM}: {met(max(wall, cpu) <= AIM)}")


async def _costs(size: int, rounds: int) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = Path(name) / "pillarbox.db"
        await _fill(path, size)
        async with _opened(path) as (outbox, limits):
            claims = iter([number % MAILBOXES + 1 for number in range(rounds * 4 * MAILBOXES)])

            async def claim() -> None:
                claimed = await outbox.claim(next(claims), AT_ONCE)
                if len(claimed) != AT_ONCE:
                    raise RuntimeError("there is too little to claim")

            async def recount() -> None:
                await limits.used(600, 1)
                await limits.used(_DAY, _DAY / 60)

            found = {"claim": await _measured(claim, rounds * 4 * MAILBOXES)}
            few: dict[str, Callable[[], Awaitable[object]]] = {
                "due": outbox.due,
                "due_looks": outbox.due_looks,
                "waiting": outbox.waiting,
                "count": outbox.count,
                "recount": recount,
                "recover, at a start": lambda: outbox.recover("", "", (120, 300, 900)),
                "clock_went_back": lambda: outbox.clock_went_back(900, 14_400),
                "list": lambda: outbox.page(50),
                "list --mailbox": lambda: outbox.page(50, mailboxes=[7]),
                "list --state held": lambda: outbox.page(50, state="held"),
                "list --state failed (none)": lambda: outbox.page(50, state="failed"),
                "list --submitter (none)": lambda: outbox.page(50, submitter="nobody"),
                "list --cause (none)": lambda: outbox.page(50, cause="too_large"),
                "list --code (none)": lambda: outbox.page(50, code="nothing"),
            }
            return found | {name: await _measured(ask, rounds) for name, ask in few.items()}


async def _measured(ask: Callable[[], Awaitable[object]], times: int) -> Cost:
    walls: list[float] = []
    cpu = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        walls.append(time.perf_counter() - began)
    return Cost(statistics.median(walls) * 1000, (time.process_time() - cpu) / times * 1000)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[tuple[Outbox, LimitStore]]:
    database = await open_sqlite(path, on_death=lambda _error: None)
    try:
        yield Outbox(database, time.time), LimitStore(database, time.time)
    finally:
        await database.close()


async def _fill(path: Path, size: int) -> None:
    """A store of this version with so many messages, written past the outbox: it would take an hour."""
    database = await open_sqlite(path, on_death=lambda _error: None)
    await database.close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        now = time.time()
        connection.execute("INSERT INTO apps VALUES (1, 'bench', 'tenant', 'client', ?)", (now,))
        connection.executemany(
            "INSERT INTO mailboxes (id, address, address_key, app_id, created_at) VALUES (?1, ?2, ?2, 1, ?3)",
            ((number, f"box{number}@contoso.example", now) for number in range(1, MAILBOXES + 1)),
        )
        connection.executemany(MESSAGE, _messages(size, now))
        connection.execute("INSERT INTO bodies SELECT seq, 0, ? FROM outbox", (_BODY,))
        connection.execute(
            "INSERT INTO attempts (seq, number, started_at, ended_at, verdict, code, reason, request_id, notes) "
            "SELECT seq, 1, created_at, created_at + 1, 'sent', '', '', 'r', '[]' FROM outbox WHERE attempts > 0"
        )
    connection.close()
    os.sync()  # what the system has not written yet would brake what is measured


def _messages(size: int, now: float) -> Iterator[tuple[object, ...]]:
    """Twice as many rows as wait: each that waits behind one that was sent, evenly over a day."""
    for number in range(2 * size):
        at = now - _DAY + _DAY * number / (2 * size)
        state = "queued" if number % 2 else "sent"
        cause = ""
        if number % (2 * _TAIL) == 0:
            state, cause = "held", "access_denied"
        elif number % (2 * _TAIL) == 2:
            state, cause = "uncertain", "unclear"
        attempts, finished = int(state != "queued"), at + 1 if state == "sent" else None
        yield (
            number + 1,
            f"{number:020d}",
            number // 2 % MAILBOXES + 1,
            len(_BODY),
            at,
            state,
            attempts,
            finished,
            cause,
        )
