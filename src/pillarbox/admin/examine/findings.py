"""What an examination finds: a code with its words, how bad it is, and what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pillarbox.admin.check.steps import Evidence
from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError


class Severity(StrEnum):
    """How bad it is. What could not be looked at is skipped."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `code` and `params` are words of the catalogue; `evidence` is never a secret."""

    severity: Severity
    code: str
    params: Mapping[str, object]
    evidence: Evidence = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What was found, for a person, in English."""
        return self._entry.sentence.format(**self.params).strip()

    @property
    def cure(self) -> str:
        """What to do, or what else to know; may be empty."""
        return self._entry.cure.format(**self.params).strip()

    @property
    def _entry(self) -> catalogue.Entry:
        is_bad = self.severity in (Severity.WARNING, Severity.PROBLEM)
        return catalogue.entry(self.code) if is_bad else catalogue.findings()[self.code]


@dataclass(frozen=True, slots=True)
class Told:
    """What was found, by the name of the subject that was looked at."""

    name: str
    finding: Finding


def well(code: str, evidence: Evidence | None = None, /, **params: object) -> Finding:
    """It is as it should be."""
    return Finding(Severity.OK, code, params, evidence or {})


def warning(code: str, evidence: Evidence | None = None, /, **params: object) -> Finding:
    """It works, and somebody should know."""
    return Finding(Severity.WARNING, code, params, evidence or {})


def problem(code: str, evidence: Evidence | None = None, /, **params: object) -> Finding:
    """It does not work, or soon will not."""
    return Finding(Severity.PROBLEM, code, params, evidence or {})


def skipped(code: str, evidence: Evidence | None = None, /, **params: object) -> Finding:
    """It was not looked at, and why."""
    return Finding(Severity.SKIPPED, code, params, evidence or {})


def of_error(error: PillarboxError, severity: Severity = Severity.PROBLEM) -> Finding:
    """An error of ours as a finding."""
    return Finding(severity, error.code, error.params)
