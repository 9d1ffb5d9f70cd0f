"""The routes: HTTP words in, a journey called, its result out."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import pillarbox
from pillarbox.access.submitters import Submitters
from pillarbox.admin import mailboxes
from pillarbox.admin.vault import Rotation
from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.caller import Scope
from pillarbox.core.errors import InvalidInput, NotFound, PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.once import Once
from pillarbox.delivery.retention import Dropped
from pillarbox.delivery.submission import Submission
from pillarbox.endpoints.api import apps, calls, check, models, sends, sign_in, submitters, vault
from pillarbox.endpoints.api.access import needs
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
    """What the API needs of the house.

    `smtp_address` is empty where no SMTP door is open, `smtp_host` where Exchange's is not known. `ways`
    are those by which mail of a mailbox can leave, the first one first.
    """

    accounts: Accounts
    outbox: Outbox
    submitters: Submitters
    submission: Submission
    once: Once
    governors: Governors
    purge: Callable[[float | None], Awaitable[Dropped]]
    wake: Callable[[int], None]
    clients: "Callable[[], Clients]"
    connect: "Callable[[], Connect]"
    send_test: Callable[[Mailbox, str], Awaitable[Row]]
    rotation: Rotation
    changed: Callable[[AppRegistration | Mailbox], None]
    smtp_address: Callable[[], str]
    smtp_host: Callable[[], str]
    ways: Callable[[Mailbox], Sequence[Resource]]
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
    _add_status(app, services)
    sends.add(app, services)
    calls.add(app, services)
    check.add(app, services)
    sign_in.add(app, services)
    submitters.add(app, services)
    vault.add(app, services)
    return app


def _add_accounts(app: FastAPI, services: Services) -> None:
    accounts, log = services.accounts, services.log

    def shown(mailbox: Mailbox) -> models.MailboxOut:
        pauses, by_smtp = services.governors.waits(mailbox), services.governors.paused_elsewhere(mailbox)
        ways, limit = services.ways(mailbox), services.submission.route_limit(mailbox)
        return models.MailboxOut.of(mailbox, pauses, by_smtp, ways, limit)

    @app.get("/api/v1/mailboxes", dependencies=[needs(Scope.MAILBOXES_READ)])
    async def list_mailboxes() -> models.Mailboxes:
        return models.Mailboxes(data=[shown(one) for one in await accounts.mailboxes()])

    @app.get("/api/v1/mailboxes/{address}", dependencies=[needs(Scope.MAILBOXES_READ)])
    async def show_mailbox(address: str) -> models.MailboxOut:
        return shown(await mailboxes.get(accounts, address))

    @app.post("/api/v1/mailboxes", status_code=201, dependencies=[needs(Scope.ADMIN)])
    async def add_mailbox(new: models.NewMailbox) -> models.MailboxOut:
        added = await mailboxes.add(accounts, new.address, new.app)
        log.info("account.changed", what="mailbox", name=added.address, change="added")
        return shown(added)

    @app.put("/api/v1/mailboxes/{address}", dependencies=[needs(Scope.ADMIN)])
    async def change_mailbox(address: str, new: models.MailboxChange) -> models.MailboxOut:
        changed = await mailboxes.change(accounts, address, new.app)
        await services.submitters.refresh()
        services.changed(changed)
        log.info("account.changed", what="mailbox", name=changed.address, change="other app registration")
        return shown(changed)

    @app.patch("/api/v1/mailboxes/{address}", dependencies=[needs(Scope.ADMIN)])
    async def choose_for_mailbox(address: str, wish: models.MailboxWish) -> models.MailboxOut:
        if wish.transport == "smtp":
            mailboxes.need_smtp_host(services.smtp_host(), address)
        changed = await mailboxes.choose(accounts, address, wish.choice())
        await services.submitters.refresh()
        services.changed(changed)
        log.info("account.changed", what="mailbox", name=changed.address, change="way of sending")
        return shown(changed)

    @app.delete("/api/v1/mailboxes/{address}", status_code=204, dependencies=[needs(Scope.ADMIN)])
    async def remove_mailbox(address: str) -> None:
        removed = await mailboxes.remove(accounts, address)
        services.changed(removed)
        log.info("account.changed", what="mailbox", name=removed.address, change="removed")


def _add_status(app: FastAPI, services: Services) -> None:
    box = services.outbox

    @app.get("/api/v1/status", dependencies=[needs(Scope.OUTBOX_READ)])
    async def status() -> models.Status:
        return models.Status(
            version=pillarbox.__version__,
            pid=os.getpid(),
            smtp=services.smtp_address(),
            outbox=dict(await box.count()),
        )


def _add_problems(app: FastAPI, log: Logger) -> None:
    @app.exception_handler(PillarboxError)
    async def known(_request: Request, error: PillarboxError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def no_such_route(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return problem_of(NotFound("request.not_found", path=request.url.path))
        return problem_of(InvalidInput("request.invalid", reason=str(error.detail)), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # Only the place and the rule: the value that was refused may be a secret.
        place = ".".join(str(part) for part in first["loc"])
        return problem_of(InvalidInput("request.invalid", reason=f"{place}: {first['msg']}"))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected", where=f"{request.method} {request.url.path}", exc_info=error)
        return problem_of(PillarboxError("internal"))


def problem_of(error: PillarboxError, status: int | None = None) -> JSONResponse:
    """The answer that tells of an error (RFC 9457); `status` counts in place of the catalogue's. Pure."""
    problem = models.Problem.of(error, status)
    # RFC 9110 section 10.2.3, in seconds: what somebody else is at is over soon, a disk or a rate takes longer.
    wait = {"Retry-After": "1" if problem.status == 409 else "5"} if problem.retryable else None
    return JSONResponse(problem.model_dump(), problem.status, wait, media_type="application/problem+json")
