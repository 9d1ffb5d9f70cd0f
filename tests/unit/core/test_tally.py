"""What is counted, and what of it comes from the log, also from below its level."""

import io

from pillarbox.core.log import make_logger
from pillarbox.core.tally import BOUNDS, Tally


def test_events_of_the_log_are_counted_also_where_they_are_not_written() -> None:
    tally, file = Tally(), io.StringIO()
    log = make_logger(file, "error", "text", lambda: 0.0, tally.heard)
    for _ in range(2):
        log.info("mail.attempt", id="A", verdict="retry", cause="throttled")
    log.debug("smtp.auth", peer="192.0.2.1")
    log.error("unexpected")
    assert tally.counts == {
        ("attempts", "retry", "throttled"): 2,
        ("log_events", "mail.attempt", "info"): 2,
        ("log_events", "unexpected", "error"): 1,
    }
    assert file.getvalue().count("\n") == 1


def test_times_fall_into_the_bucket_whose_bound_they_reach() -> None:
    tally = Tally()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 0.001, BOUNDS[-1] + 1):
        tally.time(seconds, "graph", "202")
    timing = tally.timings["graph", "202"]
    assert (timing.buckets[0], timing.buckets[1], timing.buckets[-1]) == (2, 1, 1)
    assert timing.seconds == 2 * BOUNDS[0] + 0.001 + BOUNDS[-1] + 1
