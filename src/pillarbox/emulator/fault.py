"""One fault rule: which requests it is about, and what becomes of them."""

import dataclasses
import email.utils
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pillarbox.emulator import fault_check

When = Literal["before", "after"]
RetryForm = Literal["seconds", "decimal", "date"]
SecondSend = Literal["accept", "refuse"]


@dataclass(frozen=True)
class Fault:
    """One rule. All matchers that are given must fit; then all effects that are given happen.

    Matchers: `host` and `path` are parts of them (any case), `pattern` a regular expression searched in the first 320
    characters of `METHOD host/path` (refused if it could take too long: with more than three `*` or `+`, or with a
    repeated group that holds one), `method` a verb, `command` one of SMTP or IMAP ("DATA"), whose `method` is "SMTP" or
    "IMAP", `mailbox` a UPN, address or object id, `app` a client id. Of the matching requests the `nth` (from 1) is the
    first that is hit, and `times` of them are (None: all from then on).

    Effects: `delay` seconds; `revoke_tokens` makes all tokens issued so far useless; `rotate_secret` ends the app's
    secrets now; `clock_skew` seconds are added to the time of the service, in its Date and its tokens;
    `token_lifetime` seconds live the tokens that are issued. `status` with `code` (of Graph, or an AADSTS number such
    as "50196" or "AADSTS50196"), `message`, `headers` and `retry_after` seconds (as whole number, decimal or HTTP
    date); `cut` drops the connection.

    `when="before"`: the service does not see the request if the rule answers it. `when="after"`: the request is
    carried out (a mail is accepted), then delayed, cut or answered so; a request that the service refuses keeps its
    refusal. A `status` below 400 keeps the rest of the true answer.

    For this one request Exchange can behave otherwise than the switches of the world say: `rewrite_message_id` or keep
    it; `second_send` of a draft "accept" or "refuse"; `sent_copy_delay` seconds until the copy in Sent Items is seen.

    What leaves by HTTP can be spoilt: `empty_body`; `gzip_bomb`, a body that unpacks to so many MB; `next_link_host`, a
    foreign host in nextLink, deltaLink and uploadUrl; `truncate`, after so many bytes of the body the connection ends.

    A rule with `command` has none of clock_skew, token_lifetime, rotate_secret, second_send, headers, retry_after, and
    spoils nothing; one that is impossible is a ValueError.
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
    rewrite_message_id: bool | None = None
    second_send: SecondSend | None = None
    sent_copy_delay: float | None = None
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
        problem = fault_check.problem(self)
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
    def line(self) -> str:
        """The message for protocols whose replies are lines: whatever would begin another one is a blank."""
        return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", self.message or "Fault")

    @property
    def refuses(self) -> bool:
        """Whether the client gets a refusal, or nothing, in place of the true answer."""
        return self.cut or (self.status is not None and self.status >= 400)

    @property
    def spoils(self) -> bool:
        """Whether the answer that leaves is changed, be it the true one or not."""
        return any((self.empty_body, self.gzip_bomb, self.next_link_host)) or self.truncate is not None

    @property
    def switches(self) -> dict[str, bool | int | float]:
        """The switches of the world that the rule sets for its request, by their names."""
        wanted = {
            "rewrites_message_ids": self.rewrite_message_id,
            "sends_drafts_twice": None if self.second_send is None else self.second_send == "accept",
            "sent_copy_delay": self.sent_copy_delay,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def answer_headers(self, now: float) -> dict[str, str]:
        """The headers that the rule adds, Retry-After in its chosen form (RFC 9110 section 10.2.3) unless given."""
        if self.retry_after is None or any(name.lower() == "retry-after" for name in self.headers):
            return dict(self.headers)
        forms = {
            "seconds": str(math.ceil(self.retry_after)),
            "decimal": f"{self.retry_after:.3f}",
            "date": email.utils.formatdate(now + self.retry_after, usegmt=True),
        }
        return {"Retry-After": forms[self.retry_form], **self.headers}
