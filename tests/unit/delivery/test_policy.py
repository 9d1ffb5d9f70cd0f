"""What follows an attempt."""

import pytest

from pillarbox.core.mail import Outcome, State, Verdict
from pillarbox.delivery.policy import BACKOFF, after
from pillarbox.store.outbox import Next

NOW = 1000.0


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.SENT, State.SENT),
        (Verdict.REFUSED, State.FAILED),
        (Verdict.BROKEN, State.HELD),
        (Verdict.UNCERTAIN, State.UNCERTAIN),
    ],
)
def test_all_but_a_retry_waits_for_nothing(verdict: Verdict, state: State) -> None:
    assert after(Outcome(verdict, retry_after=9.0), 1, NOW) == Next(state, NOW)


@pytest.mark.parametrize(
    ("attempt", "wait"), [(1, 5), (2, 30), (3, 60), (4, 300), (5, 600), (6, 1200), (7, 3600), (8, 3600), (999, 3600)]
)
def test_waits_grow_and_the_last_repeats(attempt: int, wait: int) -> None:
    assert after(Outcome(Verdict.RETRY), attempt, NOW) == Next(State.DEFERRED, NOW + wait)
    assert wait in BACKOFF


@pytest.mark.parametrize("told", [0.0, 1.5, 7200.0])
def test_microsofts_wait_wins(told: float) -> None:
    assert after(Outcome(Verdict.RETRY, retry_after=told), 3, NOW) == Next(State.DEFERRED, NOW + told)


def test_every_verdict_leads_somewhere() -> None:
    assert {after(Outcome(verdict), 1, NOW).state for verdict in Verdict} == set(State) - {
        *(State.QUEUED, State.SENDING, State.BOUNCED, State.CANCELED)
    }
