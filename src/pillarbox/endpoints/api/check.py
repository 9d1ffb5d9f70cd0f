"""The Test button at the API. Who accepts `application/x-ndjson` is told each step as soon as it is found."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, StrictBool

from pillarbox.admin import mailboxes
from pillarbox.core.caller import Caller, Scope
from pillarbox.core.errors import Forbidden
from pillarbox.delivery import senders
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Params, params_of

if TYPE_CHECKING:
    from pillarbox.admin.check.run import Run
    from pillarbox.admin.check.steps import Report, Step
    from pillarbox.endpoints.api.app import Services

LINES: Final = "application/x-ndjson"
_AS_LINES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Successful Response; as lines each step but the verdict, and then the whole report.",
        "content": {LINES: {"schema": {"type": "string"}}},
    }
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTest(_Model):
    """`to`: send a real mail there; without it none is sent. `exchange`: try SMTP and IMAP in any case."""

    to: str | None = None
    exchange: StrictBool = False


class StepOut(_Model):
    """One thing that was tested: ok, warn, fail or skip. `evidence` is what was seen; never a token."""

    name: str
    status: str
    code: str
    title: str
    hint: str
    params: Params
    evidence: dict[str, Any]

    @classmethod
    def of(cls, step: "Step") -> "StepOut":
        """From our word."""
        return cls(
            name=step.name,
            status=step.status.value,
            code=step.code,
            title=step.sentence,
            hint=step.cure,
            params=params_of(step.params),
            evidence=dict(step.evidence),
        )


class ReportOut(_Model):
    """All steps, the last is the verdict; `assurance` is send-only, verify or draft, or empty where none follows."""

    ok: bool
    assurance: str
    steps: list[StepOut]

    @classmethod
    def of(cls, report: "Report") -> "ReportOut":
        """From our word."""
        return cls(ok=report.ok, assurance=report.assurance, steps=[StepOut.of(step) for step in report.steps])


def add(app: FastAPI, services: "Services") -> None:
    """The routes of the Test button."""

    async def _check_sending(caller: Caller, to: str) -> None:
        """It is a mail as any other: who may send none may not by a test."""
        caller.need(Scope.SEND)
        sender = await services.sender_of(caller)
        if not senders.is_recipient_of(sender, to):
            raise Forbidden("mail.recipient_not_allowed", submitter=sender.name, recipient=to)

    async def told(run: "Run", request: Request) -> ReportOut | Response:
        if LINES in request.headers.get("accept", ""):
            return StreamingResponse(_lines(run, services.submitters.refresh), media_type=LINES)
        report = await run.whole()
        # What may be sent depends on the mode that was found.
        await services.submitters.refresh()
        return ReportOut.of(report)

    @app.post(
        "/api/v1/apps/{name}:test",
        response_model=ReportOut,
        responses=_AS_LINES,
        dependencies=[needs(Scope.ADMIN)],
    )
    async def test_app(name: str, request: Request) -> ReportOut | Response:
        """Test an app registration: its credentials and what they may do."""
        return await told(await services.check().of_app(name), request)

    @app.post("/api/v1/mailboxes/{address}:test", response_model=ReportOut, responses=_AS_LINES)
    async def test_mailbox(
        address: str,
        request: Request,
        caller: Annotated[Caller, needs(Scope.OUTBOX_DECIDE)],
        new: NewTest | None = None,
    ) -> ReportOut | Response:
        """Test a mailbox step by step; with `to`, a real mail is sent."""
        await mailboxes.get(services.accounts, address, caller)
        asked = new or NewTest()
        if asked.to is not None:
            await _check_sending(caller, asked.to)
        return await told(await services.check().of_mailbox(address, asked.to, exchange=asked.exchange), request)


async def _lines(run: "Run", refresh: Callable[[], Awaitable[None]]) -> AsyncIterator[str]:
    """The steps one by one, and the report, which holds the verdict."""
    async for step in run.steps():
        yield f"{StepOut.of(step).model_dump_json()}\n"
    await refresh()
    yield f"{ReportOut.of(run.report).model_dump_json()}\n"
