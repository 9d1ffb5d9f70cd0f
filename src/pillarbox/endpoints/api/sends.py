"""Messages by the API: hand one in, look where they are, decide what becomes of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from pillarbox.admin import mailboxes, outbox
from pillarbox.core import headers
from pillarbox.core.accounts import LONGEST_AGE
from pillarbox.core.caller import Scope
from pillarbox.core.cause import Cause
from pillarbox.core.content import in_memory
from pillarbox.core.errors import Conflict, InvalidInput, NotFound
from pillarbox.core.mail import Arrival, Envelope, Priority, State, is_address
from pillarbox.delivery import once
from pillarbox.delivery.queue_id import first_of
from pillarbox.delivery.submission import Terms
from pillarbox.endpoints.api import models
from pillarbox.endpoints.api.access import needs
from pillarbox.store import limits

if TYPE_CHECKING:
    from pillarbox.endpoints.api.app import Services

_MESSAGE: Final = "message/rfc822"
_Age = Annotated[float | None, Query(gt=0, le=LONGEST_AGE, allow_inf_nan=False)]
_Moment = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]


def add(app: FastAPI, services: "Services") -> None:
    """The routes below /api/v1/sends."""
    _add_sending(app, services)
    _add_looking(app, services)
    _add_deciding(app, services)


def _add_sending(app: FastAPI, services: "Services") -> None:
    @app.post(
        "/api/v1/sends",
        status_code=202,
        openapi_extra={"requestBody": {"required": True, "content": {_MESSAGE: {}}}},
        dependencies=[needs(Scope.SEND)],
    )
    async def send(
        request: Request,
        response: Response,
        sender: str | None = None,
        recipient: Annotated[list[str] | None, Query()] = None,
        send_at: _Moment = None,
        max_age: _Age = None,
        priority: models.PriorityName | None = None,
        hold: bool = False,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> models.Queued:
        mime = await _limited_body(request, services.submission.max_size)
        envelope = _envelope(mime, sender, recipient or [])
        operator = await services.submitters.operator()
        if headers.address_key(envelope.sender) not in operator.senders:
            raise NotFound("mailbox.not_found", address=envelope.sender)
        terms = Terms(send_at or 0.0, max_age, Priority[priority.upper()] if priority else None, hold)
        digest = once.digest(request.query_params.multi_items(), mime)
        async with _asked(services, f"{operator.name} sends", idempotency_key, digest) as asked:
            if asked is not None and asked.former:
                response.headers["Idempotent-Replayed"] = "true"
                # What has become of it meanwhile.
                row = await services.outbox.get(asked.former)
                return models.Queued(id=asked.former, state=row["state"] if row is not None else "over")
            also = asked.kept_with if asked is not None else lambda _queue_id: ()
            queue_id = await services.submission.accept(
                envelope, in_memory(mime), operator, arrival=Arrival("api"), terms=terms, also=also
            )
        return models.Queued(id=queue_id, state=State.HELD if hold else State.QUEUED)


def _add_looking(app: FastAPI, services: "Services") -> None:
    box = services.outbox

    @app.get("/api/v1/sends", dependencies=[needs(Scope.OUTBOX_READ)])
    async def list_sends(
        state: State | None = None,
        mailbox: str | None = None,
        submitter: str | None = None,
        code: str | None = None,
        cause: Cause | None = None,
        since: _Moment = None,
        until: _Moment = None,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> models.Page:
        if mailbox is not None:
            await mailboxes.get(services.accounts, mailbox)
        ends = [end for end in (before, first_of(until) if until is not None else None) if end]
        rows = await box.list(
            limit=limit,
            state=state,
            mailbox=headers.address_key(mailbox) if mailbox is not None else None,
            submitter=submitter,
            code=code,
            cause=cause,
            since=first_of(since) if since is not None else None,
            before=min(ends, default=None),
        )
        return models.Page(
            data=[models.Send.of(row) for row in rows], next=rows[-1]["id"] if len(rows) == limit else None
        )

    @app.get("/api/v1/sends/{queue_id}", dependencies=[needs(Scope.OUTBOX_READ)])
    async def show_send(queue_id: str) -> models.Trace:
        row = await outbox.get(box, queue_id)
        mailbox = await mailboxes.get(services.accounts, row["mailbox"])
        attempts, notices = await box.attempts(row["seq"]), await box.notices(row["seq"])
        return models.Trace.of_rows(row, attempts, notices, mailbox, services.governors.paused(mailbox))

    @app.get(
        "/api/v1/sends/{queue_id}/message",
        response_class=Response,
        responses={200: {"content": {_MESSAGE: {}}}},
        dependencies=[needs(Scope.CONTENT_READ)],
    )
    async def export_send(queue_id: str, header: bool = False) -> Response:
        row = await outbox.get(box, queue_id)
        if header:
            return Response(await box.header(row["seq"]), media_type=_MESSAGE)
        if row["kept"] != "whole":
            raise Conflict("outbox.body_gone", id=queue_id, state=row["state"])
        return StreamingResponse(box.whole(row["seq"], row["size"]), media_type=_MESSAGE)


def _add_deciding(app: FastAPI, services: "Services") -> None:
    desk = outbox.Desk(services.outbox, services.wake, services.clock, services.log)

    @app.post("/api/v1/outbox:decide", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def decide(wish: models.Decisions) -> models.Decided:
        came = await desk.decide_all(wish.act, wish.ids, wish.reason)
        return models.Decided(data=[models.Decision.of(*one) for one in zip(wish.ids, came, strict=True)])

    @app.post("/api/v1/sends/{queue_id}:retry", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def retry_send(queue_id: str) -> models.Send:
        return models.Send.of(await desk.retry(queue_id))

    @app.post("/api/v1/sends/{queue_id}:cancel", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def cancel_send(queue_id: str) -> models.Send:
        return models.Send.of(await desk.cancel(queue_id))

    @app.post("/api/v1/sends/{queue_id}:resolve", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def resolve_send(queue_id: str) -> models.Send:
        return models.Send.of(await desk.resolve(queue_id))

    @app.post("/api/v1/sends/{queue_id}:approve", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def approve_send(queue_id: str) -> models.Send:
        return models.Send.of(await desk.approve(queue_id))

    @app.post("/api/v1/sends/{queue_id}:reject", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def reject_send(queue_id: str, why: models.Rejection | None = None) -> models.Send:
        return models.Send.of(await desk.reject(queue_id, why.reason if why else ""))

    @app.post("/api/v1/outbox:pause", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def pause(wish: models.NewPause) -> models.Pausing:
        scope, name = await _scope(services, wish.mailbox)
        await services.governors.pause(scope, wish.reason)
        services.log.warning("outbox.paused", mailbox=name, reason=wish.reason)
        return models.Pausing(mailbox=wish.mailbox, paused=True)

    @app.post("/api/v1/outbox:resume", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def resume(wish: models.EndedPause) -> models.Pausing:
        scope, name = await _scope(services, wish.mailbox)
        if await services.governors.resume(scope):
            services.log.info("outbox.resumed", mailbox=name)
            for mailbox in await services.accounts.mailboxes():
                # Also one that nothing was sent from since the start.
                services.wake(mailbox.id)
        still = services.governors.paused(await mailboxes.get(services.accounts, wish.mailbox)) if wish.mailbox else ()
        return models.Pausing(mailbox=wish.mailbox, paused=False, still=list(map(models.PauseOut.of, still)))

    @app.post("/api/v1/outbox:purge", dependencies=[needs(Scope.ADMIN)])
    async def purge(wish: models.Purge) -> models.Purged:
        dropped = await services.purge(wish.older_than)
        services.log.info("outbox.purged", messages=dropped.messages)
        return models.Purged(bodies=dropped.bodies, messages=dropped.messages)


@asynccontextmanager
async def _asked(services: "Services", scope: str, key: str | None, digest: str) -> AsyncIterator[once.Request | None]:
    """The request, as its idempotency key knows it; None where it has none."""
    if key is None:
        yield None
        return
    async with services.once.request(scope, key, digest) as request:
        yield request


async def _scope(services: "Services", address: str | None) -> tuple[str, str]:
    """The scope of a mailbox, or of all; and how it is called in the log. Raises NotFound."""
    if address is None:
        return limits.EVERYTHING, "all"
    mailbox = await mailboxes.get(services.accounts, address)
    return limits.mailbox_scope(mailbox.id), mailbox.address


async def _limited_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise InvalidInput("mail.too_large", limit=limit)
    return bytes(body)


def _envelope(mime: bytes, sender: str | None, recipients: list[str]) -> Envelope:
    """The envelope that was given, or what the message's own headers say, as `sendmail -t` does."""
    text = headers.canonical(mime)
    block = headers.scan(text)

    def addresses(*names: bytes) -> list[str]:
        fields = (headers.value(text, field) for field in block.named(*names))
        found = [entry for value in fields for entry in headers.entries(value)]
        # An entry that cannot be understood is told, not left out.
        return [entry.addresses[0] if entry.addresses else entry.text.decode("utf-8", "replace") for entry in found]

    if sender is None:
        sender = next(iter(addresses(b"sender", b"from")), "")
    recipients = recipients or addresses(b"to", b"cc", b"bcc")
    if not sender:
        raise InvalidInput("mail.no_sender")
    for address in recipients:
        if not is_address(address):
            raise InvalidInput("mail.bad_recipient", address=address)
    return Envelope(sender, tuple(dict.fromkeys(recipients)))
