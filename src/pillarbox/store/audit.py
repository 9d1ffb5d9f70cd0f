"""Who did what: rows that are there before what they tell of is done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, Row, statement

SLICE_ROWS: Final = 20_000
"""Rows that one read looks through, so that no other read waits for long."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `at` is in seconds since 1970; `outcome` is empty while it is not known, as of what was cut off."""

    at: float
    actor_kind: str
    actor: str
    actor_name: str
    door: str
    peer: str
    action: str
    subject: str
    fields: tuple[str, ...]
    """Names of what was given, never values."""
    request_id: str
    outcome: str
    code: str
    seq: int = 0
    """Its place in the log; 0 until it is kept."""


class AuditLog:
    """The log in a database."""

    def __init__(self, database: Database, clock: Clock, slice_rows: int = SLICE_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._slice_rows = slice_rows

    async def begin(self, row: AuditRow) -> int:
        """Keep a row, at the time that it is now; its `seq`, once it is durable. Raises Unavailable."""
        ((kept,),) = await self._database.write(
            statement(
                "audit_begin",
                at=self._clock(),
                actor_kind=row.actor_kind,
                actor=row.actor,
                actor_name=row.actor_name,
                door=row.door,
                peer=row.peer,
                action=row.action,
                subject=row.subject,
                fields=json.dumps(row.fields),
                request_id=row.request_id,
                outcome=row.outcome,
                code=row.code,
            )
        )
        return int(kept["seq"])

    async def end(self, seq: int, outcome: str, code: str) -> None:
        """Say how it ended. Raises Unavailable."""
        await self._database.write(statement("audit_end", seq=seq, outcome=outcome, code=code))

    async def list(
        self,
        *,
        limit: int,
        before: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Sequence[AuditRow]:
        """Up to `limit` rows below `before`, newest first; of an actor by id or name, within a time."""
        ((first, last),) = [(row["first"], row["last"]) for row in await self._database.read("audit_bounds")]
        below, found = last + 1 if before is None else min(before, last + 1), list[Row]()
        while below > first and len(found) < limit:
            lowest = max(first, below - self._slice_rows)
            found += await self._database.read(
                "audit_list",
                lowest=lowest,
                below=below,
                limit=limit - len(found),
                actor=actor,
                action=action,
                since=since,
                until=until,
            )
            below = lowest
        return [_row(row) for row in found]

    async def forget(self, age: float, limit: int) -> int:
        """Forget up to `limit` rows that are older than `age` seconds; how many there were."""
        (rows,) = await self._database.write(statement("audit_forget", since=self._clock() - age, limit=limit))
        return len(rows)


def _row(row: Row) -> AuditRow:
    found = AuditRow(**{**row, "fields": ()})
    return replace(found, fields=tuple(json.loads(row["fields"])))
