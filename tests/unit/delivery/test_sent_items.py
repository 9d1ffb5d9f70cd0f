"""Which copies in Sent Items can be this message's."""

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.delivery.sent_items import its_copies
from pillarbox.graph.mail import Copy
from tests.claimed import claimed

MESSAGE = claimed(Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "t", "c")), id="MINE")


@pytest.mark.parametrize(("age", "its"), [(0, True), (300, True), (360, True), (361, False), (None, True), (-5, True)])
def test_a_copy_that_is_older_than_the_message_is_of_another_one(age: float | None, its: bool) -> None:
    assert bool(its_copies([Copy("A", False, age)], MESSAGE, 300)) is its


@pytest.mark.parametrize(("queue_id", "its"), [("", True), ("MINE", True), ("OTHER", False)])
def test_a_copy_with_another_queue_id_is_of_another_message(queue_id: str, its: bool) -> None:
    assert bool(its_copies([Copy("A", False, 1.0, queue_id)], MESSAGE, 300)) is its


def test_a_copy_with_its_queue_id_is_its_own_whatever_the_clocks_say() -> None:
    assert its_copies([Copy("A", False, 9_000.0, "MINE")], MESSAGE, 300)
