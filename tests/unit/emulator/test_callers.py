"""Who came back before Retry-After: noted with how much too early, and nobody else."""

from email.utils import formatdate

import pytest

from pillarbox.emulator.callers import MAX_WAITING, Callers, seconds
from pillarbox.emulator.faults import Traits
from pillarbox.emulator.ledger import Ledger
from tests.unit.emulator.conftest import NOON

ALICE = Traits("POST", "h", "/v1.0/users/alice/sendMail", frozenset({"id-1", "alice@contoso.example"}), "app-1")
TOKEN = Traits("POST", "h", "/t/oauth2/v2.0/token", app="app-1")


def early(told: Traits, seen: Traits, after: float) -> list[float]:
    ledger = Ledger()
    callers = Callers(ledger)
    callers.told(told, {"Retry-After": "30"}, NOON, NOON)
    callers.seen(seen, NOON + after)
    return [each.early for each in ledger.too_early]


@pytest.mark.parametrize(("after", "noted"), [(0, [30]), (29, [1]), (30, []), (31, [])])
def test_a_return_counts_until_the_named_moment(after: float, noted: list[float]) -> None:
    assert early(ALICE, ALICE, after) == noted


@pytest.mark.parametrize(
    "other",
    [
        Traits("POST", "h", ALICE.path, frozenset({"bob"}), "app-1"),
        Traits("POST", "h", ALICE.path, ALICE.mailbox, "app-2"),
        TOKEN,
    ],
)
def test_other_mailboxes_and_apps_may_come(other: Traits) -> None:
    assert early(ALICE, other, 1) == []


def test_other_paths_of_the_mailbox_have_to_wait_too() -> None:
    assert early(ALICE, Traits("GET", "h", "/v1.0/users/id-1/messages", ALICE.mailbox, "app-1"), 1) == [29]


def test_without_a_mailbox_the_path_counts() -> None:
    assert early(TOKEN, TOKEN, 1) == [29]
    assert early(TOKEN, Traits("GET", "h", "/other", app="app-1"), 1) == []


def test_the_later_of_two_moments_counts() -> None:
    ledger = Ledger()
    callers = Callers(ledger)
    for wait in ("30", "5"):
        callers.told(ALICE, {"Retry-After": wait}, NOON, NOON)
    callers.seen(ALICE, NOON + 10)
    (found,) = ledger.too_early
    assert (found.app_id, found.mailbox, found.path, found.early) == ("app-1", "alice@contoso.example", ALICE.path, 20)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("2", 2),
        ("2.128", 2.128),
        (formatdate(NOON + 7, usegmt=True), 7),
        (formatdate(NOON - 7, usegmt=True), 0),
        ("soon", 0),
        ("nan", 0),
        ("inf", 0),
        ("", 0),
        ("-3", 0),
    ],
)
def test_all_forms_of_retry_after_are_read(header: str, wait: float) -> None:
    assert seconds(header, NOON) == wait


def test_who_waits_does_not_pile_up() -> None:
    callers = Callers(Ledger())
    for number in range(MAX_WAITING + 10):
        callers.told(Traits("GET", "h", str(number)), {"Retry-After": "30"}, NOON, NOON)
    assert len(callers._until) <= MAX_WAITING


def test_clear_lets_everybody_come_back() -> None:
    ledger = Ledger()
    callers = Callers(ledger)
    callers.told(ALICE, {"Retry-After": "30"}, NOON, NOON)
    callers.clear()
    callers.seen(ALICE, NOON)
    assert ledger.too_early == []
