"""Links by which people connect their mailboxes: good for one success, kept as a hash of the ticket that is in them.

They outlive the sign-ins that begin with them (store/sign_ins.py), and say afterwards what came of them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pillarbox.core.mail import Clock
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement
from pillarbox.store.events import happened

MOST_TRIES: Final = 10
"""Sign-ins by one link that may be refused: it is the wrong account, or an administrator has not consented yet."""
_BEHIND_ALL: Final = "~"
"""Sorts behind every id."""


class LinkState(StrEnum):
    """How a link is. Only a pending one leads anywhere."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class ConnectLink:
    """A link. `mailbox` is an address, empty where the mailbox is there no more; `plan` is as admin/sign_in_plan.py
    keeps it; `tries` are sign-ins that were refused, `code` and `reason` of the last one. Times are seconds since 1970,
    `opened_at` when somebody last went on to Microsoft by it.
    """

    id: str
    state: LinkState
    app: str
    mailbox: str
    mailbox_id: int | None
    plan: Mapping[str, Any]
    created_at: float
    expires_at: float
    ended_at: float | None
    opened_at: float | None
    tries: int
    account: str
    code: str
    reason: str
    return_url: str
    note: str


class ConnectLinks:
    """The links in a database. An id sorts by age."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self,
        id: str,
        hash: str,
        *,
        app_id: int,
        mailbox_id: int,
        plan: Mapping[str, Any],
        expires_at: float,
        return_url: str,
        note: str,
    ) -> None:
        """Keep a new link."""
        await self._database.write(
            statement(
                "connect_link_add",
                id=id,
                hash=hash,
                app_id=app_id,
                mailbox_id=mailbox_id,
                plan=json.dumps(plan),
                now=self._clock(),
                expires_at=expires_at,
                return_url=return_url,
                note=note,
            )
        )

    async def get(self, id: str) -> ConnectLink | None:
        """The link of this id."""
        return self._first(await self._database.read("connect_link_get", id=id))

    async def of_ticket(self, hash: str) -> ConnectLink | None:
        """The link whose ticket has this hash."""
        return self._first(await self._database.read("connect_link_of_ticket", hash=hash))

    async def list(
        self, limit: int, before: str | None, state: LinkState | None, mailboxes: Collection[int] | None
    ) -> list[ConnectLink]:
        """The newest links, with ids below `before`; of one state and these mailboxes, where that is given."""
        rows = await self._database.read(
            "connect_link_list",
            limit=limit,
            before=before or _BEHIND_ALL,
            state=state,
            mailboxes=None if mailboxes is None else json.dumps(sorted(mailboxes)),
            now=self._clock(),
        )
        return [self._link(row) for row in rows]

    def completing(self, link: ConnectLink, account: str) -> tuple[Statement, ...]:
        """What makes a link completed, for the transaction of its sign-in; that fails where it is not pending."""
        now = self._clock()
        data = {"mailbox": link.mailbox, "account": account}
        return (
            statement("connect_link_complete", expect=1, id=link.id, account=account, now=now),
            happened("connect_link.completed", link.id, data, now, link.mailbox_id),
        )

    async def refused(self, link: ConnectLink, code: str, reason: str) -> None:
        """A sign-in by a link was refused: it stays good, unless that was once too often."""
        found: ConnectLink | None = link
        # Of those who are refused at the same time one is told as the last. A link that is over says already what of.
        while found and found.state is LinkState.PENDING and not await self._refuse(found, code, reason):
            found = await self.get(link.id)

    async def _refuse(self, link: ConnectLink, code: str, reason: str) -> bool:
        """Count a refusal of a link; False where it is not any more as it is given here."""
        now, last = self._clock(), link.tries + 1 >= MOST_TRIES
        data = {"mailbox": link.mailbox, "code": code, "last": last}
        state = LinkState.FAILED if last else LinkState.PENDING
        try:
            await self._database.write(
                statement(
                    "connect_link_refused",
                    expect=1,
                    id=link.id,
                    tries=link.tries,
                    code=code,
                    reason=reason,
                    state=state,
                    ended_at=now if last else None,
                    now=now,
                ),
                happened("connect_link.failed", link.id, data, now, link.mailbox_id),
            )
        except ExpectationFailed:
            return False
        return True

    async def opened(self, id: str) -> None:
        """Somebody goes on to Microsoft by a link."""
        await self._database.write(statement("connect_link_opened", id=id, now=self._clock()))

    async def cancel(self, id: str) -> None:
        """A link is to lead nowhere any more. One that is over stays as it is."""
        await self._database.write(statement("connect_link_cancel", id=id, now=self._clock()))

    async def forget(self, age: float, limit: int) -> int:
        """Forget up to `limit` links that were over `age` seconds ago; how many."""
        (rows,) = await self._database.write(statement("connect_link_forget", since=self._clock() - age, limit=limit))
        return len(rows)

    def _first(self, rows: Sequence[Row]) -> ConnectLink | None:
        return self._link(rows[0]) if rows else None

    def _link(self, row: Row) -> ConnectLink:
        state = LinkState(row["state"])
        if state is LinkState.PENDING and row["expires_at"] <= self._clock():
            state = LinkState.EXPIRED
        return ConnectLink(
            id=row["id"],
            state=state,
            app=row["app"],
            mailbox=row["mailbox"] or "",
            mailbox_id=row["mailbox_id"],
            plan=json.loads(row["plan"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            ended_at=row["ended_at"],
            opened_at=row["opened_at"],
            tries=row["tries"],
            account=row["account"],
            code=row["code"],
            reason=row["reason"],
            return_url=row["return_url"],
            note=row["note"],
        )
