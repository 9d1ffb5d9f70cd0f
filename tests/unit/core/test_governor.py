"""A token bucket: what it lets through, and what a clock that is set does to it."""

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.governor import Bucket


def bucket() -> Bucket:
    """Three at once, one a second."""
    return Bucket.full(1.0, 3.0, 100.0)


def test_so_many_at_once_and_then_as_they_come_due() -> None:
    one = bucket()
    assert [one.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert (one.wait(100.25), one.take(100.5)) == (0.75, False)
    assert (one.wait(101.0), one.take(101.0), one.take(101.0)) == (0.0, True, False)


def test_it_never_holds_more_than_its_size() -> None:
    one = bucket()
    assert [one.take(9999.0) for _ in range(4)] == [True, True, True, False]


def test_looking_takes_nothing() -> None:
    one = bucket()
    assert [one.wait(100.0) for _ in range(9)] == [0.0] * 9
    assert [one.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_gives_nothing_and_holds_nothing_up() -> None:
    one = bucket()
    assert [one.take(100.0) for _ in range(3)] == [True] * 3
    assert not one.take(0.0)
    assert one.take(1.0)


@given(st.lists(st.floats(0, 10), max_size=60))
def test_in_any_while_no_more_than_its_size_and_what_came_due(waits: list[float]) -> None:
    one, now, taken = bucket(), 100.0, 0
    for wait in waits:
        now += wait
        taken += one.take(now)
        assert taken <= 3 + (now - 100.0) + 1e-6
