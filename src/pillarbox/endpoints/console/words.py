"""What the catalogue says, in the reader's language: a code and its parameters travel, here they become words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pillarbox.core import catalogue
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import Language


@dataclass(frozen=True, slots=True)
class Said:
    """What happened, and what helps; either may be empty."""

    sentence: str
    cure: str


def of_problem(problem: Problem, language: Language) -> Said:
    """What the API refused, in this language as far as it is translated."""
    return of_code(problem.code, problem.params, Said(problem.title, problem.hint), language)


def of_code(code: str, params: Mapping[str, Any], english: Said, language: Language) -> Said:
    """The words of a code, where they are translated; else in English, as the API says them.

    What we cannot fill in, as an older API did not tell all, stays in English too.
    """
    entry = catalogue.entries().get(code) or catalogue.findings().get(code)
    if entry is None:
        return english
    return Said(
        _filled(entry.sentence, params, english.sentence, language), _filled(entry.cure, params, english.cure, language)
    )


def _filled(template: str, params: Mapping[str, Any], english: str, language: Language) -> str:
    said = language.say(template)
    if said == template:
        return english
    try:
        return said.format(**params).strip()
    except (KeyError, IndexError):
        return english
