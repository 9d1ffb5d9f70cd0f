"""The audit log at the API."""

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query

from pillarbox.core.caller import Scope
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model
from pillarbox.endpoints.api.paging import Paging
from pillarbox.store.audit import AuditRow

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_LONGEST = 300
_Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]


class AuditEvent(Model):
    """One act: who (`actor_kind` local, key, person, submitter or nobody), by which door and from where, did what.

    `fields` are names of what was given, never values. `outcome` is done, refused or failed; empty: it was cut off.
    """

    seq: int
    at: float
    actor_kind: str
    actor: str
    actor_name: str
    door: str
    peer: str
    action: str
    subject: str
    fields: list[str]
    request_id: str
    outcome: str
    code: str

    @classmethod
    def of(cls, row: AuditRow) -> "AuditEvent":
        """From our word."""
        told = {name: getattr(row, name) for name in cls.model_fields if name != "fields"}
        return cls(**told, fields=list(row.fields))


class AuditEvents(Model):
    """A page of the audit log, newest first; `next` is the cursor of what is older."""

    data: list[AuditEvent]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the route of the audit log."""

    @app.get("/api/v1/audit-events", dependencies=[needs(Scope.AUDIT_READ)])
    async def list_audit_events(
        paging: Paging,
        actor: Annotated[str | None, Query(max_length=_LONGEST, description="Id or name of who acted.")] = None,
        action: Annotated[str | None, Query(max_length=_LONGEST, description="What was done.")] = None,
        since: _Moment = None,
        until: _Moment = None,
    ) -> AuditEvents:
        """Who did what, newest first. Times are seconds since 1970."""
        rows = await services.audit.list(
            limit=paging.limit + 1,
            before=paging.after_number,
            actor=actor,
            action=action,
            since=since,
            until=until,
        )
        page = rows[: paging.limit]
        last = page[-1].seq if len(rows) > len(page) else None
        return AuditEvents(data=[AuditEvent.of(row) for row in page], next=paging.next(last))
