"""Cures of the catalogue, as a test tells them."""

import pytest

from pillarbox.admin.check.cures import of_a_test
from pillarbox.core import catalogue


@pytest.mark.parametrize(
    ("cure", "told"),
    [
        ("", ""),
        ("Give it a licence. It is tried again by itself.", "Give it a licence."),
        ("Grant it, then `pillarbox outbox retry --state held`.", "Grant it, then test again."),
        ("Grant it. Then `pillarbox outbox retry --state held`.", "Grant it. Then test again."),
        ("Sign in for a user, else `pillarbox outbox retry --state held`.", "Sign in for a user, else test again."),
        ("Once it is mended, `pillarbox outbox retry ID` sends it again.", "Once it is mended, test again."),
        ("Sign in. Its messages wait until then, and then `pillarbox outbox retry --state held`.", "Sign in."),
        ("Find it; if there is none, `pillarbox outbox cancel QUEUE_ID`.", "Test again in some minutes."),
        ("Nothing to do: a fault at Microsoft, and it is tried again by itself.", "Test again in some minutes."),
        ("Let the app sign in by itself. Give the ID (v2.0), `x` and 'y'.",) * 2,
        ("`pillarbox outbox show 01M7` shows what becomes of it.",) * 2,
    ],
)
def test_what_is_said_of_waiting_mail_is_cut_off(cure: str, told: str) -> None:
    assert of_a_test(cure) == told


def _cures() -> set[str]:
    tables = (catalogue.aadsts(), catalogue.graph(), catalogue.oauth())
    found = {one.remedy for table in tables for one in table.values()}
    found |= {one.explanation.remedy for one in catalogue.replies()}
    return found | {one.cure for one in catalogue.entries().values()}


def test_no_cure_of_the_catalogue_sends_to_mail_that_is_not_there() -> None:
    forbidden = ("outbox retry", "outbox cancel", "tried again", "goes on by itself", "messages wait", "mail waits")
    told = {cure: of_a_test(cure) for cure in _cures()}
    assert [cure for cure, left in told.items() if any(words in left for words in forbidden)] == []
    assert [cure for cure, left in told.items() if cure and not left] == []
