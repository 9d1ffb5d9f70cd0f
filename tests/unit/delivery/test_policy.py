"""What follows an attempt, and a look-up."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import SOMETIMES_SENT, Cause, Verdict
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Found, Outcome, State
from pillarbox.delivery.failures import outcome_of
from pillarbox.delivery.policy import BACKOFF, LONG, RESPITE, RULES, after, after_look
from pillarbox.delivery.smtp_transport import judge
from pillarbox.store.messages import Claimed, Next
from pillarbox.store.outbox import LONGEST_WAIT
from tests.claimed import claimed

NOW = 100_000.0
SETTLE = (120.0, 300.0, 900.0)
EVEN = 0.5
"""The chance with which a wait is as long as it stands in the rule."""
ALICE = Mailbox(1, "alice@contoso.example", AppRegistration(1, "contoso", "t", "c"))
SEEING = replace(ALICE, assurance="verify")


SETTLED: Mapping[str, Any] = {"started_at": NOW - 900}


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


def test_a_store_that_cannot_be_read_puts_the_message_off_by_five_seconds() -> None:
    outcome = outcome_of(Unavailable("store.failed", reason="disk I/O error"))
    following = after(outcome, message(), SETTLE, NOW, EVEN)
    assert (outcome.cause, following.state, following.due_at) == (Cause.STORE, State.DEFERRED, NOW + 5)


def test_a_4yz_of_exchange_puts_the_message_off_by_five_seconds() -> None:
    outcome = judge("450 4.1.8 not now", 60.0)
    following = after(outcome, message(), SETTLE, NOW, EVEN)
    assert (outcome.cause, following.state, following.due_at) == (Cause.BUSY, State.DEFERRED, NOW + 5)


def test_a_mistake_of_ours_is_looked_up_as_any_doubt() -> None:
    following = after(Outcome(Cause.INTERNAL), message(SEEING), SETTLE, NOW, EVEN)
    assert (following.state, following.due_at) == (State.UNCERTAIN, NOW + 120)


def test_another_cause_begins_anew() -> None:
    again = after(Outcome(Cause.UNREACHABLE), message(cause="throttled", repeats=9), SETTLE, NOW, EVEN)
    assert again == Next(State.DEFERRED, NOW + 5, "unreachable", 1)


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 240), (0.25, 270), (0.5, 300), (1.0, 360)])
def test_our_own_waits_are_a_fifth_shorter_or_longer_by_chance(chance: float, wait: float) -> None:
    again = after(Outcome(Cause.UNREACHABLE), message(cause="unreachable", repeats=3), SETTLE, NOW, chance)
    assert again.due_at == NOW + wait


@pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.CONCURRENCY])
def test_what_was_throttled_is_not_looked_for_before_a_copy_can_be_seen(cause: Cause) -> None:
    """Mail was seen to leave with such answers; the look before the second attempt decides."""
    for told, wait in ((1.0, 120.0), (600.0, 600.0)):
        again = after(Outcome(cause, retry_after=told), message(SEEING), SETTLE, NOW, 0.0)
        assert (again.state, again.due_at) == (State.DEFERRED, NOW + wait)
    assert after(Outcome(Cause.BUSY, retry_after=1.0), message(SEEING), SETTLE, NOW, 0.0).due_at < NOW + 120


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


def test_what_was_kept_from_being_tried_is_tried_for_an_hour() -> None:
    old = message(expires_at=NOW - 1)
    away = Outcome(Cause.UNREACHABLE)
    for kept in (
        replace(old, due_at=NOW - 10 - LONG - 1),  # it was due long ago
        replace(old, started_at=NOW - LONG - 1),  # it began long ago
        replace(old, cause=Cause.ACCESS_DENIED),  # its account held it
        replace(old, started_at=NOW - LONG - 1, spared=True, cause=Cause.UNTRUSTED),
    ):
        following = after(away, kept, SETTLE, NOW, EVEN)
        assert (following.state, following.expires_at) == (State.DEFERRED, NOW + RESPITE)
    for fair in (replace(old, due_at=NOW - 10 - LONG), replace(old, due_at=0.0, spared=True)):
        assert after(away, fair, SETTLE, NOW, EVEN).state is State.FAILED
    again = after(away, replace(old, due_at=0.0, spared=True), SETTLE, NOW, EVEN, jumped_at=NOW - 20)
    assert again.state is State.DEFERRED


@pytest.mark.parametrize("cause", sorted(RULES))
@pytest.mark.parametrize("asked", [1.0, 900.0, 7200.0])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_nothing_is_tried_sooner_than_microsoft_asked(cause: Cause, asked: float, chance: float) -> None:
    own = after(Outcome(cause), message(), SETTLE, NOW, chance).due_at - NOW
    wait = after(Outcome(cause, retry_after=asked), message(), SETTLE, NOW, chance).due_at - NOW
    asked = min(asked, 3600.0) * (1 + 0.1 * chance)
    heeded = cause in (Cause.THROTTLED, Cause.CONCURRENCY)
    assert wait == pytest.approx(asked if heeded else max(asked, own))


def test_what_is_too_old_fails_after_an_attempt_that_was_made() -> None:
    old = message(expires_at=NOW - 1)
    assert after(Outcome(Cause.UNREACHABLE), old, SETTLE, NOW, EVEN).state is State.FAILED
    assert after(Outcome(Cause.ACCEPTED), old, SETTLE, NOW, EVEN).state is State.SENT
    assert after(Outcome(Cause.UNCLEAR), old, SETTLE, NOW, EVEN).state is State.UNCERTAIN
    assert message().expires_at == math.inf


@pytest.mark.parametrize("cause", SOMETIMES_SENT)
def test_what_may_have_left_with_its_last_refusal_is_looked_for_before_it_is_given_up(cause: Cause) -> None:
    """A bounce would not be true."""
    late = message(SEEING, expires_at=NOW)
    following = after(Outcome(cause), late, SETTLE, NOW, EVEN)
    assert (following.state, following.due_at, following.code) == (State.UNCERTAIN, NOW + 120, "")
    at_last = message(SEEING, cause=following.cause, checks=2, expires_at=NOW, **SETTLED)
    assert after_look(Found.ABSENT, at_last, SETTLE, NOW).code == "outbox.not_taken"
    assert after_look(Found.UNDECIDED, at_last, SETTLE, NOW).state is State.HELD
    assert after(Outcome(cause), message(expires_at=NOW), SETTLE, NOW, EVEN).state is State.FAILED


@pytest.mark.parametrize("cause", SOMETIMES_SENT)
def test_what_was_refused_before_it_was_sent_is_not_looked_for(cause: Cause) -> None:
    refused = Outcome(cause, nothing_sent=True)
    assert after(refused, message(SEEING, expires_at=NOW), SETTLE, NOW, EVEN).state is State.FAILED


@pytest.mark.parametrize(("mailbox", "first"), [(SEEING, 120), (replace(SEEING, assurance="draft"), 120), (ALICE, 900)])
def test_what_is_unclear_waits_from_the_end_of_its_attempt(mailbox: Mailbox, first: float) -> None:
    assert after(Outcome(Cause.UNCLEAR), message(mailbox), SETTLE, NOW, EVEN).due_at == NOW + first


@pytest.mark.parametrize(("repeats", "times"), [(0, 1), (1, 2), (2, 4), (4, 16), (99, 16)])
def test_what_stays_unclear_is_sent_again_blindly_ever_more_rarely(repeats: int, times: float) -> None:
    again = message(cause=Cause.UNCLEAR, repeats=repeats)
    assert after(Outcome(Cause.UNCLEAR), again, SETTLE, NOW, EVEN).due_at == NOW + 900 * times
    seen = message(SEEING, cause=Cause.UNCLEAR, repeats=repeats)
    assert after(Outcome(Cause.UNCLEAR), seen, SETTLE, NOW, EVEN).due_at == NOW + 120


def test_what_is_too_old_is_never_sent_again_blindly() -> None:
    following = after_look(Found.UNKNOWN, message(expires_at=NOW, **SETTLED), SETTLE, NOW)
    assert (following.state, following.maybe_duplicate) == (State.HELD, False)


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


def test_what_is_absent_when_its_time_is_over_fails_and_is_not_sent_late() -> None:
    late = after_look(Found.ABSENT, message(SEEING, checks=2, expires_at=NOW), SETTLE, NOW)
    assert (late.state, late.code) == (State.FAILED, "outbox.not_taken")
    # It may still be about to show, before the last look.
    assert after_look(Found.ABSENT, message(SEEING, checks=1, expires_at=NOW), SETTLE, NOW).state is State.UNCERTAIN


@pytest.mark.parametrize(
    "doubted",
    [
        message(replace(ALICE, on_uncertain="hold"), **SETTLED),
        message(expires_at=NOW, **SETTLED),
        message(SEEING, checks=2, expires_at=NOW),
    ],
)
def test_what_is_held_in_doubt_says_so_by_a_code_of_its_own(doubted: Claimed) -> None:
    held = after_look(Found.UNKNOWN, doubted, SETTLE, NOW)
    assert (held.state, held.code) == (State.HELD, "outbox.uncertain")


def test_what_was_to_be_looked_up_settles_as_long_as_all_that_cannot_be() -> None:
    """Somebody chose another mode in the middle: its first look is no time to send it again blindly."""
    doubted = message()
    assert after_look(Found.UNKNOWN, doubted, SETTLE, NOW) == Next(State.UNCERTAIN, NOW - 10 + 900)
    at_last = after_look(Found.UNKNOWN, doubted, SETTLE, NOW - 10 + 900)
    assert (at_last.state, at_last.maybe_duplicate) == (State.QUEUED, True)


@pytest.mark.parametrize("on_uncertain", ["retry", "hold"])
def test_what_was_not_looked_up_is_not_counted_as_looked_up(on_uncertain: str) -> None:
    blind = message(replace(ALICE, on_uncertain=on_uncertain), **SETTLED)
    assert after_look(Found.UNKNOWN, blind, SETTLE, NOW).checks == 0


def test_in_send_only_it_is_sent_again_and_flagged_or_held_by_choice() -> None:
    again = after_look(Found.UNKNOWN, message(**SETTLED), SETTLE, NOW)
    assert (again.state, again.maybe_duplicate) == (State.QUEUED, True)
    held = after_look(Found.UNKNOWN, message(replace(ALICE, on_uncertain="hold"), **SETTLED), SETTLE, NOW)
    assert (held.state, held.maybe_duplicate) == (State.HELD, False)


def test_what_was_refused_and_no_look_can_tell_ends_as_where_nothing_can_be_looked_up() -> None:
    """Once it was looked for at all the settle times; else it waits, as what is unclear does for a person."""
    refused = message(SEEING, cause=Cause.DOUBTED, checks=2, **SETTLED)
    again = after_look(Found.UNDECIDED, refused, SETTLE, NOW)
    assert (again.state, again.maybe_duplicate) == (State.QUEUED, True)
    hold = replace(refused, mailbox=replace(SEEING, on_uncertain="hold"))
    assert after_look(Found.UNDECIDED, hold, SETTLE, NOW).state is State.HELD
    for found, doubted in (
        (Found.UNKNOWN, refused),
        (Found.UNDECIDED, replace(refused, checks=1)),
        (Found.UNDECIDED, replace(refused, cause=Cause.UNCLEAR)),
    ):
        assert after_look(found, doubted, SETTLE, NOW).state is State.UNCERTAIN


def test_a_clock_that_goes_back_during_a_look_lets_the_next_one_wait_no_longer() -> None:
    following = after_look(Found.ABSENT, message(SEEING, started_at=NOW + 3e8), SETTLE, NOW)
    assert following.due_at == NOW + SETTLE[1]


# ---- clocks


@pytest.mark.parametrize(("mode", "checks", "gap"), [("verify", 0, 120), ("draft", 1, 180), ("verify", 2, 600)])
@pytest.mark.parametrize("found", [Found.ABSENT, Found.UNKNOWN])
def test_a_look_does_not_count_before_which_the_clock_jumped(mode: str, checks: int, gap: float, found: Found) -> None:
    """Nobody has lived the time in which a copy was to come to be seen."""
    doubted = message(replace(ALICE, assurance=mode), cause=Cause.UNCLEAR, repeats=1, checks=checks, **SETTLED)
    again = after_look(found, doubted, SETTLE, NOW, jumped_at=NOW - gap + 1)
    assert (again.state, again.due_at, again.checks) == (State.UNCERTAIN, NOW + gap, checks)
    assert after_look(found, doubted, SETTLE, NOW, jumped_at=NOW - gap).checks == checks + 1
    assert after_look(Found.SENT, doubted, SETTLE, NOW, jumped_at=NOW).state is State.SENT


def test_nor_is_anything_sent_again_blindly_before_its_time_was_lived() -> None:
    doubted = message(cause=Cause.UNCLEAR, repeats=2, **SETTLED)
    again = after_look(Found.UNKNOWN, doubted, SETTLE, NOW, jumped_at=NOW - 1)
    assert (again.state, again.due_at) == (State.UNCERTAIN, NOW + 1800)


def test_a_jump_of_any_size_that_was_seen_spares_what_was_due_before_it() -> None:
    old = message(expires_at=NOW - 1, due_at=NOW - 100, spared=True)
    away = Outcome(Cause.UNREACHABLE)
    assert after(away, old, SETTLE, NOW, EVEN, jumped_at=NOW - 50).state is State.DEFERRED
    assert after(away, old, SETTLE, NOW, EVEN, jumped_at=NOW - 101).state is State.FAILED
