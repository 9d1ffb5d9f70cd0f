"""What attempts came to of late: by minute, by hour, and nothing for ever."""

from pillarbox.core.recent import HOUR, HOURS, MINUTE, MINUTES, Recent

NOW = 1_800_000_000.0


class Clock:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_sent_message_counts_in_its_minute_and_its_hour() -> None:
    clock = Clock()
    recent = Recent(clock)
    recent.heard("info", {"event": "mail.final", "state": "sent"})
    clock.now += MINUTE
    recent.heard("info", {"event": "mail.final", "state": "sent"})
    recent.heard("info", {"event": "mail.final", "state": "sent"})
    assert recent.sent_by_minute()[-2:] == [1, 2]
    assert len(recent.sent_by_minute()) == MINUTES
    assert sum(recent.sent_by_hour()) == 3
    assert recent.sent_by_hour()[-1] == 3


def test_an_attempt_that_sent_nothing_counts_by_its_cause_and_what_sent_does_not() -> None:
    recent = Recent(Clock())
    for verdict, cause in (
        ("retry", "throttled"),
        ("retry", "throttled"),
        ("refused", "too_large"),
        ("sent", "accepted"),
    ):
        recent.heard("info", {"event": "mail.attempt", "verdict": verdict, "cause": cause})
    recent.heard("info", {"event": "mail.final", "state": "failed"})
    assert list(recent.unsent().items()) == [("throttled", 2), ("too_large", 1)]
    assert sum(recent.sent_by_minute()) == 0


def test_what_is_old_is_gone_from_what_is_shown_and_from_memory() -> None:
    clock = Clock()
    recent = Recent(clock)
    for _ in range(3 * HOURS):
        recent.add(clock(), "accepted")
        clock.now += HOUR
    assert recent.sent_by_hour() == [1] * (HOURS - 1) + [0]
    assert sum(recent.sent_by_minute()) == 0
    assert len(recent._hours._kept) <= HOURS


def test_a_clock_that_jumped_leaves_nothing_for_ever() -> None:
    clock = Clock()
    recent = Recent(clock)
    clock.now = NOW + 100 * HOUR
    recent.add(clock(), "throttled")
    clock.now = NOW
    recent.add(clock(), "accepted")
    assert recent.sent_by_hour()[-1] == 1
    assert recent.unsent() == {}
    assert len(recent._hours._kept) == 1


def test_what_is_told_late_counts_where_it_belongs_and_takes_nothing_away() -> None:
    recent = Recent(Clock())
    recent.add(NOW, "accepted")
    recent.add(NOW - 30 * MINUTE, "accepted", 5)
    recent.add(NOW - 20 * HOUR, "accepted", 7)
    recent.add(NOW - 30 * HOUR, "accepted", 9)
    assert recent.sent_by_minute()[-31] == 5
    assert recent.sent_by_minute()[-1] == 1
    assert recent.sent_by_hour()[-21] == 7
    assert sum(recent.sent_by_hour()) == 13
