"""The routes: HTTP words in, a journey called, its result out."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import pillarbox
from pillarbox.access.submitters import Submitters
from pillarbox.admin import mailboxes, outbox
from pillarbox.admin.vault import Rotation
from pillarbox.core import headers
from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.content import in_memory
from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Arrival, Clock, Envelope, State, is_address
from pillarbox.delivery.submission import Submission
from pillarbox.endpoints.api import apps, calls, check, models, sign_in, submitters, vault
from pillarbox.endpoints.api.body_limit import BodyLimit
from pillarbox.endpoints.api.version import Versioned
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import Row
from pillarbox.store.outbox import Outbox

if TYPE_CHECKING:
    from pillarbox.admin.clients import Clients
    from pillarbox.admin.connect import Connect


@dataclass(frozen=True, slots=True)
class Services:
    """What the API needs of the house. `smtp_address` is empty where no SMTP door is open."""

    accounts: Accounts
    outbox: Outbox
    submitters: Submitters
    submission: Submission
    wake: Callable[[int], None]
    clients: "Callable[[], Clients]"
    connect: "Callable[[], Connect]"
    send_test: Callable[[Mailbox, str], Awaitable[Row]]
    rotation: Rotation
    changed: Callable[[AppRegistration | Mailbox], None]
    smtp_address: Callable[[], str]
    log: Logger
    clock: Clock = time.time


class _Versioned(FastAPI):
    """Every answer bears the version, also that of an error that nobody foresaw."""

    def build_middleware_stack(self) -> ASGIApp:
        """See Starlette."""
        return Versioned(super().build_middleware_stack())


def build(services: Services) -> FastAPI:
    """The API over the given services. It loads nothing from outside."""
    app = _Versioned(
        title="Pillarbox",
        version=pillarbox.__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # An empty name is nobody's: a redirect to the list would be no answer for whoever wants one removed.
        redirect_slashes=False,
        responses={"4XX": {"model": models.Problem}, "5XX": {"model": models.Problem}},
    )
    app.add_middleware(BodyLimit, counted_elsewhere=("/api/v1/sends",))
    _add_problems(app, services.log)
    apps.add(app, services)
    _add_accounts(app, services)
    _add_sends(app, services)
    calls.add(app, services)
    check.add(app, services)
    sign_in.add(app, services)
    submitters.add(app, services)
    vault.add(app, services)
    return app


def _add_accounts(app: FastAPI, services: Services) -> None:
    accounts, log = services.accounts, services.log

    @app.get("/api/v1/mailboxes")
    async def list_mailboxes() -> models.Mailboxes:
        return models.Mailboxes(data=[models.MailboxOut.of(one) for one in await accounts.mailboxes()])

    @app.post("/api/v1/mailboxes", status_code=201)
    async def add_mailbox(new: models.NewMailbox) -> models.MailboxOut:
        added = await mailboxes.add(accounts, new.address, new.app)
        log.info("account.changed", what="mailbox", name=added.address, change="added")
        return models.MailboxOut.of(added)

    @app.put("/api/v1/mailboxes/{address}")
    async def change_mailbox(address: str, new: models.MailboxChange) -> models.MailboxOut:
        changed = await mailboxes.change(accounts, address, new.app)
        services.changed(changed)
        log.info("account.changed", what="mailbox", name=changed.address, change="other app registration")
        return models.MailboxOut.of(changed)

    @app.delete("/api/v1/mailboxes/{address}", status_code=204)
    async def remove_mailbox(address: str) -> None:
        removed = await mailboxes.remove(accounts, address)
        services.changed(removed)
        log.info("account.changed", what="mailbox", name=removed.address, change="removed")


def _add_sends(app: FastAPI, services: Services) -> None:
    box = services.outbox

    @app.get("/api/v1/status")
    async def status() -> models.Status:
        return models.Status(
            version=pillarbox.__version__,
            pid=os.getpid(),
            smtp=services.smtp_address(),
            outbox=dict(await box.count()),
        )

    @app.get("/api/v1/sends")
    async def list_sends(
        state: State | None = None, before: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> models.Page:
        rows = await box.list(state=state, before=before, limit=limit)
        return models.Page(
            data=[models.Send.of(row) for row in rows], next=rows[-1]["id"] if len(rows) == limit else None
        )

    @app.post(
        "/api/v1/sends",
        status_code=202,
        openapi_extra={"requestBody": {"required": True, "content": {"message/rfc822": {}}}},
    )
    async def send(
        request: Request, sender: str | None = None, recipient: Annotated[list[str] | None, Query()] = None
    ) -> models.Queued:
        mime = await _limited_body(request, services.submission.max_size)
        envelope = _envelope(mime, sender, recipient or [])
        operator = await services.submitters.operator()
        if headers.address_key(envelope.sender) not in operator.senders:
            raise NotFound("mailbox.not_found", address=envelope.sender)
        content = in_memory(mime)
        return models.Queued(id=await services.submission.accept(envelope, content, operator, arrival=Arrival("api")))

    @app.get("/api/v1/sends/{queue_id}")
    async def show_send(queue_id: str) -> models.Trace:
        row = await box.get(queue_id)
        if row is None:
            raise NotFound("outbox.not_found", id=queue_id)
        return models.Trace.of_rows(row, await box.attempts(row["seq"]))

    @app.post("/api/v1/sends/{queue_id}:retry")
    async def retry_send(queue_id: str) -> models.Send:
        return models.Send.of(await outbox.retry(box, queue_id, services.wake, services.log))

    @app.post("/api/v1/sends/{queue_id}:cancel")
    async def cancel_send(queue_id: str) -> models.Send:
        return models.Send.of(await outbox.cancel(box, queue_id, services.log))


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


def _add_problems(app: FastAPI, log: Logger) -> None:
    @app.exception_handler(PillarboxError)
    async def known(_request: Request, error: PillarboxError) -> JSONResponse:
        return _problem(error)

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return _problem(NotFound("request.not_found", path=request.url.path))
        return _problem(InvalidInput("request.invalid", reason=str(error.detail)), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # Only the place and the rule: the value that was refused may be a secret.
        place = ".".join(str(part) for part in first["loc"])
        return _problem(InvalidInput("request.invalid", reason=f"{place}: {first['msg']}"))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected", where=f"{request.method} {request.url.path}", exc_info=error)
        return _problem(PillarboxError("internal"))


def _problem(error: PillarboxError, status: int | None = None) -> JSONResponse:
    entry = error.entry
    status = status or entry.http
    problem = models.Problem(
        title=error.sentence, status=status, code=error.code, hint=error.cure, retryable=entry.retry
    )
    return JSONResponse(problem.model_dump(), status, media_type="application/problem+json")
