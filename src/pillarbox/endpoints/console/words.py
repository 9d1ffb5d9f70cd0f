"""What the catalogue says, in the reader's language: a code and its parameters travel, here they become words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.core import catalogue
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import N_, Language

BY_HAND: Final = "operator"
"""The cause of a pause that a person made."""
_NAMES: Final = {
    "state": {
        "queued": N_("waiting"),
        "sending": N_("being sent"),
        "deferred": N_("tried again later"),
        "uncertain": N_("uncertain"),
        "held": N_("held"),
    },
    "kind": {
        "secret": N_("client secret"),
        "certificate": N_("certificate"),
        "federated": N_("federated credential"),
        "managed-identity": N_("managed identity"),
    },
}
"""How people call what a finding names by its word in the API."""


@dataclass(frozen=True, slots=True)
class Said:
    """What happened, and what helps; either may be empty."""

    sentence: str
    cure: str


_HERE: Final = {
    "access.no_scope": Said(
        N_("Your role does not allow this."), N_("Ask an administrator to do it, or to give you a role that may.")
    ),
}
"""What is said otherwise to people at the console: they have roles, where programs have keys with scopes."""


def of_problem(problem: Problem, language: Language) -> Said:
    """What the API refused, in this language as far as it is translated."""
    if here := _HERE.get(problem.code):
        return Said(language.say(here.sentence), language.say(here.cure))
    return of_code(problem.code, problem.params, Said(problem.title, problem.hint), language)


def of_flaw(flaw: Mapping[str, Any], language: Language) -> Said:
    """What is wrong with a part of what was given; what the framework found is in English, with its place."""
    if not flaw["code"]:
        return Said(f"{flaw['parameter'] or flaw['pointer'] or ''} {flaw['detail']}".strip(), "")
    return of_code(flaw["code"], flaw["params"], Said(flaw["detail"], flaw["hint"]), language)


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


def of_cause(cause: str, language: Language) -> Said:
    """Why an attempt ended as it did, by the word for it in the API; one that is not known here is that word."""
    code = f"cause.{cause}"
    entry = catalogue.entries().get(code)
    return of_code(code, {}, Said(entry.sentence, entry.cure) if entry else Said(cause, ""), language)


def of_pause(pause: Mapping[str, Any], language: Language) -> Said:
    """Why nothing is sent for a time."""
    code = "outbox.paused_by_hand" if pause["cause"] == BY_HAND else f"cause.{pause['cause']}"
    return of_code(code, {}, Said(pause["text"], pause["cure"]), language)


def of_finding(found: Mapping[str, Any], language: Language, now: float) -> Said:
    """What the doctor found. Times, spans and names are as this language has them, but for commands in the cure."""
    english = Said(found["title"], found["hint"])
    spoken = {**found["params"], **_spoken(found["params"], found["evidence"], language, now)}
    return Said(
        of_code(found["code"], spoken, english, language).sentence,
        of_code(found["code"], found["params"], english, language).cure,
    )


def _spoken(params: Mapping[str, Any], seen: Mapping[str, Any], language: Language, now: float) -> Mapping[str, str]:
    """What a sentence names that each language writes in its own way."""
    said = {
        name: language.say(names.get(params[name], params[name])) for name, names in _NAMES.items() if name in params
    }
    if "age" in params:
        said["age"] = language.lasts(seen["age"])
    if "left" in params:
        said["left"] = language.ago(now - seen["ends_at"])
    if "until" in params:
        said["until"] = language.moment(seen["until"])
    return said


def _filled(template: str, params: Mapping[str, Any], english: str, language: Language) -> str:
    said = language.say(template)
    if said == template:
        return english
    try:
        return said.format(**params).strip()
    except (KeyError, IndexError):
        return english
