"""What follows an attempt, or a look-up. Pure: what happened, the message's history and the time in; what next out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import SOMETIMES_SENT, Cause, Verdict
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.store.messages import Claimed, Next

BACKOFF: Final = (5.0, 30.0, 60.0, 300.0, 600.0, 1200.0, 3600.0)
"""Seconds between attempts when Microsoft did not say how long to wait; the last one repeats."""
HOUR: Final = 3600.0
LONG: Final = 2 * HOUR
"""Seconds that no wait of ours explains: Microsoft pauses a mailbox for little more than an hour."""
RESPITE: Final = HOUR
"""Seconds for which a message is tried that was kept from being tried until it was too old."""
_MOST_PATIENT: Final = 16
"""Times as long as the last settle time: four hours, with the default."""
NOT_TAKEN: Final = "outbox.not_taken"
"""Catalogue code of what was not found in the mailbox when its time was over."""
UNCERTAIN: Final = "outbox.uncertain"
"""Catalogue code of what is held because nobody knows whether Microsoft took it."""
EXPIRED: Final = "outbox.expired"
"""Catalogue code of what was refused for a time until its own was over."""
GIVEN_UP: Final = "outbox.given_up"
"""Catalogue code of what was refused as often as it is tried."""
DEATHS: Final = 3
"""So many attempts in succession that a crash cut off make a message suspect of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows a cause of the verdict `retry`: after `tries` attempts in succession that ended so, `then`.

    0 tries: no end but the message's age.
    """

    waits: tuple[float, ...] = BACKOFF
    heeds: bool = False
    """Whether a wait that Microsoft asks for counts in place of these, not beside them."""
    tries: int = 0
    then: State = State.FAILED


RULES: Final[Mapping[Cause, Rule]] = {
    Cause.THROTTLED: Rule((60.0,), heeds=True),
    Cause.CONCURRENCY: Rule((1.0, 5.0, 30.0, 60.0), heeds=True),
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


def after(
    outcome: Outcome, message: Claimed, settle: Settle, now: float, chance: float, jumped_at: float = -math.inf
) -> Next:
    """What follows an attempt that came to `outcome` at `now`; `chance`, from 0 to 1, spreads what waits alike.

    `jumped_at` is when the clock was set last, as far as that was seen.
    """
    waited = max(message.started_at - message.due_at, now - message.started_at)
    spared_until = _spared_until(message, waited, min(message.due_at, message.started_at), now, jumped_at)
    cause, code = outcome.cause, ""
    repeats = message.repeats + 1 if message.cause == cause else 1
    match outcome.verdict:
        case Verdict.SENT:
            state, due_at = State.SENT, now
        case Verdict.REFUSED:
            state, due_at = State.FAILED, now
        case Verdict.BROKEN:
            state, due_at = State.HELD, now
        case Verdict.UNCERTAIN:
            # From the end of the attempt: a large mail may take longer than Microsoft's side takes to settle.
            state, due_at = State.UNCERTAIN, now + first_look(message.mailbox, settle, repeats)
        case Verdict.RETRY:
            state, due_at, code = _again(outcome, max(message.expires_at, spared_until), repeats, now, chance)
            if outcome.cause in SOMETIMES_SENT and message.mailbox.can_look_up and not outcome.nothing_sent:
                # It is looked for before it is sent again, or given up: not before a copy can be seen.
                due_at = max(due_at, now + settle[0])
                if state is State.FAILED:
                    state, cause, code = State.UNCERTAIN, Cause.DOUBTED, ""
    return Next(state, due_at, cause, repeats, code=code, expires_at=spared_until)


def _spared_until(message: Claimed, waited: float, since: float, now: float, jumped_at: float) -> float:
    """Until when a message does not expire that has `waited` so long since then for an attempt, or within it; else 0.

    The clock jumped, the machine slept, the service was down, a long queue was before it, its account held it: no time
    was lived in which Microsoft could have taken it. So it gets time of its own from its first attempt on after that.
    Once, as else a mailbox that is throttled for ever would never give up its backlog; and again where an account held
    it, or the clock was seen to jump meanwhile, however far.
    """
    if message.cause in _HELD or jumped_at > since or (waited > LONG and not message.spared):
        return now + RESPITE
    return 0.0


_HELD: Final = frozenset(cause for cause in Cause if cause.verdict is Verdict.BROKEN)


def _again(outcome: Outcome, expires_at: float, repeats: int, now: float, chance: float) -> tuple[State, float, str]:
    """State, time, and the catalogue's code of why it is not tried again: what its cause says of that is over then."""
    rule = RULES[outcome.cause]
    if rule.tries and repeats >= rule.tries:
        return rule.then, now, GIVEN_UP if rule.then is State.FAILED else ""
    if now >= expires_at:
        # Only here, at the end of an attempt that was just made: a clock that jumps expires nothing by itself.
        return State.FAILED, now, EXPIRED
    return State.DEFERRED, now + wait_after(outcome, repeats, chance), ""


def wait_after(outcome: Outcome, repeats: int, chance: float) -> float:
    """Seconds until the next attempt after one that ended so, as so many in succession did; `chance` as in `after`."""
    rule = RULES[outcome.cause]
    wait = rule.waits[min(repeats, len(rule.waits)) - 1] * (0.8 + 0.4 * chance)
    if outcome.retry_after is not None:
        # Never sooner than Microsoft asked, but that counts for an hour at the most.
        asked = min(outcome.retry_after, HOUR) * (1 + 0.1 * chance)
        wait = asked if rule.heeds else max(asked, wait)
    return wait


def longest_look(settle: Settle) -> float:
    """Seconds that an uncertain message waits at the most to be looked up, or decided."""
    return settle[-1] * _MOST_PATIENT


def first_look(mailbox: Mailbox, settle: Settle, repeats: int) -> float:
    """Seconds after which an uncertain message is looked up, or decided where the mode can look nothing up.

    What is decided blindly may be a copy more each time, so each time in succession takes twice as long.
    """
    return settle[0] if mailbox.can_look_up else settle[-1] * min(2.0 ** (repeats - 1), _MOST_PATIENT)


def after_look(found: Found, message: Claimed, settle: Settle, now: float, jumped_at: float = -math.inf) -> Next:
    """What follows a look-up, or the moment for one where the mode has none (`UNKNOWN`); `jumped_at` as in `after`."""
    waited = now - message.started_at - _MOST_PATIENT * settle[-1]
    spared_until = _spared_until(message, waited, message.started_at, now, jumped_at)
    known = replace(message, expires_at=max(message.expires_at, spared_until))
    following = _looked(found, known, settle, now)
    if found is not Found.SENT and now - jumped_at < (gap := _gap(message, settle)):
        # Nobody has lived all the time that was to be before this look: it does not count, and is made again.
        following = Next(State.UNCERTAIN, now + gap, message.cause, message.repeats, message.checks)
    return replace(following, expires_at=spared_until)


def _gap(message: Claimed, settle: Settle) -> float:
    """Seconds that are to be lived before its next look: since the end of its attempt, or the look before."""
    number = message.checks
    if number == 0 or not message.mailbox.can_look_up:
        return first_look(message.mailbox, settle, message.repeats)
    return settle[number] - settle[number - 1] if number < len(settle) else settle[-1]


def _looked(found: Found, message: Claimed, settle: Settle, now: float) -> Next:
    checks = message.checks + 1
    if found is Found.SENT:
        return Next(State.SENT, now, Cause.ACCEPTED, checks=checks)
    if not message.mailbox.can_look_up:
        return _unseen(message, settle, now)
    if checks < len(settle):
        # As long after this look as the two are apart: a clock that jumps must not make all of them come at once.
        # An attempt that has not begun yet is from before the clock went back.
        began = min(message.started_at, now)
        due_at = max(began + settle[checks], now + settle[checks] - settle[checks - 1])
        return Next(State.UNCERTAIN, due_at, message.cause, message.repeats, checks)
    is_late = now >= message.expires_at
    if found is Found.ABSENT and is_late:
        return Next(State.FAILED, now, message.cause, message.repeats, checks, code=NOT_TAKEN)
    if found is Found.ABSENT:
        return _poisoned(message, checks, now) or Next(State.QUEUED, now, message.cause, message.repeats, checks)
    if found is Found.UNDECIDED and message.cause == Cause.DOUBTED:
        # Refused it most likely is not there; and what is there will be as old as it tomorrow.
        return _unseen(message, settle, now)
    if is_late:
        return Next(State.HELD, now, message.cause, message.repeats, checks, code=UNCERTAIN)
    # It must not be sent again before somebody has looked.
    return Next(State.UNCERTAIN, now + settle[-1], message.cause, message.repeats, checks)


def _unseen(message: Claimed, settle: Settle, now: float) -> Next:
    """Nobody can know, as in the mode `send-only`: by choice it is sent again, and flagged, or a person decides."""
    decided_at = min(message.started_at, now) + settle[-1]
    if now < decided_at:
        # It was to be looked up sooner, in the mode that the mailbox had.
        return Next(State.UNCERTAIN, decided_at, message.cause, message.repeats, message.checks)
    if message.mailbox.on_uncertain == "hold" or now >= message.expires_at:
        return Next(State.HELD, now, message.cause, message.repeats, code=UNCERTAIN)
    poisoned = _poisoned(message, 0, now)
    return poisoned or Next(State.QUEUED, now, message.cause, message.repeats, maybe_duplicate=True)


def _poisoned(message: Claimed, checks: int, now: float) -> Next | None:
    """Held, where our process ended again and again while it was at this message: it may be what ends it."""
    if message.cause != Cause.INTERRUPTED or message.repeats < DEATHS:
        return None
    return Next(State.HELD, now, message.cause, message.repeats, checks, code="outbox.poison")
