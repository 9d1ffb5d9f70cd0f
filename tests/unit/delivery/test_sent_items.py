"""What the copies in Sent Items say of a message."""

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.mail import Found
from pillarbox.delivery.sent_items import judge
from pillarbox.graph.mail import Copy
from tests.claimed import claimed

NOW = 1_795_176_000.0
MAILBOX = Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "t", "c"))
MESSAGE = claimed(MAILBOX, id="MINE", created_at=NOW - 300, started_at=NOW - 290)
DAY = 86_400.0


def found(*copies: Copy, twins: int = 0, created_at: float = NOW - 300, started_at: float = NOW - 290) -> Found:
    message = claimed(MAILBOX, id="MINE", created_at=created_at, started_at=started_at)
    return judge(copies, message, NOW, twins)


def copy(age: float | None = 1.0, queue_id: str = "") -> Copy:
    return Copy("A", False, age, queue_id)


def test_without_a_copy_it_is_absent() -> None:
    assert found() is Found.ABSENT


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (-5, Found.SENT),
        (0, Found.SENT),
        (360, Found.SENT),
        (361, Found.UNDECIDED),
        (DAY + 300, Found.UNDECIDED),
        (DAY + 301, Found.ABSENT),
        (None, Found.UNDECIDED),
    ],
)
def test_a_copy_is_its_own_or_of_an_older_message_by_its_age(age: float | None, says: Found) -> None:
    assert found(copy(age)) is says


def test_a_copy_that_is_older_but_not_by_far_is_not_taken_for_anothers() -> None:
    """The clock may have gone back since: what is sent again then is doubled."""
    assert found(copy(2000.0), copy(5 * DAY)) is Found.UNDECIDED


@pytest.mark.parametrize(("queue_id", "says"), [("MINE", Found.SENT), ("OTHER", Found.ABSENT)])
def test_a_copy_with_a_queue_id_is_of_that_message_whatever_the_clocks_say(queue_id: str, says: Found) -> None:
    assert found(copy(9 * DAY, queue_id), twins=3) is says
    assert found(copy(1.0, queue_id), twins=3) is says


@pytest.mark.parametrize(
    ("copies", "twins", "says"), [(1, 1, Found.UNDECIDED), (2, 1, Found.SENT), (2, 2, Found.UNDECIDED)]
)
def test_it_is_sent_where_there_are_more_copies_than_its_twins_can_have_left(
    copies: int, twins: int, says: Found
) -> None:
    assert found(*[copy()] * copies, twins=twins) is says


def test_copies_that_name_others_prove_nothing_beside_a_nameless_one() -> None:
    assert found(copy(), copy(1.0, "OTHER"), twins=1) is Found.UNDECIDED


def test_a_copy_of_what_came_when_the_clock_was_ahead_is_its_own() -> None:
    """The clock went back: the beginning of its attempt was set back with it."""
    assert found(copy(20.0), created_at=NOW + 9 * DAY, started_at=NOW - 10) is Found.SENT
    assert found(copy(DAY), created_at=NOW + 9 * DAY, started_at=NOW - 10) is Found.SENT
    assert found(copy(DAY + 1), created_at=NOW + 9 * DAY, started_at=NOW - 10) is Found.UNDECIDED


def test_where_the_clock_jumped_since_it_came_the_copies_of_a_day_count() -> None:
    """Its own age is not known then. Every twin is for a day: an older copy may be of one that was purged."""
    for jumped_at in (NOW - 299, NOW):
        assert judge([copy(DAY - 1)], MESSAGE, NOW, 0, jumped_at) is Found.SENT
        assert judge([copy(DAY - 1)], MESSAGE, NOW, 1, jumped_at) is Found.UNDECIDED
        assert judge([copy(DAY + 1)], MESSAGE, NOW, 0, jumped_at) is Found.UNDECIDED
    assert judge([copy(DAY - 1)], MESSAGE, NOW, 0, jumped_at=NOW - 301) is Found.UNDECIDED
