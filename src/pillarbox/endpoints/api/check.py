"""The Test button at the API."""

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from pillarbox.core.caller import Scope
from pillarbox.core.scopes import Resource
from pillarbox.endpoints.api.access import needs

if TYPE_CHECKING:
    from pillarbox.admin.check.journey import Check
    from pillarbox.admin.check.steps import Report, Step
    from pillarbox.endpoints.api.app import Services


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTest(_Model):
    """`to`: send a real mail there; without it none is sent. `exchange`: try SMTP and IMAP in any case."""

    to: str | None = None
    exchange: bool = False


class StepOut(_Model):
    """One thing that was tested: ok, fail or skip. `evidence` is what was seen; never a token."""

    name: str
    status: str
    code: str
    title: str
    hint: str
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

    def check() -> "Check":
        # What talks to Microsoft is imported when somebody does.
        from pillarbox.admin.check.journey import Check

        return Check(
            services.accounts,
            services.clients(),
            services.send_test,
            services.clock,
            services.log,
            sends_by_smtp=lambda mailbox: Resource.EXCHANGE in services.ways(mailbox),
        )

    @app.post("/api/v1/apps/{name}:test", dependencies=[needs(Scope.ADMIN)])
    async def test_app(name: str) -> ReportOut:
        return ReportOut.of(await check().check_app(name))

    @app.post("/api/v1/mailboxes/{address}:test", dependencies=[needs(Scope.OUTBOX_DECIDE)])
    async def test_mailbox(address: str, new: NewTest | None = None) -> ReportOut:
        asked = new or NewTest()
        report = await check().check_mailbox(address, asked.to, exchange=asked.exchange)
        # What it may send depends on the mode that was found.
        await services.submitters.refresh()
        return ReportOut.of(report)
