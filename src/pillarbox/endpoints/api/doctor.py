"""The doctor at the API."""

import asyncio
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import FastAPI
from pydantic import Field, StrictFloat

import pillarbox
from pillarbox.core.caller import Scope
from pillarbox.core.errors import Conflict
from pillarbox.core.settings import Settings, describe
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model, Params, params_of

if TYPE_CHECKING:
    from pillarbox.admin.doctor import Diagnosis, Told
    from pillarbox.endpoints.api.app import Services

_PATIENCE: Final = 60.0
_LONGEST: Final = 1800.0
_PACKAGES: Final = ("aiohttp", "apsw", "cryptography", "fastapi", "msal", "pydantic", "uvicorn")


class NewDiagnosis(Model):
    """`patience`: seconds in which mailboxes are tested; what is not tested by then is left out."""

    patience: Annotated[StrictFloat, Field(gt=0, le=_LONGEST, allow_inf_nan=False)] = _PATIENCE


class FindingOut(Model):
    """One thing that the doctor found: where it looked, how bad it is, what to do. `evidence` is what was seen."""

    name: str
    severity: Literal["ok", "warning", "problem", "skipped"]
    code: str
    title: str
    hint: str
    params: Params
    evidence: dict[str, Any]

    @classmethod
    def of(cls, told: "Told") -> "FindingOut":
        """From our word."""
        found = told.finding
        return cls(
            name=told.name,
            severity=found.severity.value,
            code=found.code,
            title=found.sentence,
            hint=found.cure,
            params=params_of(found.params),
            evidence=dict(found.evidence),
        )


class DiagnosisOut(Model):
    """All that the doctor found; `ok` where there is no problem. `version` is that of the service that looked."""

    ok: bool
    version: str
    findings: list[FindingOut]

    @classmethod
    def of(cls, diagnosis: "Diagnosis") -> "DiagnosisOut":
        """From our word."""
        findings = [FindingOut.of(one) for one in diagnosis.told]
        return cls(ok=diagnosis.ok, version=pillarbox.__version__, findings=findings)


class Setting(Model):
    """A setting as it counts, and where it comes from; a secret as stars."""

    key: str
    value: str
    origin: str


class Facts(Model):
    """What else a support archive holds: versions, settings without secrets, how many messages are in which state."""

    versions: dict[str, str]
    settings: list[Setting]
    outbox: dict[str, int]

    @classmethod
    def of(cls, settings: Settings, outbox: Mapping[str, int]) -> "Facts":
        """From our words."""
        return cls(versions=_versions(), settings=_settings(settings), outbox=dict(outbox))


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of the doctor."""

    running = asyncio.Lock()

    @app.post("/api/v1/doctor", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def run_doctor(new: NewDiagnosis | None = None) -> DiagnosisOut:
        """Look at everything that can be wrong with the installation, and test each mailbox without a mail.

        A test makes a draft where it may, and deletes it; the mode that it finds is kept. One doctor runs at a time.
        """
        # What talks to Microsoft is imported when somebody does.
        from pillarbox.admin.doctor import EXAMINATIONS, examine

        if running.locked():
            raise Conflict("doctor.running")
        async with running:
            examined = services.examined((new or NewDiagnosis()).patience)
            diagnosis = await examine(examined, services.log, EXAMINATIONS)
            # What may be sent depends on the modes that were found.
            await services.submitters.refresh()
        return DiagnosisOut.of(diagnosis)

    @app.get("/api/v1/doctor/facts", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def show_facts() -> Facts:
        """What a support archive holds beside the findings. Nothing in it is secret."""
        return Facts.of(services.settings, await services.outbox.count())


def _versions() -> dict[str, str]:
    found = {"pillarbox": pillarbox.__version__, "python": platform.python_version(), "system": platform.platform()}
    return found | {name: metadata.version(name) for name in _PACKAGES}


def _settings(settings: Settings) -> list[Setting]:
    """All settings; a listener's own too, as what its section shows."""
    found = []
    for key, _ in describe():
        value: Any = settings
        for part in key.split("."):
            value = getattr(value, part)
        # The stars of a secret; nothing where there is none.
        shown = str(value) if value or isinstance(value, int | float) else ""
        found.append(Setting(key=key, value=shown, origin=settings.origin(key)))
    return found
