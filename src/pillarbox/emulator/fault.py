"""One fault rule: which requests it is about and what becomes of them, and what no rule can say."""

import dataclasses
import email.utils
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

When = Literal["before", "after"]
RetryForm = Literal["seconds", "decimal", "date"]
MAX_DELAY = 3600.0
MAX_SKEW = 1e8
MAX_BOMB = 1000


@dataclass(frozen=True)
class Fault:
    """One rule. All matchers that are given must fit; then all effects that are given happen.

    Matchers: `host` and `path` are parts of them (any case), `pattern` a regular expression searched in
    `METHOD host/path`, `method` a verb, `command` one of SMTP or IMAP ("DATA"), whose `method` is "SMTP" or "IMAP",
    `mailbox` a UPN, address or object id, `app` a client id. Of the matching requests the `nth` (from 1) is the first
    that is hit, and `times` of them are (None: all from then on).

    Effects: `delay` seconds; `revoke_tokens` makes all tokens issued so far useless; `rotate_secret` ends the app's
    secrets now; `clock_skew` seconds are added to the time of the service, in its Date and its tokens;
    `token_lifetime` seconds live the tokens that are issued. `status` with `code` (of Graph, or an AADSTS number such
    as "50196" or "AADSTS50196"), `message`, `headers` and `retry_after` seconds (as whole number, decimal or HTTP
    date); `cut` drops the connection.

    `when="before"`: the service does not see the request if the rule answers it. `when="after"`: the request is
    carried out (a mail is accepted), then delayed, cut or answered so; a request that the service refuses keeps its
    refusal. A `status` below 400 keeps the rest of the true answer.

    What leaves by HTTP can be spoilt: `empty_body`; `gzip_bomb`, a body that unpacks to so many MB; `next_link_host`, a
    foreign host in nextLink, deltaLink and uploadUrl; `truncate`, after so many bytes of the body the connection ends.
    """

    host: str | None = None
    path: str | None = None
    pattern: str | None = None
    method: str | None = None
    command: str | None = None
    mailbox: str | None = None
    app: str | None = None
    nth: int = 1
    times: int | None = None
    when: When = "before"
    delay: float = 0.0
    revoke_tokens: bool = False
    rotate_secret: bool = False
    clock_skew: float = 0.0
    token_lifetime: int | None = None
    cut: bool = False
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    retry_form: RetryForm = "seconds"
    empty_body: bool = False
    gzip_bomb: int | None = None
    next_link_host: str | None = None
    truncate: int | None = None

    def __post_init__(self) -> None:
        problem = _types_problem(self) or _values_problem(self) or _together_problem(self)
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
    def refuses(self) -> bool:
        """Whether the client gets a refusal, or nothing, in place of the true answer."""
        return self.cut or (self.status is not None and self.status >= 400)

    @property
    def spoils(self) -> bool:
        """Whether the answer that leaves is changed, be it the true one or not."""
        return any((self.empty_body, self.gzip_bomb, self.next_link_host)) or self.truncate is not None

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


TYPES: Mapping[tuple[type, ...], tuple[str, ...]] = {
    (str, type(None)): (
        *("host", "path", "pattern", "method", "command", "mailbox", "app", "code", "message", "next_link_host"),
    ),
    (str,): ("when", "retry_form"),
    (int,): ("nth",),
    (int, type(None)): ("times", "status", "token_lifetime", "gzip_bomb", "truncate"),
    (bool,): ("revoke_tokens", "rotate_secret", "cut", "empty_body"),
    (int, float): ("delay", "clock_skew"),
    (int, float, type(None)): ("retry_after",),
}


def _types_problem(rule: Fault) -> str | None:
    wrong = [name for types, names in TYPES.items() for name in names if type(getattr(rule, name)) not in types]
    headers = isinstance(rule.headers, Mapping) and all(
        isinstance(text, str) and not re.search(r"[\r\n\0]", text) for pair in rule.headers.items() for text in pair
    )
    wrong += [] if headers else ["headers"]
    return f"wrong type: {', '.join(wrong)}" if wrong else None


def _values_problem(rule: Fault) -> str | None:
    pattern, host = _pattern_problem(rule.pattern), rule.next_link_host
    checks = (
        (rule.when in ("before", "after"), "when is before or after"),
        (rule.retry_form in ("seconds", "decimal", "date"), "retry_form is seconds, decimal or date"),
        (rule.nth >= 1, "nth counts from 1"),
        (rule.times is None or rule.times >= 1, "times is 1 or more"),
        (0 <= rule.delay <= MAX_DELAY, f"delay is 0 to {MAX_DELAY:g} seconds"),
        (-MAX_SKEW <= rule.clock_skew <= MAX_SKEW, f"clock_skew is at most {MAX_SKEW:g} seconds"),
        (rule.token_lifetime is None or 1 <= rule.token_lifetime <= 86400, "token_lifetime is 1 to 86400 seconds"),
        (rule.retry_after is None or 0 <= rule.retry_after <= 1e6, "retry_after is 0 to 1000000 seconds"),
        (rule.status is None or 200 <= rule.status <= 599, "status is 200 to 599"),
        (rule.gzip_bomb is None or 1 <= rule.gzip_bomb <= MAX_BOMB, f"gzip_bomb is 1 to {MAX_BOMB} MB"),
        (rule.truncate is None or rule.truncate >= 0, "truncate is 0 or more bytes"),
        (host is None or bool(re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII)), "next_link_host is a host"),
        (pattern is None, str(pattern)),
    )
    return next((text for good, text in checks if not good), None)


def _together_problem(rule: Fault) -> str | None:
    effects = (rule.delay, rule.revoke_tokens, rule.rotate_secret, rule.clock_skew, rule.token_lifetime)
    details = (rule.code, rule.message, rule.headers, rule.retry_after is not None)
    bodies = (rule.empty_body, rule.gzip_bomb, rule.next_link_host)
    checks = (
        (
            rule.cut or rule.status is not None or rule.spoils or any(effects),
            "no effect: give status, cut, delay or another one",
        ),
        (not (rule.cut and (rule.status or rule.spoils)), "cut leaves nobody to answer: drop status or cut"),
        (rule.status is not None or not any(details), "code, message, headers and retry_after need a status"),
        (rule.when == "after" or not rule.status or rule.refuses, "a status below 400 needs when=after"),
        (sum(map(bool, bodies)) <= 1, "one of empty_body, gzip_bomb and next_link_host"),
        (not (rule.refuses and rule.next_link_host), "next_link_host needs the true answer: drop status"),
        (
            rule.when == "after" or not (rule.refuses and rule.token_lifetime),
            "token_lifetime needs a token: drop status",
        ),
    )
    return next((text for good, text in checks if not good), None)


def _pattern_problem(pattern: str | None) -> str | None:
    try:
        re.compile(pattern or "")
    except (re.error, OverflowError, RecursionError) as error:
        return f"pattern: {error}"
    return None
