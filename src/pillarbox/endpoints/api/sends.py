"""Messages by the API: hand one in, look where they are, decide what becomes of them."""

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Query, Response
from fastapi.responses import StreamingResponse

from pillarbox.access.submitter_rules import checked_recipient
from pillarbox.admin import mailboxes, outbox
from pillarbox.core.accounts import LONGEST_AGE
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.cause import Cause
from pillarbox.core.mail import State
from pillarbox.delivery.queue_id import first_of
from pillarbox.delivery.reading import need_whole
from pillarbox.endpoints.api import models
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.paging import Paging
from pillarbox.store import limits

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_MESSAGE: Final = "message/rfc822"
_Reader = Annotated[Caller, needs(Scope.OUTBOX_READ)]
_Decider = Annotated[Caller, needs(Scope.OUTBOX_DECIDE)]
_Age = Annotated[float | None, Query(gt=0, le=LONGEST_AGE, allow_inf_nan=False)]
_Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]


def add(app: FastAPI, services: "Services") -> None:
    """The routes below /api/v1/sends."""
    _add_looking(app, services)
    _add_deciding(app, services)


def _add_looking(app: FastAPI, services: "Services") -> None:
    box = services.outbox

    @app.get("/api/v1/sends")
    async def list_sends(
        caller: _Reader,
        paging: Paging,
        state: State | None = None,
        mailbox: str | None = None,
        submitter: str | None = None,
        code: str | None = None,
        cause: Cause | None = None,
        message_id: Annotated[str | None, Query(max_length=998, description="Message-ID of the message.")] = None,
        recipient: Annotated[str | None, Query(description="Only those to this address, or to any `*@DOMAIN`.")] = None,
        since: _Moment = None,
        until: _Moment = None,
        before: str | None = None,
    ) -> models.Page:
        """List messages, newest first. A page may be short, or empty, although more follow: `next` tells."""
        known = caller.mailboxes
        if mailbox is not None:
            known = frozenset({(await mailboxes.get(services.accounts, mailbox, caller)).id})
        if recipient is not None:
            checked_recipient(recipient)
        ends = [end for end in (before, paging.after, first_of(until) if until is not None else None) if end]
        rows, last = await box.page(
            paging.limit,
            state=state,
            mailboxes=known,
            submitter=submitter,
            code=code,
            cause=cause,
            message_id=message_id,
            recipient=recipient,
            since=first_of(since) if since is not None else None,
            before=min(ends, default=None),
        )
        return models.Page(data=[models.Send.of(row) for row in rows], next=paging.next(last))

    @app.get("/api/v1/sends/{queue_id}")
    async def show_send(queue_id: str, caller: _Reader) -> models.Trace:
        """Show a message and everything that was tried."""
        row = await outbox.get(box, queue_id, caller)
        mailbox = await mailboxes.get(services.accounts, row["mailbox"])
        attempts = await box.attempts(row["seq"])
        notices = [one for one in await box.notices(row["seq"]) if caller.knows(one["mailbox_id"])]
        if row["notice_of"] and not caller.knows(row["notice_mailbox_id"]):
            row = {**row, "notice_of": None}
        return models.Trace.of_rows(row, attempts, notices, mailbox, services.governors.waits(mailbox))

    @app.get(
        "/api/v1/sends/{queue_id}/message",
        response_class=Response,
        responses={200: {"content": {_MESSAGE: {}}}, 410: {}},
    )
    async def export_send(
        queue_id: str, caller: Annotated[Caller, needs(Scope.CONTENT_READ)], header: bool = False
    ) -> Response:
        """Read a message as it lies in the outbox (RFC 5322)."""
        row = await outbox.get(box, queue_id, caller)
        if header:
            return Response(await box.header(row["seq"]), media_type=_MESSAGE)
        need_whole(row)
        return StreamingResponse(box.whole(row["seq"], row["size"]), media_type=_MESSAGE)


def _add_deciding(app: FastAPI, services: "Services") -> None:
    desk = outbox.Desk(services.outbox, services.wake, services.clock, services.log)

    @app.post("/api/v1/outbox:decide")
    async def decide_sends(wish: models.Decisions, caller: _Decider) -> models.Decided:
        """Retry, cancel, resolve, approve or reject many messages, each whatever becomes of the others."""
        came = await desk.of(caller).decide_all(wish.act, wish.ids, wish.reason)
        return models.Decided(data=[models.Decision.of(*one) for one in zip(wish.ids, came, strict=True)])

    @app.post("/api/v1/sends/{queue_id}:retry")
    async def retry_send(queue_id: str, caller: _Decider) -> models.Send:
        """Send a message again, now."""
        return models.Send.of(await desk.of(caller).retry(queue_id))

    @app.post("/api/v1/sends/{queue_id}:cancel")
    async def cancel_send(queue_id: str, caller: _Decider) -> models.Send:
        """Do not send a message any more."""
        return models.Send.of(await desk.of(caller).cancel(queue_id))

    @app.post("/api/v1/sends/{queue_id}:resolve")
    async def resolve_send(queue_id: str, caller: _Decider) -> models.Send:
        """Say that an uncertain message was sent: it lies in Sent Items."""
        return models.Send.of(await desk.of(caller).resolve(queue_id))

    @app.post("/api/v1/sends/{queue_id}:approve")
    async def approve_send(queue_id: str, caller: _Decider) -> models.Send:
        """Let a message go that waits for an approval."""
        return models.Send.of(await desk.of(caller).approve(queue_id))

    @app.post("/api/v1/sends/{queue_id}:reject")
    async def reject_send(queue_id: str, caller: _Decider, why: models.Rejection | None = None) -> models.Send:
        """Do not let a message go that waits for an approval."""
        return models.Send.of(await desk.of(caller).reject(queue_id, why.reason if why else ""))

    @app.get("/api/v1/outbox", dependencies=[needs(Scope.OUTBOX_READ)])
    async def show_outbox() -> models.OutboxOut:
        """Show whether sending is paused for all."""
        found = (pause for pause in services.governors.pauses() if pause.scope == limits.EVERYTHING)
        return models.OutboxOut(paused=next(map(models.PauseOut.of, found), None))

    @app.post("/api/v1/outbox:pause")
    async def pause_outbox(wish: models.NewPause, caller: _Decider) -> models.Pausing:
        """Send nothing more from a mailbox, or from all, until it is resumed; what comes in is kept."""
        scope, name = await _scope(services, wish.mailbox, caller)
        await services.governors.pause(scope, wish.reason)
        services.log.warning("outbox.paused", mailbox=name, reason=wish.reason)
        return models.Pausing(mailbox=wish.mailbox, paused=True)

    @app.post("/api/v1/outbox:resume")
    async def resume_outbox(wish: models.EndedPause, caller: _Decider) -> models.Pausing:
        """End what a pause by hand began; what Microsoft asks a mailbox to wait stays."""
        scope, name = await _scope(services, wish.mailbox, caller)
        if await services.governors.resume(scope):
            services.log.info("outbox.resumed", mailbox=name)
            for mailbox in await services.accounts.mailboxes():
                # Also one that nothing was sent from since the start.
                services.wake(mailbox.id)
        still = services.governors.paused(await mailboxes.get(services.accounts, wish.mailbox)) if wish.mailbox else ()
        return models.Pausing(mailbox=wish.mailbox, paused=False, still=list(map(models.PauseOut.of, still)))

    @app.post("/api/v1/outbox:purge", dependencies=[needs(Scope.ADMIN)])
    async def purge_outbox(wish: models.Purge) -> models.Purged:
        """Remove messages that came to their end, and the bodies of those that were sent."""
        dropped = await services.purge(wish.older_than)
        services.log.info("outbox.purged", messages=dropped.messages)
        return models.Purged(bodies=dropped.bodies, messages=dropped.messages)


async def _scope(services: "Services", address: str | None, caller: Caller) -> tuple[str, str]:
    """The scope of a mailbox, or of all; and how it is called in the log.

    Raises NotFound; Forbidden `access.not_all` for all, where the caller does not know of all.
    """
    if address is None:
        caller.need_all()
        return limits.EVERYTHING, "all"
    mailbox = await mailboxes.get(services.accounts, address, caller)
    return limits.mailbox_scope(mailbox.id), mailbox.address
