"""The header Retry-After. Its forms are tested with the judge of answers (tests/unit/delivery/test_judge.py)."""

import pytest

from pillarbox.core.retry_after import seconds_of

NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2.128", 2.128), ("0", 1.0), ("-5", 1.0), ("1e9", 86400.0), ("nan", 60.0), ("soon", 60.0)],
)
def test_a_wait_is_at_least_a_second_and_at_most_a_day(header: str, seconds: float) -> None:
    assert seconds_of(header, NOON) == seconds


def test_a_date_is_counted_from_now() -> None:
    assert seconds_of("Fri, 20 Nov 2026 12:00:30 GMT", NOON) == 30.0
