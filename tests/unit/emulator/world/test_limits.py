"""The limits as plain values: what is let in, and until when the rest has to wait. No server, no clock."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.emulator.world.limits import MAX_KEYS, Limits, Overrun, Window


def enter(limits: Limits, now: float = 0.0, size: int = 0, mailbox: str = "alice") -> Overrun | None:
    """A request that begins and ends at once."""
    overrun = limits.enter("app", mailbox, size, now)
    if overrun is None:
        limits.leave("app", mailbox)
    return overrun


def test_four_requests_may_run_at_once() -> None:
    limits = Limits()
    assert [limits.enter("app", "alice", 0, 0) for _ in range(4)] == [None] * 4
    assert limits.enter("app", "alice", 0, 0) == Overrun("MailboxConcurrency", 1)
    limits.leave("app", "alice")
    assert limits.enter("app", "alice", 0, 0) is None


@pytest.mark.parametrize(("app", "mailbox"), [("app", "bob"), ("other", "alice")])
def test_another_app_or_mailbox_has_its_own_limits(app: str, mailbox: str) -> None:
    limits = Limits(concurrent_requests=1, requests_per_10_minutes=1, upload_bytes_per_5_minutes=1)
    assert limits.enter("app", "alice", 1, 0) is None
    assert limits.enter(app, mailbox, 1, 0) is None


def test_the_10001st_request_in_ten_minutes_waits_until_the_first_left() -> None:
    limits = Limits()
    assert not any(enter(limits, now=number / 100) for number in range(10_000))
    overrun = enter(limits, now=100)
    assert overrun
    # The first slice of ten seconds leaves with its last request, at 9.99 s.
    assert (overrun.name, overrun.retry_after) == ("RequestCount", 510)
    assert enter(limits, now=100 + overrun.retry_after) is None


def test_refused_requests_count_too() -> None:
    limits = Limits(requests_per_10_minutes=1)
    enter(limits, now=0)
    assert enter(limits, now=300) == Overrun("RequestCount", 600)
    assert enter(limits, now=600) == Overrun("RequestCount", 600)
    assert enter(limits, now=1200) is None


def test_uploads_wait_for_room_in_five_minutes() -> None:
    limits = Limits(upload_bytes_per_5_minutes=100)
    assert [enter(limits, 0, 60), enter(limits, 30, 40)] == [None, None]
    assert enter(limits, 60, 50) == Overrun("IncomingBytes", 240)
    assert enter(limits, 60, 70) == Overrun("IncomingBytes", 270)
    assert enter(limits, 60, 0) is None
    assert enter(limits, 300, 50) is None


def test_the_text_is_microsofts() -> None:
    assert Overrun("MailboxConcurrency", 1).text == "Application is over its MailboxConcurrency limit."


def test_recipients_of_a_day_slide() -> None:
    limits = Limits(recipients_per_day=1000)
    limits.sent("alice", 600, 0)
    limits.sent("alice", 400, 3600)
    day = 24 * 3600
    assert [limits.may_send("alice", 1, now) for now in (3600, day - 1, day)] == [False, False, True]
    assert [limits.may_send("alice", count, day) for count in (600, 601)] == [True, False]
    assert limits.may_send("bob", 1000, 3600)
    assert not limits.may_send("bob", 1001, 3600)


def test_messages_above_thirty_a_minute_come_in_the_next_minutes() -> None:
    limits = Limits()
    delays = [limits.sent("alice", 1, 10.0 + number / 10) for number in range(70)]
    assert delays[:30] == [0.0] * 30
    assert delays[30] == pytest.approx(70 - 13.0)
    assert delays[60] == pytest.approx(130 - 16.0)
    assert limits.sent("bob", 1, 17.0) == 0
    assert limits.sent("alice", 1, 190) == 0


def test_no_limit_lets_everything_through() -> None:
    limits = Limits()
    limits.switch_off()
    assert not limits.of_requests
    assert not any(limits.enter("app", "alice", 10**9, 0) for _ in range(10))
    assert limits.may_send("alice", 10**6, 0)
    assert not any(limits.sent("alice", 10**5, 0) for _ in range(40))


def test_reset_forgets_what_was_used() -> None:
    limits = Limits(concurrent_requests=1, recipients_per_day=1, messages_per_minute=1)
    limits.enter("app", "alice", 0, 0)
    limits.sent("alice", 1, 0)
    limits.reset()
    limits.leave("app", "alice")
    assert limits.enter("app", "alice", 0, 0) is None
    assert limits.may_send("alice", 1, 0)
    assert limits.sent("alice", 1, 0) == 0


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"concurrent_request": 1}, "unknown limit: concurrent_request"),
        ({"concurrent_requests": 0}, "concurrent_requests is a whole number from 1"),
        ({"messages_per_minute": 1.5}, "messages_per_minute is a whole number"),
        ({"messages_per_minute": True}, "messages_per_minute is a whole number"),
        ([], "limits are an object"),
    ],
)
def test_impossible_limits_are_refused_and_none_is_taken(numbers: Any, reason: str) -> None:
    limits = Limits()
    with pytest.raises(ValueError, match=reason):
        limits.set({"recipients_per_day": 7} | numbers if isinstance(numbers, dict) else numbers)
    assert limits == Limits()


def test_a_saved_world_keeps_nothing_of_it() -> None:
    limits = Limits(concurrent_requests=None, messages_per_minute=1)
    limits.sent("alice", 1, 0)
    again = pickle.loads(pickle.dumps(limits))
    assert again == Limits()
    assert again.sent("alice", 1, 0) == 0


def test_many_mailboxes_do_not_pile_up_and_running_requests_are_not_forgotten() -> None:
    limits = Limits(concurrent_requests=1)
    limits.enter("app", "alice", 0, 0)
    for number in range(MAX_KEYS + 1):
        enter(limits, mailbox=str(number))
        limits.sent(number, 1, 0)
    assert len(limits._uses) < MAX_KEYS
    assert len(limits._senders) < MAX_KEYS
    assert limits.enter("app", "alice", 0, 0) == Overrun("MailboxConcurrency", 1)


# Quarters of a second, so that sums of times are exact.
STEPS = st.integers(0, 120).map(lambda quarters: quarters / 4)
EVENTS = st.lists(st.tuples(STEPS, st.integers(1, 40)), min_size=1, max_size=60)


@given(EVENTS)
def test_a_window_lets_no_more_through_than_an_exact_count(events: list[tuple[float, int]]) -> None:
    window, taken, now = Window(60), list[tuple[float, int]](), 0.0
    for step, amount in events:
        now += step
        wait = window.wait(amount, 100, now)
        if not wait:
            window.add(amount, now)
            taken.append((now, amount))
        else:
            assert wait <= 60
            now += wait
            assert window.wait(amount, 100, now) == 0
        assert sum(each for at, each in taken if at > now - 60) <= 100
    assert len(window._slices) <= 61
