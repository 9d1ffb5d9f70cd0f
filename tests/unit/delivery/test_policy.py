"""What follows an attempt, and a look-up."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery.policy import BACKOFF, RULES, after, after_look
from pillarbox.store.outbox import LONGEST_WAIT, Claimed, Next
from tests.claimed import claimed

NOW = 100_000.0
SETTLE = (120.0, 300.0, 900.0)
EVEN = 0.5
"""The chance with which a wait is as long as it stands in the rule."""
ALICE = Mailbox(1, "alice@contoso.example", AppRegistration(1, "contoso", "t", "c"))
SEEING = replace(ALICE, assurance="verify")


def message(mailbox: Mailbox = ALICE, **known: object) -> Claimed:
    """One whose attempt began ten seconds ago."""
    return claimed(mailbox, "bob@contoso.example", created_at=NOW - 60, **{"started_at": NOW - 10, **known})


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_leads_to_the_state_of_its_verdict(cause: Cause) -> None:
    states = {
        Verdict.SENT: State.SENT,
        Verdict.REFUSED: State.FAILED,
        Verdict.BROKEN: State.HELD,
        Verdict.UNCERTAIN: State.UNCERTAIN,
        Verdict.RETRY: State.DEFERRED,
    }
    assert after(Outcome(cause), message(), SETTLE, NOW, EVEN).state is states[cause.verdict]


def test_what_is_tried_again_has_a_rule_and_nothing_else_has() -> None:
    assert {cause for cause in Cause if cause.verdict is Verdict.RETRY} == set(RULES)


@pytest.mark.parametrize(
    ("repeats", "wait"), [(0, 5), (1, 30), (2, 60), (3, 300), (4, 600), (5, 1200), (6, 3600), (7, 3600), (999, 3600)]
)
def test_waits_grow_with_the_same_cause_and_the_last_repeats(repeats: int, wait: float) -> None:
    again = after(Outcome(Cause.UNREACHABLE), message(cause="unreachable", repeats=repeats), SETTLE, NOW, EVEN)
    assert again == Next(State.DEFERRED, NOW + wait, "unreachable", repeats + 1)
    assert wait in BACKOFF


def test_another_cause_begins_anew() -> None:
    again = after(Outcome(Cause.UNREACHABLE), message(cause="throttled", repeats=9), SETTLE, NOW, EVEN)
    assert again == Next(State.DEFERRED, NOW + 5, "unreachable", 1)


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 240), (0.25, 270), (0.5, 300), (1.0, 360)])
def test_our_own_waits_are_a_fifth_shorter_or_longer_by_chance(chance: float, wait: float) -> None:
    again = after(Outcome(Cause.UNREACHABLE), message(cause="unreachable", repeats=3), SETTLE, NOW, chance)
    assert again.due_at == NOW + wait


@pytest.mark.parametrize("told", [0.0, 1.5, 3600.0])
@pytest.mark.parametrize(("chance", "longer"), [(0.0, 1.0), (0.5, 1.05), (1.0, 1.1)])
def test_microsofts_wait_wins_and_is_never_shortened(told: float, chance: float, longer: float) -> None:
    again = after(Outcome(Cause.THROTTLED, retry_after=told), message(), SETTLE, NOW, chance)
    assert again.due_at == pytest.approx(NOW + told * longer)


@given(st.sampled_from(sorted(RULES)), st.integers(0, 999), st.floats(0, 1), st.none() | st.floats(1, 3600))
def test_no_wait_is_longer_than_the_longest_that_a_clock_is_believed(
    cause: Cause, repeats: int, chance: float, told: float | None
) -> None:
    again = after(Outcome(cause, retry_after=told), message(cause=cause, repeats=repeats), SETTLE, NOW, chance)
    assert NOW <= again.due_at <= NOW + LONGEST_WAIT


def test_a_mailbox_that_is_not_there_gets_three_tries_within_an_hour() -> None:
    due_at = NOW
    states: list[State] = []
    for repeats in range(3):
        tried = message(cause="no_mailbox", repeats=repeats)
        following = after(Outcome(Cause.NO_MAILBOX), tried, SETTLE, due_at, 1.0)
        due_at, states = following.due_at, [*states, following.state]
    assert (states, due_at <= NOW + 3600) == ([State.DEFERRED, State.DEFERRED, State.FAILED], True)


@pytest.mark.parametrize(("cause", "end"), [(Cause.NO_MAILBOX, State.FAILED), (Cause.UNKNOWN, State.HELD)])
def test_some_causes_end_after_three_attempts_in_succession(cause: Cause, end: State) -> None:
    states = [
        after(Outcome(cause), message(cause=cause, repeats=before), SETTLE, NOW, EVEN).state for before in range(3)
    ]
    assert states == [State.DEFERRED, State.DEFERRED, end]


def test_what_is_too_old_fails_after_an_attempt_that_was_made() -> None:
    old = message(expires_at=NOW - 1)
    assert after(Outcome(Cause.UNREACHABLE), old, SETTLE, NOW, EVEN).state is State.FAILED
    assert after(Outcome(Cause.ACCEPTED), old, SETTLE, NOW, EVEN).state is State.SENT
    assert after(Outcome(Cause.UNCLEAR), old, SETTLE, NOW, EVEN).state is State.UNCERTAIN
    assert message().expires_at == math.inf


@pytest.mark.parametrize(("mailbox", "first"), [(SEEING, 120), (replace(SEEING, assurance="draft"), 120), (ALICE, 900)])
def test_what_is_unclear_waits_from_the_beginning_of_its_attempt(mailbox: Mailbox, first: float) -> None:
    assert after(Outcome(Cause.UNCLEAR), message(mailbox), SETTLE, NOW, EVEN).due_at == NOW - 10 + first


# ---- look-ups


@pytest.mark.parametrize("checks", [0, 1, 2, 7])
def test_what_is_found_was_sent(checks: int) -> None:
    assert after_look(Found.SENT, message(SEEING, checks=checks), SETTLE, NOW).state is State.SENT


@pytest.mark.parametrize("found", [Found.ABSENT, Found.UNKNOWN])
@pytest.mark.parametrize(("checks", "wait"), [(0, 300), (1, 900)])
def test_what_is_not_found_is_looked_up_again(found: Found, checks: int, wait: float) -> None:
    following = after_look(found, message(SEEING, checks=checks), SETTLE, NOW)
    assert (following.state, following.due_at, following.checks) == (State.UNCERTAIN, NOW - 10 + wait, checks + 1)


def test_what_is_still_absent_at_the_last_look_is_sent_again() -> None:
    following = after_look(Found.ABSENT, message(SEEING, checks=2), SETTLE, NOW)
    assert (following.state, following.maybe_duplicate) == (State.QUEUED, False)


def test_what_cannot_be_looked_up_is_never_sent_again_unseen_where_the_mode_can_see() -> None:
    waiting = message(SEEING, checks=2)
    assert after_look(Found.UNKNOWN, waiting, SETTLE, NOW) == Next(State.UNCERTAIN, NOW + 900, "", 0, 3)
    assert after_look(Found.UNKNOWN, replace(waiting, expires_at=NOW), SETTLE, NOW).state is State.HELD


def test_in_send_only_it_is_sent_again_and_flagged_or_held_by_choice() -> None:
    again = after_look(Found.UNKNOWN, message(), SETTLE, NOW)
    assert (again.state, again.maybe_duplicate) == (State.QUEUED, True)
    held = after_look(Found.UNKNOWN, message(replace(ALICE, on_uncertain="hold")), SETTLE, NOW)
    assert (held.state, held.maybe_duplicate) == (State.HELD, False)
