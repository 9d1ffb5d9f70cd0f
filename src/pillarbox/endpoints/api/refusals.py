"""What the SMTP door refused, by submitter and reason."""

from typing import TYPE_CHECKING

from fastapi import FastAPI

from pillarbox.access.refusals import Refusal
from pillarbox.core.caller import Scope
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model, Params, params_of
from pillarbox.endpoints.api.paging import Paging

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services


class RefusalOut(Model):
    """Something that the SMTP door refused, `count` times since the start. Times are seconds since 1970.

    `submitter` is null for a stranger, who is known by the address alone. With `proved` the submitter itself was
    refused; else somebody gave its name, and did not prove to be it. `peer` is the last address. `works_since` is when
    the submitter handed in a message after it, of a stranger when somebody logged in at that address; null: not yet.
    `title` and `hint` are the sentence and the cure of `code`, whose values are `params`. Until `kept_out_until` logins
    from `peer` are refused, as too many failed there; `POST /api/v1/submitters:let-in` ends that. Null: they are not.
    """

    submitter: str | None
    proved: bool
    code: str
    title: str
    hint: str
    params: Params
    peer: str
    count: int
    first_at: float
    last_at: float
    works_since: float | None
    kept_out_until: float | None

    @classmethod
    def of(cls, refusal: Refusal, kept_out_until: float | None) -> "RefusalOut":
        """From our word."""
        said = PillarboxError(refusal.code, **refusal.params)
        return cls(
            submitter=refusal.submitter or None,
            proved=refusal.proved,
            code=refusal.code,
            title=said.sentence,
            hint=said.cure,
            params=params_of(refusal.params),
            peer=refusal.peer,
            count=refusal.count,
            first_at=refusal.first_at,
            last_at=refusal.last_at,
            works_since=refusal.works_since,
            kept_out_until=kept_out_until,
        )


class Refused(Model):
    """A page of what was refused since the start (`since`), by submitter, strangers first.

    `next` is the cursor of the page behind it, or null.
    """

    since: float
    data: list[RefusalOut]
    next: str | None


def add(app: FastAPI, services: "Services") -> None:
    """Add the route."""
    refusals, kept_out_until = services.submitters.refusals, services.submitters.kept_out_until

    @app.get("/api/v1/refusals", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def list_refusals(paging: Paging, submitter: str | None = None) -> Refused:
        """List what the SMTP door has refused since the start, and why; of one submitter, or of all and of strangers.

        The log has each of them with its time; here they are counted.
        """
        wanted = [one for one in refusals if submitter is None or one.submitter == submitter]
        page, following = paging.cut(wanted, _key)
        told = [RefusalOut.of(one, kept_out_until(one.peer)) for one in page]
        return Refused(since=refusals.since, data=told, next=following)


def _key(refusal: Refusal) -> str:
    whence = "" if refusal.submitter else refusal.peer
    return f"{refusal.submitter} {whence} {refusal.code} {refusal.proved:d}"
