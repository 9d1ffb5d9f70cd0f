"""The routes: HTTP words in, a journey called, its result out."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

import pillarbox
from pillarbox.access.audit import Audit
from pillarbox.access.household import Household
from pillarbox.access.keys import Keys
from pillarbox.access.submitters import Submitters
from pillarbox.admin.vault import Rotation
from pillarbox.core.accounts import AppRegistration, Mailbox, Submitter
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource
from pillarbox.core.settings import Settings
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.once import Once
from pillarbox.delivery.retention import Dropped
from pillarbox.delivery.submission import Submission
from pillarbox.delivery.uploads import Uploads
from pillarbox.delivery.watch import Watch
from pillarbox.endpoints import telemetry
from pillarbox.endpoints.api import (
    about,
    api_keys,
    apps,
    audit,
    calls,
    check,
    connect_links,
    contents,
    doctor,
    entra_sessions,
    events,
    listeners,
    mailboxes,
    me,
    microsoft,
    models,
    openapi,
    overview,
    pausing,
    people,
    problems,
    reference_page,
    refusals,
    sending,
    sends,
    sessions,
    sign_in,
    submitters,
    uploads,
    vault,
)
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.body_limit import BodyLimit
from pillarbox.endpoints.api.request_ids import RequestIds
from pillarbox.endpoints.api.route import Route
from pillarbox.endpoints.api.version import Versioned
from pillarbox.endpoints.smtp.spool import Spool
from pillarbox.store.accounts import Accounts
from pillarbox.store.connect_links import ConnectLinks
from pillarbox.store.events import EventLog
from pillarbox.store.outbox import Outbox

if TYPE_CHECKING:
    from pillarbox.admin.check.journey import Check
    from pillarbox.admin.clients import Clients
    from pillarbox.admin.connect import Connect
    from pillarbox.admin.examine.examined import Examined
    from pillarbox.admin.overview import Overview


@dataclass(frozen=True, slots=True)
class Services:
    """What the API needs of the house.

    `smtp_address` is empty where no SMTP door is open (`listeners`: the addresses of all), `smtp_host` where Exchange's
    is not known. `ways`
    are those by which mail of a mailbox can leave, the first one first.
    """

    accounts: Accounts
    outbox: Outbox
    submitters: Submitters
    keys: Keys
    submission: Submission
    once: Once
    governors: Governors
    events: EventLog
    watch: Watch
    connect_links: ConnectLinks
    return_urls: Sequence[str]
    uploads: Uploads
    spool: Callable[[], Spool]
    purge: Callable[[float | None], Awaitable[Dropped]]
    wake: Callable[[int], None]
    clients: "Callable[[], Clients]"
    connect: "Callable[[], Connect]"
    check: "Callable[[], Check]"
    examined: "Callable[[float], Examined]"
    overview: "Callable[[], Overview]"
    settings: Settings
    rotation: Rotation
    changed: Callable[[AppRegistration | Mailbox], None]
    smtp_address: Callable[[], str]
    listeners: Callable[[], Mapping[str, str]]
    smtp_host: Callable[[], str]
    ways: Callable[[Mailbox], Sequence[Resource]]
    sender_of: Callable[[Caller], Awaitable[Submitter]]
    audit: Audit
    household: Household
    log: Logger
    clock: Clock = time.time


class _Api(FastAPI):
    """Every answer bears the version and the id of its request, also that of an error that nobody foresaw."""

    def openapi(self) -> dict[str, Any]:
        """See FastAPI, which knows no model of a body that a route reads by itself."""
        if self.openapi_schema is None:
            super().openapi()["components"]["schemas"].update(sending.schemas())
            openapi.complete(super().openapi(), self.routes)
        return super().openapi()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """See ASGI. HEAD asks for what GET does; the server leaves out the body (RFC 9110 section 9.3.2)."""
        asked = {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
        try:
            await super().__call__(asked, receive, send)
        except ClientDisconnect:
            pass  # While it sent its body, or while it was answered.

    def build_middleware_stack(self) -> ASGIApp:
        """See Starlette."""
        return RequestIds(Versioned(super().build_middleware_stack()))


def build(services: Services) -> FastAPI:
    """The API over the given services. It loads nothing from outside."""
    app = _Api(
        title="Pillarbox",
        version=pillarbox.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # An empty name is nobody's: a redirect to the list would be no answer for whoever wants one removed.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry=telemetry.NONE,
    )
    app.router.route_class = Route
    reference_page.add(app)
    app.state.audit = services.audit
    app.add_middleware(BodyLimit, counted_elsewhere=("/api/v1/sends", "/api/v1/uploads/"))
    problems.add(app, services.log)
    apps.add(app, services)
    mailboxes.add(app, services)
    _add_status(app, services)
    sending.add(app, services)
    uploads.add(app, services)
    sends.add(app, services)
    contents.add(app, services)
    calls.add(app, services)
    check.add(app, services)
    sign_in.add(app, services)
    submitters.add(app, services)
    refusals.add(app, services)
    listeners.add(app, services)
    sessions.add(app, services)
    entra_sessions.add(app, services)
    me.add(app, services)
    people.add(app, services)
    api_keys.add(app, services)
    vault.add(app, services)
    events.add(app, services)
    connect_links.add(app, services)
    pausing.add(app, services)
    microsoft.add(app, services)
    audit.add(app, services)
    doctor.add(app, services)
    overview.add(app, services)
    about.add(app, services)
    return app


def _add_status(app: FastAPI, services: Services) -> None:
    box = services.outbox

    @app.get("/api/v1/status")
    async def status(caller: Annotated[Caller, needs(Scope.OUTBOX_READ)]) -> models.Status:
        """Show that the service runs, where its SMTP door is, and how many messages are in which state."""
        return models.Status(
            version=pillarbox.__version__,
            pid=os.getpid(),
            smtp=services.smtp_address(),
            outbox=dict(await box.count(caller.mailboxes)),
        )
