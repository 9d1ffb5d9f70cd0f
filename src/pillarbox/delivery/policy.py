"""What follows an attempt, or a look-up. Pure: what happened, the message's history and the time in; what next out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.store.outbox import Claimed, Next

BACKOFF: Final = (5.0, 30.0, 60.0, 300.0, 600.0, 1200.0, 3600.0)
"""Seconds between attempts when Microsoft did not say how long to wait; the last one repeats."""
HOUR: Final = 3600.0
DEATHS: Final = 3
"""So many attempts in succession that a crash cut off make a message suspect of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows a cause of the verdict `retry`: after `tries` attempts in succession that ended so, `then`.

    0 tries: no end but the message's age.
    """

    waits: tuple[float, ...] = BACKOFF
    tries: int = 0
    then: State = State.FAILED


RULES: Final[Mapping[Cause, Rule]] = {
    Cause.THROTTLED: Rule((60.0,)),
    Cause.CONCURRENCY: Rule((1.0, 5.0, 30.0, 60.0)),
    Cause.QUOTA: Rule((HOUR,)),
    Cause.MAILBOX_FULL: Rule((HOUR,)),
    Cause.BUSY: Rule(),
    Cause.UNREACHABLE: Rule(),
    Cause.UNKNOWN_HOST: Rule(),
    Cause.TOKEN_UNAVAILABLE: Rule(),
    Cause.STORE: Rule(),
    # A new mailbox needs time to be known everywhere: three tries within an hour.
    Cause.NO_MAILBOX: Rule((300.0, 1200.0), tries=3),
    Cause.UNKNOWN: Rule((60.0, 300.0), tries=3, then=State.HELD),
}
"""The causes after which a message is tried again by itself."""


Settle = tuple[float, ...]
"""Seconds after an attempt began at which an uncertain message is looked up."""


def after(outcome: Outcome, message: Claimed, settle: Settle, now: float, chance: float) -> Next:
    """What follows an attempt that came to `outcome` at `now`; `chance`, from 0 to 1, spreads what waits alike."""
    repeats = message.repeats + 1 if message.cause == outcome.cause else 1
    match outcome.verdict:
        case Verdict.SENT:
            state, due_at = State.SENT, now
        case Verdict.REFUSED:
            state, due_at = State.FAILED, now
        case Verdict.BROKEN:
            state, due_at = State.HELD, now
        case Verdict.UNCERTAIN:
            state, due_at = State.UNCERTAIN, message.started_at + first_look(message.mailbox, settle)
        case Verdict.RETRY:
            state, due_at = _again(outcome, message, repeats, now, chance)
    return Next(state, due_at, outcome.cause, repeats)


def _again(outcome: Outcome, message: Claimed, repeats: int, now: float, chance: float) -> tuple[State, float]:
    rule = RULES[outcome.cause]
    if rule.tries and repeats >= rule.tries:
        return rule.then, now
    if now >= message.expires_at:
        # Only here, at the end of an attempt that was just made: a clock that jumps expires nothing by itself.
        return State.FAILED, now
    if outcome.retry_after is not None:
        # Never sooner than Microsoft asked, but that counts for an hour at the most.
        return State.DEFERRED, now + min(outcome.retry_after, HOUR) * (1 + 0.1 * chance)
    wait = rule.waits[min(repeats, len(rule.waits)) - 1]
    return State.DEFERRED, now + wait * (0.8 + 0.4 * chance)


def first_look(mailbox: Mailbox, settle: Settle) -> float:
    """Seconds after which an uncertain message is looked up, or decided where the mode can look nothing up."""
    return settle[0] if mailbox.can_look_up else settle[-1]


def after_look(found: Found, message: Claimed, settle: Settle, now: float) -> Next:
    """What follows a look-up, or the moment for one where the mode has none (`UNKNOWN`)."""
    checks = message.checks + 1
    if found is Found.SENT:
        return Next(State.SENT, now, message.cause, message.repeats, checks)
    if not message.mailbox.can_look_up:
        return _unseen(message, checks, now)
    if checks < len(settle):
        # As long after this look as the two are apart: a clock that jumps must not make all of them come at once.
        due_at = max(message.started_at + settle[checks], now + settle[checks] - settle[checks - 1])
        return Next(State.UNCERTAIN, due_at, message.cause, message.repeats, checks)
    if found is Found.ABSENT:
        return _poisoned(message, checks, now) or Next(State.QUEUED, now, message.cause, message.repeats, checks)
    if now >= message.expires_at:
        return Next(State.HELD, now, message.cause, message.repeats, checks)
    # It must not be sent again before somebody has looked.
    return Next(State.UNCERTAIN, now + settle[-1], message.cause, message.repeats, checks)


def _unseen(message: Claimed, checks: int, now: float) -> Next:
    """In the mode `send-only` nobody can know: by choice it is sent again, and flagged, or a person decides."""
    if message.mailbox.on_uncertain == "hold":
        return Next(State.HELD, now, message.cause, message.repeats, checks)
    poisoned = _poisoned(message, checks, now)
    return poisoned or Next(State.QUEUED, now, message.cause, message.repeats, checks, maybe_duplicate=True)


def _poisoned(message: Claimed, checks: int, now: float) -> Next | None:
    """Held, where our process ended again and again while it was at this message: it may be what ends it."""
    if message.cause != Cause.INTERRUPTED or message.repeats < DEATHS:
        return None
    return Next(State.HELD, now, message.cause, message.repeats, checks, code="outbox.poison")
