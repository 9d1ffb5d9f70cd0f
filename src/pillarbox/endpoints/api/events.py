"""What happened, as a feed: read in order by a cursor, waited for at its end."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query
from pydantic import AfterValidator, WithJsonSchema

from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import NotFound
from pillarbox.delivery.watch import ANYTHING, Topic
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.store.database import Row
from pillarbox.store.events import TYPES

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


def _known(type: str) -> str:
    if type not in TYPES:
        raise ValueError("there is no such type of event")
    return type


EventType = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(TYPES)})]
Seconds = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for an event.")]


class Event(Model):
    """Something that happened. `data` depends on the type; `subject` is a queue id, an address, a name or an id."""

    id: int
    type: str
    at: float
    subject: str
    data: dict[str, Any]

    @classmethod
    def of(cls, row: Row) -> "Event":
        """From a row of the store."""
        return cls(id=row["seq"], type=row["type"], at=row["created_at"], subject=row["subject"], data=row["data"])


class Events(Model):
    """Events, the oldest first, and the cursor to go on from: it is always there."""

    data: list[Event]
    next: str


def add(app: FastAPI, services: "Services") -> None:
    """Add the route."""

    @app.get("/api/v1/events", responses={410: {}})
    async def list_events(
        caller: Annotated[Caller, needs(Scope.EVENTS_READ)],
        paging: Paging,
        type: Annotated[list[EventType] | None, Query(description="Of these types alone.")] = None,
        wait: Seconds = 0.0,
    ) -> Events:
        """What happened, oldest first; with `wait` an answer comes as soon as there is something, or after so long."""
        after = await _begin(services, paging.after_number)

        async def look() -> list[Row] | None:
            nonlocal after
            rows, after = await services.events.page(after, paging.limit, types=type, mailboxes=caller.mailboxes)
            return rows or None

        topics: list[Topic] = [ANYTHING] if caller.mailboxes is None else list(caller.mailboxes)
        rows = await (services.watch.until(look, wait, topics) if wait else look())
        return Events(data=[Event.of(row) for row in rows or ()], next=paging.next(after) or "")


async def _begin(services: "Services", after: int | None) -> int:
    """The number behind which a page begins. Raises NotFound `events.gone` for one of events that are not kept."""
    first, last = await services.events.bounds()
    if after is not None and not first - 1 <= after <= last:
        raise NotFound("events.gone")
    return first - 1 if after is None else after
