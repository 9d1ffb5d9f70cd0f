"""The doctor at the API."""

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import FastAPI, Query

import pillarbox
from pillarbox.core.caller import Scope
from pillarbox.core.settings import Settings, describe
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.models import Model

if TYPE_CHECKING:
    from pillarbox.admin.doctor import Diagnosis, Told
    from pillarbox.endpoints.api.app import Services

_PATIENCE: Final = 60.0
_LONGEST: Final = 1800.0
_PACKAGES: Final = ("aiohttp", "apsw", "cryptography", "fastapi", "msal", "pydantic", "uvicorn")
_Patience = Annotated[
    float, Query(gt=0, le=_LONGEST, allow_inf_nan=False, description="Seconds in which mailboxes are tested.")
]


class FindingOut(Model):
    """One thing that the doctor found: where it looked, how bad it is, what to do. `evidence` is what was seen."""

    name: str
    severity: Literal["ok", "warning", "problem", "skipped"]
    code: str
    title: str
    hint: str
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


def add(app: FastAPI, services: "Services") -> None:
    """Add the routes of the doctor."""

    @app.get("/api/v1/doctor", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def run_doctor(patience: _Patience = _PATIENCE) -> DiagnosisOut:
        """Look at everything that can be wrong with the installation, and test each mailbox without a mail."""
        # What talks to Microsoft is imported when somebody does.
        from pillarbox.admin.doctor import examine

        diagnosis = await examine(services.examined(patience), services.log)
        # What may be sent depends on the modes that were found.
        await services.submitters.refresh()
        return DiagnosisOut.of(diagnosis)

    @app.get("/api/v1/doctor/facts", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def show_facts() -> Facts:
        """What a support archive holds beside the findings. Nothing in it is secret."""
        return Facts(
            versions=_versions(), settings=_settings(services.settings), outbox=dict(await services.outbox.count())
        )


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
        found.append(Setting(key=key, value=str(value) if value else "", origin=settings.origin(key)))
    return found
