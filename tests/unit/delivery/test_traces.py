"""What the rows of a trace say of a message to several recipients."""

import pytest

from pillarbox.delivery.traces import what_became
from pillarbox.graph.traces import Traced

SPAM = "bob@contoso.example: failed, carol.smith@contoso.example: filteredAsSpam"
BOTH = ("bob@contoso.example", "Carol@contoso.example")


def rows(**statuses: str) -> list[Traced]:
    return [Traced("<7@x>", f"{name}@contoso.example", status) for name, status in statuses.items()]


@pytest.mark.parametrize(
    ("told", "came"),
    [
        ({"bob": "delivered", "carol": "delivered"}, ("delivered", "")),
        ({"bob": "delivered", "carol": "filteredAsSpam"}, ("delivered", "carol@contoso.example: filteredAsSpam")),
        ({"bob": "delivered", "carol": "failed"}, ("failed", "carol@contoso.example: failed")),
        ({"bob": "quarantined", "carol": "delivered"}, ("failed", "bob@contoso.example: quarantined")),
        # A group is expanded, and each member has a row.
        ({"bob": "expanded", "carol": "delivered", "dave": "delivered"}, ("delivered", "")),
        ({"bob": "expanded", "carol": "delivered", "dave": "pending"}, None),
        # Which does not count for a recipient of whom nothing is known.
        ({"bob": "expanded", "dave": "delivered"}, None),
        # By other addresses of theirs.
        ({"bob.smith": "delivered", "carol.smith": "delivered"}, ("delivered", "")),
        ({"bob.smith": "delivered", "carol.smith": "delivered", "dave": "delivered"}, None),
        # Whom a rule or a forwarding added says nothing of ours.
        ({"bob": "delivered", "carol": "delivered", "dave": "failed"}, ("delivered", "")),
        ({"bob": "delivered", "carol": "delivered", "dave": "pending"}, ("delivered", "")),
        ({"bob": "delivered", "dave": "failed"}, None),
        ({"bob": "delivered"}, None),
        ({}, None),
        # One that is lost is told at once: of another it may never be known.
        ({"bob": "failed"}, ("failed", "bob@contoso.example: failed")),
        ({"bob": "failed", "carol": "pending"}, ("failed", "bob@contoso.example: failed")),
        ({"bob": "failed", "carol.smith": "delivered"}, ("failed", "bob@contoso.example: failed")),
        ({"bob": "failed", "carol.smith": "filteredAsSpam"}, ("failed", SPAM)),
        ({"bob": "expanded", "carol": "failed", "dave": "pending"}, ("failed", "carol@contoso.example: failed")),
        # Not one who may be a forwarding's.
        ({"bob": "delivered", "carol.smith": "failed"}, None),
        ({"bob": "delivered", "carol": "gettingStatus"}, None),
        ({"bob": "delivered", "carol": "aWordOfTomorrow"}, None),
    ],
)
def test_it_is_told_when_all_is_known(told: dict[str, str], came: tuple[str, str] | None) -> None:
    assert what_became(BOTH, rows(**told)) == came


def test_of_two_copies_one_that_came_is_enough() -> None:
    twice = rows(bob="failed") + rows(bob="delivered")
    assert what_became(BOTH[:1], twice) == what_became(BOTH[:1], twice[::-1]) == ("delivered", "")


def test_one_address_that_is_named_twice_is_one_recipient() -> None:
    assert what_became(("bob@contoso.example", "BOB@contoso.example"), rows(bob="delivered")) == ("delivered", "")


def test_its_words_are_no_longer_than_people_read() -> None:
    many = {f"r{number}": "failed" for number in range(500)}
    told = what_became([f"{name}@contoso.example" for name in many], rows(**many))
    assert told is not None
    assert len(told[1]) == 1000
