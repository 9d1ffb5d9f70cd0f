import math
from collections.abc import Iterator

import pytest

from pillarbox.core.clock import Watched


def shows(times: Iterator[float] | list[float], running: list[float] | None = None) -> Watched:
    """A clock that shows these times one after the other, while the other one runs on so, or as it does."""
    shown, steady = iter(times), iter(running or [])
    last = [0.0]

    def clock() -> float:
        last[0] = next(shown)
        return last[0]

    return Watched(clock, (lambda: next(steady)) if running else (lambda: last[0]))


def test_it_went_back_where_it_shows_less_than_anybody_has_seen() -> None:
    clock = shows([100.0, 5000.0, 100.5, 101.0, 101.0, 102.0, 90.0, 91.0])
    assert (clock(), clock(), clock()) == (100.0, 5000.0, 100.5)
    assert clock.went_back()  # nobody asked while it was ahead
    assert not clock.went_back()
    assert not clock.went_back()
    assert clock.went_back()
    assert not clock.went_back()


def test_at_first_nothing_is_known_of_before() -> None:
    clock = shows([5.0], [0.0])
    assert not clock.went_back()
    assert clock.jumped_at == -math.inf


@pytest.mark.parametrize("jump", [61.0, -61.0, 3e8, -3e8])
def test_a_jump_is_seen_at_the_first_look_after_it(jump: float) -> None:
    clock = shows([1000.0, 1001.0 + jump, 1002.0 + jump], [0.0, 1.0, 2.0])
    assert (clock(), clock(), clock(), clock.jumped_at)[1:] == (1001.0 + jump, 1002.0 + jump, 1001.0 + jump)


def test_a_clock_that_nobody_has_looked_at_for_days_or_that_is_slowly_put_right_has_not_jumped() -> None:
    clock = shows([1000.0, 1059.0, 90_000.0, 90_050.0], [0.0, 1.0, 88_950.0, 89_050.0])
    for _ in range(4):
        clock()
    assert clock.jumped_at == -math.inf
