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
    from pillarbox.admin.doctor import Diagnosis
    from pillarbox.admin.examine.findings import Told
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


class LastDiagnosis(Model):
    """What the doctor found last since the service started (`at`, seconds since 1970); null: nobody has asked yet.

    Where it is `running` just now, it is done with `done` of `all` subjects.
    """

    running: bool
    done: int
    all: int
    at: float | None
    diagnosis: DiagnosisOut | None


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

    room = _Room(services)

    @app.post("/api/v1/doctor", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def run_doctor(new: NewDiagnosis | None = None) -> DiagnosisOut:
        """Look at everything that can be wrong with the installation, and test each mailbox without a mail.

        A test makes a draft where it may, and deletes it; the mode that it finds is kept. One doctor runs at a time.
        """
        return await room.examine((new or NewDiagnosis()).patience)

    @app.get("/api/v1/doctor", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def show_diagnosis() -> LastDiagnosis:
        """Show what the doctor found last, and how far it is where it is at work."""
        return room.last()

    @app.get("/api/v1/doctor/facts", dependencies=[needs(Scope.DOCTOR_RUN)])
    async def show_facts() -> Facts:
        """What a support archive holds beside the findings. Nothing in it is secret."""
        return Facts.of(services.settings, await services.outbox.count())


class _Room:
    """Where the doctor works, for one at a time, and what it found last."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._running = asyncio.Lock()
        self._done = 0
        self._all = 0
        self._at: float | None = None
        self._diagnosis: DiagnosisOut | None = None

    async def examine(self, patience: float) -> DiagnosisOut:
        """Look at everything. Raises Conflict `doctor.running`."""
        # What talks to Microsoft is imported when somebody does.
        from pillarbox.admin.doctor import EXAMINATIONS, examine

        if self._running.locked():
            raise Conflict("doctor.running")
        async with self._running:
            self._done, self._all = 0, len(EXAMINATIONS)
            examined = self._services.examined(patience)
            diagnosis = await examine(examined, self._services.log, EXAMINATIONS, self._one_is_done)
            # What may be sent depends on the modes that were found.
            await self._services.submitters.refresh()
            self._at, self._diagnosis = self._services.clock(), DiagnosisOut.of(diagnosis)
            return self._diagnosis

    def last(self) -> LastDiagnosis:
        """What was found last."""
        running = self._running.locked()
        return LastDiagnosis(running=running, done=self._done, all=self._all, at=self._at, diagnosis=self._diagnosis)

    def _one_is_done(self, _name: str) -> None:
        self._done += 1


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
