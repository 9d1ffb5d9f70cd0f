"""What follows an attempt. Pure: outcome, attempts and time in; the next state out."""

from typing import Final

from pillarbox.core.mail import Outcome, State, Verdict
from pillarbox.store.outbox import Next

BACKOFF: Final = (5, 30, 60, 300, 600, 1200, 3600)
"""Seconds between attempts when Microsoft did not say how long to wait; the last one repeats."""

_FINAL: Final = {
    Verdict.SENT: State.SENT,
    Verdict.REFUSED: State.FAILED,
    Verdict.BROKEN: State.HELD,
    Verdict.UNCERTAIN: State.UNCERTAIN,
}


def after(outcome: Outcome, attempt: int, now: float) -> Next:
    """Where a message goes whose attempt number `attempt` (from 1) came to `outcome` at `now`."""
    if outcome.verdict is not Verdict.RETRY:
        return Next(_FINAL[outcome.verdict], due_at=now)
    wait = outcome.retry_after if outcome.retry_after is not None else BACKOFF[min(attempt, len(BACKOFF)) - 1]
    return Next(State.DEFERRED, due_at=now + wait)
