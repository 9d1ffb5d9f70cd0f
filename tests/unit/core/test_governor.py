"""What may go at once and in a while, whatever the clock does."""

import math
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.governor import Allowance, Concurrency, Governor, Limits, Load

MINUTE = 60.0


# ---- an allowance


def test_no_more_than_its_number_goes_in_any_span() -> None:
    allowance = Allowance(30, MINUTE)
    for _ in range(30):
        assert allowance.wait(100.0) == 0
        allowance.take(100.0)
    assert allowance.wait(100.0) == pytest.approx(61.0)
    assert allowance.wait(160.9) == pytest.approx(0.1)
    assert allowance.wait(161.0) == 0


def test_what_was_taken_later_comes_back_later() -> None:
    allowance = Allowance(10, MINUTE)
    allowance.take(0.0, 4)
    allowance.take(30.0, 6)
    assert allowance.wait(30.0, 4) == pytest.approx(31.0)
    assert allowance.wait(30.0, 5) == pytest.approx(61.0)
    assert allowance.left(61.0) == 4


def test_more_than_its_number_goes_when_nothing_else_does() -> None:
    allowance = Allowance(10, MINUTE)
    assert allowance.wait(0.0, 25) == 0
    allowance.take(0.0, 25)
    assert allowance.left(0.0) == 0
    assert allowance.wait(0.0, 25) == pytest.approx(61.0)


def test_none_is_no_limit() -> None:
    allowance = Allowance(0, MINUTE)
    allowance.take(0.0, 10**9)
    assert allowance.wait(0.0, 10**9) == 0
    assert allowance.left(0.0) > 0


def test_what_did_not_happen_is_given_back() -> None:
    allowance = Allowance(10, MINUTE)
    allowance.take(0.0, 4)
    allowance.take(5.0, 6)
    allowance.give_back(5.0, 7)
    assert allowance.left(5.0) == 7
    assert allowance.wait(5.0, 8) == pytest.approx(56.0)


def test_a_clock_that_goes_back_years_lengthens_nothing_by_more_than_a_span() -> None:
    allowance = Allowance(10, MINUTE)
    allowance.take(1e9, 10)
    assert allowance.wait(100.0) <= MINUTE + 1


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 40), st.integers(1, 20)), max_size=60),
)
def test_any_span_has_at_most_its_number_and_what_is_told_to_wait_fits_then(
    most: int, steps: list[tuple[float, int]]
) -> None:
    allowance, now, taken = Allowance(most, MINUTE), 1e9, []
    for passed, count in steps:
        now += passed
        if wait := allowance.wait(now, count):
            assert deepcopy(allowance).wait(now + wait + 1e-3, count) == 0
            continue
        allowance.take(now, count)
        taken.append((now, count))
        within = [number for at, number in taken if at > now - MINUTE]
        assert sum(within) <= most or within == [count]


def test_what_is_remembered_does_not_grow() -> None:
    allowance = Allowance(10**9, MINUTE)
    for second in range(10_000):
        allowance.take(second * 0.1)
    assert len(allowance._taken) <= 62


def test_a_clock_that_goes_back_a_little_leaves_what_was_taken_before_where_it_is() -> None:
    allowance = Allowance(10_000, 86_400.0)
    allowance.take(1000.0, 9_990)
    allowance.take(86_401.0, 5)
    before = allowance.wait(86_401.0, 100)
    assert allowance.wait(86_399.0, 100) == pytest.approx(before + 2)
    assert allowance.left(86_399.0) == 5


# ---- at the same time


def test_too_many_at_once_halves_and_one_more_goes_each_five_minutes() -> None:
    at_once = Concurrency(4)
    at_once.busy = 4
    at_once.halve(1000.0, 990.0)
    assert at_once.allowed(1000.0) == 2
    assert (at_once.allowed(1299.9), at_once.allowed(1300.0), at_once.allowed(1600.0)) == (2, 3, 4)
    assert at_once.allowed(9999.0) == 4


def test_answers_to_what_began_before_the_halving_halve_no_more() -> None:
    at_once = Concurrency(4)
    at_once.busy = 4
    for _ in range(3):
        at_once.halve(1000.0, 990.0)
    assert at_once.allowed(1000.0) == 2
    at_once.halve(1001.0, 1000.5)
    assert at_once.allowed(1001.0) == 1


def test_one_always_goes() -> None:
    at_once = Concurrency(1)
    for now in (1.0, 2.0, 3.0):
        at_once.halve(now, now)
    assert at_once.allowed(3.0) == 1


def test_where_no_number_is_set_it_is_halved_from_what_was_under_way() -> None:
    at_once = Concurrency(0)
    at_once.busy = 8
    at_once.halve(0.0, 0.0)
    assert at_once.allowed(0.0) == 4


def test_where_no_number_is_set_it_goes_back_to_what_was_under_way_within_the_hour() -> None:
    at_once = Concurrency(0)
    at_once.busy = 150
    for now in range(1000, 1006):
        at_once.halve(now, now)
        at_once.busy = at_once.allowed(now)
    assert at_once.allowed(1005.0) == 2
    assert at_once.allowed(1305.0) == 2 + 18
    assert at_once.grows_in(1305.0) == pytest.approx(300.0)
    assert at_once.allowed(1005.0 + 3600) > 1000
    assert at_once.grows_in(1005.0 + 3600) == math.inf


def test_it_says_when_one_more_may_go() -> None:
    at_once = Concurrency(4)
    assert at_once.grows_in(0.0) == math.inf
    at_once.halve(1000.0, 1000.0)
    assert at_once.grows_in(1100.0) == pytest.approx(200.0)


def test_a_clock_that_goes_back_does_not_halve_for_ever() -> None:
    at_once = Concurrency(4)
    at_once.busy = 2
    at_once.halve(1e9, 1e9)
    assert at_once.allowed(100.0) == 1
    assert at_once.allowed(1000.0) == 4


# ---- all of it


@pytest.mark.parametrize(
    ("limits", "load", "wait"),
    [
        (Limits(messages=30), Load(messages=31), 61),
        (Limits(recipients=100), Load(recipients=101), 86_400 + 1440),
        (Limits(bytes=100), Load(bytes=101), 305),
        (Limits(requests=100), Load(requests=101), 610),
    ],
)
def test_each_limit_has_its_own_span(limits: Limits, load: Load, wait: float) -> None:
    governor = Governor(limits)
    assert governor.wait(0.0, load) == 0
    governor.take(0.0, load)
    assert governor.wait(0.0, load) == pytest.approx(wait)
    assert governor.most(0.0) == 0


def test_as_many_go_as_the_narrowest_limit_lets() -> None:
    governor = Governor(Limits(concurrency=9, messages=8, requests=7, recipients=6, bytes=5))
    assert governor.most(0.0) == 5
    governor.concurrency.busy = 7
    assert governor.most(0.0) == 2
