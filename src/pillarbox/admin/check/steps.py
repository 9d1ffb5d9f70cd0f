"""What a test comes to: steps, each with what it found and what to do about it, and the mode that follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pillarbox.admin.check.cures import of_a_test
from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError

Evidence = Mapping[str, object]
"""What was seen, as JSON can hold it. Never a token, a secret or a password."""


class Status(StrEnum):
    """How a step ended; what works, but not as it should, is warned of; what was not tried, or need not be there, is
    skipped.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tested. `code` and `params` are words of the catalogue."""

    name: str
    status: Status
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
        told = self._entry.cure.format(**self.params).strip()
        return of_a_test(told) if self.status is Status.FAIL else told

    @property
    def _entry(self) -> catalogue.Entry:
        return catalogue.entry(self.code) if self.status is Status.FAIL else catalogue.findings()[self.code]


@dataclass(frozen=True, slots=True)
class Report:
    """All steps, the last of them the verdict; `assurance` is send-only, verify or draft, empty where none follows."""

    steps: tuple[Step, ...]
    assurance: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(step.status is Status.FAIL for step in self.steps)


@dataclass(frozen=True, slots=True)
class Found:
    """What a step found that did not fail, or why it was left out."""

    code: str
    params: Mapping[str, object]
    evidence: Evidence
    status: Status = Status.OK


def found(code: str, evidence: Evidence | None = None, /, **params: object) -> Found:
    """All is well; the words of `code`."""
    return Found(code, params, evidence or {})


def left_out(code: str, evidence: Evidence | None = None, /, **params: object) -> Found:
    """Not tried, or not there and not needed; the words of `code`."""
    return Found(code, params, evidence or {}, Status.SKIP)


def doubtful(code: str, evidence: Evidence | None = None, /, **params: object) -> Found:
    """It works, or may work; a person should look. The words of `code`."""
    return Found(code, params, evidence or {}, Status.WARN)


class Failed(PillarboxError):
    """A step failed, and there is more to tell than the words."""

    def __init__(self, code: str, evidence: Evidence, /, **params: object) -> None:
        super().__init__(code, **params)
        self.evidence = evidence
