"""What happened, as a feed: read in order by a cursor, waited for at its end."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator, WithJsonSchema

from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import InvalidInput
from pillarbox.delivery.watch import ANYTHING, Topic
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Asked, Paging
from pillarbox.endpoints.api.waiting import while_there
from pillarbox.store.database import Row
from pillarbox.store.events import TYPES, Mark

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


_MARK: Final = re.compile(r"([0-9]{1,18}) ([0-9]{1,12}\.[0-9]{1,12})?", re.ASCII)
"""Number and time of an event; without a time where there is none."""


def _known(type: str) -> str:
    if type not in TYPES:
        raise ValueError("there is no such type of event")
    return type


EventType = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(TYPES)})]
Seconds = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for an event.")]


class Event(Model):
    """Something that happened. `data` depends on the type; `subject` is a queue id, an address, a name or an id.

    `cursor` is the one that goes on behind it, for who stops in the middle of a page.
    """

    id: int
    type: str
    at: float
    subject: str
    data: dict[str, Any]
    cursor: str

    @classmethod
    def of(cls, row: Row, paging: Asked) -> "Event":
        """From a row of the store."""
        seq, at = row["seq"], row["created_at"]
        cursor = paging.behind(_cursor(Mark(seq, at)))
        return cls(id=seq, type=row["type"], at=at, subject=row["subject"], data=row["data"], cursor=cursor)


class Events(Model):
    """Events, the oldest first, and the cursor to go on from: it is always there."""

    data: list[Event]
    next: str


def add(app: FastAPI, services: "Services") -> None:
    """Add the route."""

    @app.get("/api/v1/events", responses={410: {}})
    async def list_events(
        request: Request,
        caller: Annotated[Caller, needs(Scope.EVENTS_READ)],
        paging: Paging,
        type: Annotated[list[EventType] | None, Query(description="Of these types alone.")] = None,
        newest: Annotated[bool, Query(description="Without a cursor: the newest events, not the oldest.")] = False,
        wait: Seconds = 0.0,
    ) -> Events:
        """What happened, oldest first; with `wait` an answer comes as soon as there is something, or after so long."""
        after = None if paging.after is None else _mark(paging.after)
        log, only = services.events, caller.mailboxes

        async def look() -> list[Row] | None:
            nonlocal after
            if newest and after is None:
                rows, after = await log.newest(paging.limit, types=type, mailboxes=only)
            else:
                rows, after = await log.page(after, paging.limit, types=type, mailboxes=only)
            return rows or None

        waiting = services.watch.until(look, wait, _topics(type, caller))
        rows = await (while_there(request, waiting) if wait else waiting)
        return Events(data=[Event.of(row, paging) for row in rows or ()], next=paging.next(_cursor(after)) or "")


def _topics(types: list[str] | None, caller: Caller) -> Collection[Topic]:
    """What wakes the caller: the narrowest that is known, as others' mail must not keep a waiting one busy."""
    return types or ((ANYTHING,) if caller.mailboxes is None else caller.mailboxes)


def _cursor(mark: Mark | None) -> str:
    # None only where the client had gone before anything was looked at.
    return f"{mark.seq} {mark.at or ''}" if mark else ""


def _mark(text: str) -> Mark:
    """Raises InvalidInput `request.bad_cursor`."""
    found = _MARK.fullmatch(text)
    if not found:
        raise InvalidInput("request.bad_cursor")
    return Mark(int(found[1]), float(found[2]) if found[2] else None)
