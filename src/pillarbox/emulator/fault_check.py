"""What no fault rule can say: wrong types, values out of range, effects that exclude each other, broken headers."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pillarbox.emulator import pattern

if TYPE_CHECKING:
    from pillarbox.emulator.fault import Fault

MAX_DELAY = 3600.0
MAX_SKEW = 1e8
MAX_SENT_COPY_DELAY = 1e9
MAX_BOMB = 1000
TYPES: Mapping[tuple[type, ...], tuple[str, ...]] = {
    (str, type(None)): (
        *("host", "path", "pattern", "method", "command", "mailbox", "app"),
        *("code", "message", "next_link_host", "second_send"),
    ),
    (str,): ("when", "retry_form"),
    (int,): ("nth",),
    (int, type(None)): ("times", "status", "token_lifetime", "gzip_bomb", "truncate"),
    (bool,): ("revoke_tokens", "rotate_secret", "cut", "empty_body"),
    (bool, type(None)): ("rewrite_message_id",),
    (int, float): ("delay", "clock_skew"),
    (int, float, type(None)): ("retry_after", "sent_copy_delay"),
}
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110 section 5.6.2)."""
FIELD_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
"""A header's value (RFC 9110 section 5.5)."""
TEXT = re.compile(r"[^\ud800-\udfff]*")
"""What can be said in a line of SMTP or IMAP."""
FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))
"""Headers that say where an answer ends: `truncate` and `cut` are for that."""
HTTP_ALONE = (
    *("clock_skew", "token_lifetime", "rotate_secret", "headers", "retry_after", "second_send"),
    *("empty_body", "gzip_bomb", "next_link_host", "truncate"),
)
"""Effects that a command of SMTP or IMAP does not have."""
Checks = tuple[tuple[bool, str], ...]


def problem(rule: "Fault") -> str | None:
    """Why there can be no such rule, in one line; None if there can."""
    wrong = _wrong_types(rule)
    if wrong:
        return f"wrong type: {', '.join(wrong)}"
    reasons = (_headers_problem(rule.headers), _first(_values(rule)), _first(_together(rule)))
    return next(filter(None, reasons), None) or (_first(_command(rule)) if rule.command is not None else None)


def _first(checks: Checks) -> str | None:
    return next((text for good, text in checks if not good), None)


def _wrong_types(rule: "Fault") -> list[str]:
    wrong = [name for types, names in TYPES.items() for name in names if type(getattr(rule, name)) not in types]
    texts = isinstance(rule.headers, Mapping) and all(
        isinstance(each, str) for pair in rule.headers.items() for each in pair
    )
    return wrong if texts else [*wrong, "headers"]


def _headers_problem(headers: Mapping[str, str]) -> str | None:
    names = [name.lower() for name in headers]
    if len(set(names)) < len(names):
        return "headers: each name once, whatever its case"
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            return f"headers: {name!r} is no name of a header"
        if name.lower() in FRAMING:
            return f"headers: {name} says where an answer ends; take truncate or cut"
        if not FIELD_VALUE.fullmatch(value):
            return f"headers: the value of {name} fits no header"
    return None


def _values(rule: "Fault") -> Checks:
    host, trouble = rule.next_link_host, pattern.problem(rule.pattern or "")
    return (
        (rule.when in ("before", "after"), "when is before or after"),
        (rule.retry_form in ("seconds", "decimal", "date"), "retry_form is seconds, decimal or date"),
        (rule.second_send in (None, "accept", "refuse"), "second_send is accept or refuse"),
        (rule.nth >= 1, "nth counts from 1"),
        (rule.times is None or rule.times >= 1, "times is 1 or more"),
        (0 <= rule.delay <= MAX_DELAY, f"delay is 0 to {MAX_DELAY:g} seconds"),
        (-MAX_SKEW <= rule.clock_skew <= MAX_SKEW, f"clock_skew is at most {MAX_SKEW:g} seconds"),
        (rule.token_lifetime is None or 1 <= rule.token_lifetime <= 86400, "token_lifetime is 1 to 86400 seconds"),
        (rule.retry_after is None or 0 <= rule.retry_after <= 1e6, "retry_after is 0 to 1000000 seconds"),
        (
            rule.sent_copy_delay is None or 0 <= rule.sent_copy_delay <= MAX_SENT_COPY_DELAY,
            f"sent_copy_delay is 0 to {MAX_SENT_COPY_DELAY:g} seconds",
        ),
        (rule.status is None or 200 <= rule.status <= 599, "status is 200 to 599"),
        (rule.gzip_bomb is None or 1 <= rule.gzip_bomb <= MAX_BOMB, f"gzip_bomb is 1 to {MAX_BOMB} MB"),
        (rule.truncate is None or rule.truncate >= 0, "truncate is 0 or more bytes"),
        (host is None or bool(re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII)), "next_link_host is a host"),
        (all(TEXT.fullmatch(each or "") for each in (rule.code, rule.message)), "code and message are Unicode text"),
        (trouble is None, str(trouble)),
    )


def _together(rule: "Fault") -> Checks:
    effects = (rule.delay, rule.revoke_tokens, rule.rotate_secret, rule.clock_skew, rule.token_lifetime, rule.switches)
    details = (rule.code, rule.message, rule.headers, rule.retry_after is not None)
    bodies = (rule.empty_body, rule.gzip_bomb, rule.next_link_host)
    unseen = rule.when == "before" and rule.refuses
    return (
        (
            rule.cut or rule.status is not None or rule.spoils or any(effects),
            "no effect: give status, cut, delay or another one",
        ),
        (not (rule.cut and (rule.status or rule.spoils)), "cut leaves nobody to answer: drop status or cut"),
        (rule.status is not None or not any(details), "code, message, headers and retry_after need a status"),
        (rule.when == "after" or not rule.status or rule.refuses, "a status below 400 needs when=after"),
        (sum(map(bool, bodies)) <= 1, "one of empty_body, gzip_bomb and next_link_host"),
        (not (rule.refuses and rule.next_link_host), "next_link_host needs the true answer: drop status"),
        (not (unseen and rule.token_lifetime), "token_lifetime needs a token: drop status"),
        (
            not (unseen and rule.switches),
            "rewrite_message_id, second_send and sent_copy_delay need a mail: drop status and cut",
        ),
    )


def _command(rule: "Fault") -> Checks:
    others = [name for name in HTTP_ALONE if getattr(rule, name) not in (None, False, 0, {})]
    others += ["truncate"] if rule.truncate == 0 else []
    others += ["retry_after"] if rule.retry_after == 0 else []
    return (
        (rule.method is None or rule.method.upper() in ("SMTP", "IMAP"), "the method of a command is SMTP or IMAP"),
        (not others, f"a command of SMTP or IMAP has no {', '.join(others)}"),
        (rule.status is None or rule.refuses, "a command is refused with a status from 400 on"),
        (
            not rule.switches or str(rule.command).upper() == "DATA",
            "rewrite_message_id and sent_copy_delay are for the command DATA",
        ),
    )
