"""Faults by rule: the nth matching request is delayed, refused, cut off, or accepted and then answered wrongly."""

import dataclasses
import email.utils
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

When = Literal["before", "after"]
RetryForm = Literal["seconds", "decimal", "date"]
MAX_DELAY = 3600.0


@dataclass(frozen=True)
class Fault:
    """One rule. All matchers that are given must fit; then all effects that are given happen.

    Matchers: `host` and `path` are parts of them (any case), `pattern` a regular expression searched in
    `METHOD host/path`, `method` a verb, `mailbox` a UPN, address or object id, `app` a client id. Of the matching
    requests the `nth` (from 1) is the first that is hit, and `times` of them are (None: all from then on).

    Effects: `delay` seconds; `revoke_tokens` makes all tokens issued so far useless; `status` with `code` (of Graph, or
    an AADSTS number such as "50196" or "AADSTS50196"), `message`, `headers` and `retry_after` seconds (as whole
    number, decimal or HTTP date); `cut` drops the connection. `when="before"`: the service does not see the request.
    `when="after"`: the request is carried out (a mail is accepted), then delayed, cut or answered so; a request that
    the service refuses keeps its refusal. A `status` below 400 keeps the rest of the true answer.
    """

    host: str | None = None
    path: str | None = None
    pattern: str | None = None
    method: str | None = None
    mailbox: str | None = None
    app: str | None = None
    nth: int = 1
    times: int | None = None
    when: When = "before"
    delay: float = 0.0
    revoke_tokens: bool = False
    cut: bool = False
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    retry_form: RetryForm = "seconds"

    def __post_init__(self) -> None:
        problem = _types_problem(self) or _values_problem(self)
        if problem:
            raise ValueError(problem)

    @classmethod
    def from_json(cls, value: Any) -> "Fault":
        """The rule that a JSON object describes; anything unknown or impossible is a ValueError with the reason."""
        if not isinstance(value, dict):
            raise ValueError("a rule is an object")
        unknown = value.keys() - {each.name for each in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        return cls(**value)

    def as_json(self) -> dict[str, Any]:
        """What differs from the defaults, for JSON."""
        shown = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        defaults = {each.name: each.default for each in dataclasses.fields(self)} | {"headers": {}}
        return {name: value for name, value in shown.items() if value != defaults[name]}

    @property
    def answers(self) -> bool:
        """Whether the client gets something else than the true answer."""
        return self.cut or self.status is not None

    def answer_headers(self, now: float) -> dict[str, str]:
        """The headers that the rule adds, Retry-After in its chosen form (RFC 9110 section 10.2.3)."""
        if self.retry_after is None:
            return dict(self.headers)
        forms = {
            "seconds": str(math.ceil(self.retry_after)),
            "decimal": f"{self.retry_after:.3f}",
            "date": email.utils.formatdate(now + self.retry_after, usegmt=True),
        }
        return {"Retry-After": forms[self.retry_form], **self.headers}


@dataclass(frozen=True)
class Traits:
    """What a rule can look at; `mailbox` holds every name of the mailbox."""

    method: str
    host: str
    path: str
    mailbox: frozenset[str] = frozenset()
    app: str | None = None


class Faults:
    """The rules in order, each with the number of requests it matched; the first that hits decides."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._matched: list[int] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, fault: Fault | None = None, /, **fields: Any) -> Fault:
        """Append a rule, given whole or by its fields, and give it back."""
        rule = fault or Fault(**fields)
        self._rules.append(rule)
        self._matched.append(0)
        return rule

    def matched(self, fault: Fault) -> int:
        """How many requests fitted that rule so far, hit or not."""
        return self._matched[next(place for place, each in enumerate(self._rules) if each is fault)]

    def clear(self) -> None:
        """Take all rules away."""
        self._rules.clear()
        self._matched.clear()

    def hit(self, traits: Traits) -> Fault | None:
        """The rule that strikes this request; rules behind it do not count it."""
        for place, rule in enumerate(self._rules):
            if not _fits(rule, traits):
                continue
            self._matched[place] += 1
            count = self._matched[place]
            if count >= rule.nth and (rule.times is None or count < rule.nth + rule.times):
                return rule
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """All rules with their counts, for JSON."""
        return [rule.as_json() | {"matched": count} for rule, count in zip(self._rules, self._matched, strict=True)]


def _fits(rule: Fault, traits: Traits) -> bool:
    return (
        (rule.host is None or rule.host.lower() in traits.host.lower())
        and (rule.path is None or rule.path.lower() in traits.path.lower())
        and (rule.method is None or rule.method.upper() == traits.method)
        and (rule.mailbox is None or rule.mailbox.casefold() in traits.mailbox)
        and (rule.app is None or rule.app.lower() == (traits.app or "").lower())
        and (rule.pattern is None or bool(re.search(rule.pattern, f"{traits.method} {traits.host}{traits.path}")))
    )


def _types_problem(rule: Fault) -> str | None:
    texts = ("host", "path", "pattern", "method", "mailbox", "app", "code", "message")
    wrong = [name for name in texts if not isinstance(getattr(rule, name), str | None)]
    wrong += [name for name in ("nth",) if type(getattr(rule, name)) is not int]
    wrong += [name for name in ("times", "status") if type(getattr(rule, name)) not in (int, type(None))]
    wrong += [name for name in ("revoke_tokens", "cut") if type(getattr(rule, name)) is not bool]
    wrong += [] if type(rule.delay) in (int, float) else ["delay"]
    wrong += [] if type(rule.retry_after) in (int, float, type(None)) else ["retry_after"]
    headers = isinstance(rule.headers, Mapping) and all(
        isinstance(text, str) and not re.search(r"[\r\n\0]", text) for pair in rule.headers.items() for text in pair
    )
    wrong += [] if headers else ["headers"]
    return f"wrong type: {', '.join(wrong)}" if wrong else None


def _values_problem(rule: Fault) -> str | None:
    effects = (rule.delay, rule.revoke_tokens, rule.cut, rule.status)
    answers = (rule.code, rule.message, rule.headers, rule.retry_after is not None)
    pattern = _pattern_problem(rule.pattern)
    checks = (
        (rule.when in ("before", "after"), "when is before or after"),
        (rule.retry_form in ("seconds", "decimal", "date"), "retry_form is seconds, decimal or date"),
        (rule.nth >= 1, "nth counts from 1"),
        (rule.times is None or rule.times >= 1, "times is 1 or more"),
        (0 <= rule.delay <= MAX_DELAY, f"delay is 0 to {MAX_DELAY:g} seconds"),
        (rule.retry_after is None or 0 <= rule.retry_after <= 1e6, "retry_after is 0 to 1000000 seconds"),
        (rule.status is None or 200 <= rule.status <= 599, "status is 200 to 599"),
        (any(effects), "no effect: give delay, revoke_tokens, cut or status"),
        (not (rule.cut and rule.status), "cut leaves nobody to answer: drop status or cut"),
        (rule.status is not None or not any(answers), "code, message, headers and retry_after need a status"),
        (rule.when == "after" or not rule.status or rule.status >= 400, "a status below 400 needs when=after"),
        (pattern is None, str(pattern)),
    )
    return next((text for good, text in checks if not good), None)


def _pattern_problem(pattern: str | None) -> str | None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        return f"pattern: {error}"
    return None
