"""Whose password was right, and who owes a code: for a while, a few tries, by an id that nobody guesses."""

import os

import pytest

from pillarbox.access.half_signed_in import LIFE, MOST_TRIES, HalfSignedIn
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.store.people import Person

ANNA = Person("1", "anna", frozenset())


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(half: HalfSignedIn, id: str) -> bool:
    with pytest.raises(AuthenticationFailed) as error:
        half.try_of(id)
    return error.value.code == "person.code_late"


def test_it_is_over_after_five_minutes() -> None:
    clock = Clock()
    half = HalfSignedIn(clock, os.urandom)
    id = half.begin(ANNA).reveal()
    clock.now += LIFE - 0.1
    assert (half.try_of(id), half.name_of(id)) == (ANNA, "anna")
    clock.now += 0.1
    assert refused(half, id)
    assert half.name_of(id) == ""


def test_it_bears_a_few_tries_and_ends_when_it_is_told_to() -> None:
    half = HalfSignedIn(Clock(), os.urandom)
    first, second = half.begin(ANNA).reveal(), half.begin(ANNA).reveal()
    for _ in range(MOST_TRIES):
        half.try_of(first)
    assert refused(half, first)
    half.end(second)
    assert refused(half, second)
    assert refused(half, "")


def test_who_waits_longest_is_forgotten_first() -> None:
    half = HalfSignedIn(Clock(), os.urandom)
    ids = [half.begin(ANNA).reveal() for _ in range(1001)]
    assert refused(half, ids[0])
    assert half.try_of(ids[1]) == ANNA
