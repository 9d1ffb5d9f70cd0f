"""All that is wrong is told at once, each with its place."""

import pytest

from pillarbox.core.errors import InvalidInput, PillarboxError
from pillarbox.core.flaws import Flaws, at


def refuse(pointer: str = "") -> None:
    raise InvalidInput("app.same_ids", pointer=pointer)


def test_where_nothing_is_refused_nothing_is_told() -> None:
    flaws = Flaws()
    with flaws.collected("/name"):
        pass
    flaws.tell()


def test_the_first_is_raised_with_all_others_also_those_of_checks_within() -> None:
    inner, outer = Flaws(), Flaws()
    with outer.collected():
        with inner.collected("/a"):
            refuse()
        with inner.collected("/b"):
            refuse("/c")
        inner.tell()
    with outer.collected("/d"):
        refuse()
    with pytest.raises(PillarboxError) as refused:
        outer.tell()
    assert [refused.value.pointer, *(one.pointer for one in refused.value.others)] == ["/a", "/c", "/d"]


def test_what_is_refused_in_a_place_stands_there_unless_it_says_where() -> None:
    for given, told in (("", "/here"), ("/there", "/there")):
        with pytest.raises(InvalidInput) as refused, at("/here"):
            refuse(given)
        assert refused.value.pointer == told
