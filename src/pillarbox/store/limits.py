"""Pauses and what was used of Microsoft's limits: what the governor needs to know again after a restart."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pillarbox.core.cause import Cause
from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, Statement, statement

OPERATOR: Final = "operator"
"""Cause of a pause that a person has made."""
EVERYTHING: Final = "all"
"""Scope of a pause of all mailboxes."""


def mailbox_scope(mailbox_id: int) -> str:
    """Scope of a pause of one mailbox."""
    return f"mailbox/{mailbox_id}"


def way_scope(mailbox_id: int, host: str) -> str:
    """Scope of a pause of what of one mailbox goes to a host where little of its mail goes."""
    return f"mailbox/{mailbox_id}/{host}"


def app_scope(app_id: int) -> str:
    """Scope of a pause of all mailboxes of an app registration."""
    return f"app/{app_id}"


def host_scope(host: str) -> str:
    """Scope of a pause of all that goes to a host."""
    return f"host/{host}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing of `scope` is sent until `until` (None: until a person resumes it), since `at`."""

    scope: str
    cause: str
    until: float | None
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Used:
    """What a mailbox has used within the slot of time that began at `at`."""

    mailbox_id: int
    app_id: int
    at: float
    requests: int
    messages: int
    recipients: int
    bytes: int


class LimitStore:
    """The pauses in a database, and sums over the attempts. Times are seconds since 1970."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def pauses(self, probed: Collection[str]) -> list[Pause]:
        """All pauses that have not ended, oldest first; those of the causes `probed` do not end by time."""
        await self._database.write(
            statement("pause_forget", now=self._clock(), probed=json.dumps([str(cause) for cause in probed]))
        )
        return [Pause(**row) for row in await self._database.read("pause_list")]

    async def pause(self, *pauses: Pause) -> None:
        """Keep pauses, all at once; one of the same scope and cause gives way."""
        await self._database.write(*map(begin, pauses))

    async def resume(self, scope: str) -> bool:
        """End a person's pause of a scope, and no other; whether there was one."""
        (rows,) = await self._database.write(statement("pause_end", scope=scope, cause=OPERATOR))
        return bool(rows)

    async def held(self, causes: Collection[Cause]) -> dict[int, list[Cause]]:
        """Each mailbox that has something held for these causes, and for which of them."""
        found: dict[int, list[Cause]] = {}
        for row in await self._database.read("limits_held", causes=json.dumps([str(cause) for cause in causes])):
            found.setdefault(row["mailbox_id"], []).append(Cause(row["cause"]))
        return found

    async def used(self, seconds: float, slot: float) -> list[Used]:
        """What was used in the last `seconds`, by slots, oldest first."""
        now = self._clock()
        rows = await self._database.read("limits_used", since=now - seconds, now=now, slot=slot)
        return [Used(**row) for row in rows]


def begin(pause: Pause) -> Statement:
    """Keeps a pause, in a transaction that writes what it is for."""
    return statement(
        "pause_begin", scope=pause.scope, cause=pause.cause, until=pause.until, reason=pause.reason, now=pause.at
    )


def end(pause: Pause) -> Statement:
    """Ends a pause, in the transaction of the attempt that has shown that it is over."""
    return statement("pause_end", scope=pause.scope, cause=pause.cause)


def release(mailbox_id: int, cause: Cause, now: float) -> Statement:
    """Queues all of a mailbox that is held for this cause."""
    return statement("limits_release", mailbox_id=mailbox_id, cause=cause, now=now)


def release_everywhere(cause: Cause, now: float) -> Statement:
    """Queues all that is held for this cause, of every mailbox."""
    return statement("limits_release_everywhere", cause=cause, now=now)


def release_of_app(app_id: int, cause: Cause, now: float) -> Statement:
    """Queues all that is held for this cause, of the mailboxes of an app registration."""
    return statement("limits_release_of_app", app_id=app_id, cause=cause, now=now)


def hasten(cause: Cause, now: float, *, app_id: int | None, mailbox_id: int | None) -> Statement:
    """Lets what was put off for this cause be due within half a minute; of one app registration, or mailbox, or all."""
    return statement("limits_hasten", app_id=app_id, mailbox_id=mailbox_id, cause=cause, now=now)
