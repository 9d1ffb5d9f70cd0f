"""What the catalogue says, in the reader's language: a code and its parameters travel, here they become words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError
from pillarbox.endpoints.console.calls import Problem
from pillarbox.endpoints.console.languages import N_, Language
from pillarbox.endpoints.console.recognised import begins, fields, telling, values_in

BY_HAND: Final = "operator"
"""The cause of a pause that a person made."""
_UNHEARD: Final = ("smtp.handshake_failed",)
"""What is refused where a client cannot be told anything."""
_LONGEST: Final = 10_000
"""Letters of a text in which sentences of ours are looked for."""
_MOST_SENTENCES: Final = 10
_DEEPEST: Final = 3
"""How deep a sentence may stand in the value of another one."""
_STATES: Final[Mapping[str, str]] = {
    "queued": N_("waiting"),
    "sending": N_("being sent"),
    "sent": N_("sent"),
    "deferred": N_("tried again later"),
    "uncertain": N_("uncertain"),
    "held": N_("held"),
    "failed": N_("failed"),
    "bounced": N_("bounced"),
    "canceled": N_("canceled"),
}
_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "state": _STATES,
    "former": _STATES,
    "kind": {
        "secret": N_("client secret"),
        "certificate": N_("certificate"),
        "federated": N_("federated credential"),
        "managed-identity": N_("managed identity"),
        "user": N_("user"),
        "group": N_("group"),
    },
}
"""How people call what a sentence names by its word in the API."""


@dataclass(frozen=True, slots=True)
class Said:
    """What happened, and what helps; either may be empty."""

    sentence: str
    cure: str


_HERE: Final[Mapping[str, Said]] = {
    "access.no_scope": Said(
        N_("Your role does not allow this."), N_("Ask an administrator to do it, or to give you a role that may.")
    ),
    "person.no_role": Said(N_("A person needs a role."), N_("Tick at least one.")),
    "person.wrong_sign_in": Said(
        N_("Name or password is wrong."),
        N_("If the password is forgotten, an administrator makes a new link for you under People."),
    ),
    "submitter.bad_name": Said(
        N_("'%(name)s' cannot be the name of a device or program."),
        N_("Use up to 64 letters, digits and . _ @ + -, without spaces, and with no - in front."),
    ),
    "submitter.exists": Said(N_("There is a device or program '%(name)s' already."), N_("Choose another name.")),
    "submitter.no_sender": Said(
        N_("A device or program needs a mailbox to send from."), N_('Tick one under "Sends from".')
    ),
    "submitter.no_way_in": Said(
        N_("It has no way to come in: no password, no token, no network, no user or group of this machine."),
        N_("Tick the password, or name a network."),
    ),
    "submitter.not_found": Said(
        N_("There is no device or program '%(name)s'."), N_("`pillarbox submitter list` shows all of them.")
    ),
    "submitter.rule_without_mailbox": Said(
        N_("Whoever comes in without a login needs a mailbox to send from."), N_('Tick one under "Sends from".')
    ),
}
"""What is said otherwise to people at the console: they tick boxes where commands have options, and have roles where
programs have keys with scopes."""


def of_problem(problem: Problem, language: Language) -> Said:
    """What the API refused, in this language as far as it is translated."""
    if here := _HERE.get(problem.code):
        return Said(language.say(here.sentence, **problem.params), language.say(here.cure))
    return of_code(problem.code, problem.params, Said(problem.title, problem.hint), language)


def of_flaw(flaw: Mapping[str, Any], language: Language) -> Said:
    """What is wrong with a part of what was given; what the framework found is in English, with its place."""
    if not flaw["code"]:
        return Said(f"{flaw['parameter'] or flaw['pointer'] or ''} {flaw['detail']}".strip(), "")
    return of_code(flaw["code"], flaw["params"], Said(flaw["detail"], flaw["hint"]), language)


def of_code(code: str, params: Mapping[str, Any], english: Said, language: Language) -> Said:
    """The words of a code, where they are translated; else what the API says in English, as far as that is (`of_text`).

    So it is with what we cannot fill in, as an older API did not tell all.
    """
    if language.is_default:
        return english
    entry = catalogue.entries().get(code) or catalogue.findings().get(code)
    if entry is None or not entry.translated:
        return Said(of_text(english.sentence, language), of_text(english.cure, language))
    return Said(
        _filled(entry.sentence, params, english.sentence, _spoken, language),
        # A cure names things as its commands do.
        _filled(entry.cure, params, english.cure, _told, language),
    )


def of_text(text: str, language: Language) -> str:
    """What is kept in English alone, such as a note of an attempt: the sentences of ours in it in this language."""
    return text if language.is_default else _recognised(text, language)


def of_refusals(told: Iterable[Mapping[str, Any]], language: Language) -> list[dict[str, Any]]:
    """What the SMTP door refused, the last first: what is `said` of it, and the `reply` that the client was given.

    Sometimes it was given none: where TLS does not come about, nothing can be said. That an address is kept out stands
    beside the last one of it.
    """
    last_first = sorted(told, key=lambda one: -float(one["last_at"]))
    last = {one["peer"]: one for one in reversed(last_first)}
    return [
        {
            **one,
            "kept_out_until": one["kept_out_until"] if last[one["peer"]] is one else None,
            "said": of_code(one["code"], one["params"], Said(one["title"], one["hint"]), language),
            "reply": "" if one["code"] in _UNHEARD else PillarboxError(one["code"], **one["params"]).smtp_reply,
        }
        for one in last_first
    ]


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
    """What the doctor or a test found. Times and spans are as this language has them, but for commands in the cure."""
    english = Said(found["title"], found["hint"])
    seen = {**found["params"], **_seen(found["params"], found["evidence"], language, now)}
    return Said(
        of_code(found["code"], seen, english, language).sentence,
        of_code(found["code"], found["params"], english, language).cure,
    )


def _seen(params: Mapping[str, Any], seen: Mapping[str, Any], language: Language, now: float) -> Mapping[str, str]:
    """The times and spans of a finding, of which the API tells the seconds too."""
    said = {}
    if "age" in params:
        said["age"] = language.lasts(seen["age"])
    if "left" in params:
        said["left"] = language.ago(now - seen["ends_at"])
    if "until" in params:
        said["until"] = language.moment(seen["until"])
    if "difference" in params:
        said["difference"] = _difference(seen["seconds_ahead"], language)
    return said


def _difference(ahead: float, language: Language) -> str:
    """By how much the clock of this machine differs from Microsoft's."""
    if abs(ahead) < 1:
        return language.say(N_("to the second"))
    text = N_("%(span)s ahead of Microsoft's") if ahead > 0 else N_("%(span)s behind Microsoft's")
    return language.say(text, span=language.lasts(abs(ahead)))


def _spoken(values: Mapping[str, Any], language: Language, depth: int = 0) -> Mapping[str, Any]:
    """The values of a sentence as people say them."""
    said = dict(_told(values, language, depth))
    said |= {
        name: language.say(names.get(values[name], values[name])) for name, names in _NAMES.items() if name in values
    }
    if "cause" in values:
        said["cause"] = of_cause(values["cause"], language).sentence.rstrip(".。")
    if "moment" in values:
        with suppress(ValueError):  # It may be what somebody wrote, in words that are like ours.
            moment = datetime.fromisoformat(values["moment"].replace(" UTC", "+00:00"))
            said["moment"] = language.moment(moment.timestamp())
    return said


def _told(values: Mapping[str, Any], language: Language, depth: int = 0) -> Mapping[str, Any]:
    """The values of a sentence, each of which may be one of ours itself."""
    return {
        name: _recognised(value, language, depth + 1) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _filled(
    template: str,
    params: Mapping[str, Any],
    english: str,
    say: Callable[[Mapping[str, Any], Language], Mapping[str, Any]],
    language: Language,
) -> str:
    """A sentence in this language. Values that were not told on their own are taken from the English one."""
    values = params if fields(template) <= params.keys() else values_in(template, english)
    return (
        of_text(english, language) if values is None else language.say(template).format(**say(values, language)).strip()
    )


def _recognised(text: str, language: Language, depth: int = 0) -> str:
    """Sentences of ours one after the other; from the first that is none the text stays as it is.

    A stranger may have written most of it: so a long text stays, and what is deep in it or comes late.
    """
    said: list[str] = []
    if len(text) > _LONGEST or depth == _DEEPEST:
        return text
    while len(said) < _MOST_SENTENCES and (found := _first_sentence(text)):
        template, values, text = found
        said.append(language.say(template).format(**_spoken(values, language, depth)).strip())
    return " ".join([*said, text]).strip()


def _first_sentence(text: str) -> tuple[str, Mapping[str, str], str] | None:
    """The sentence of ours by which a text begins: its template and values, and what follows it."""
    for sign, template in _templates() if " " in text else ():
        if sign in text and (begun := begins(template, text)):
            return template, *begun
    return None


@cache
def _templates() -> Sequence[tuple[str, str]]:
    """What is translated, each with what tells it; what says most comes first, as a shorter one may fit too."""
    entries = [*catalogue.entries().values(), *catalogue.findings().values()]
    texts = {text for entry in entries if entry.translated for text in (entry.sentence, entry.cure)}
    texts |= set(catalogue.of_microsoft())
    told = [(telling(text), text) for text in texts]
    return sorted((one for one in told if one[0]), key=lambda one: (-len(one[1]), one[1]))
