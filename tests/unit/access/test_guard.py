"""The guard: how failing is answered, who is banned, and whom nothing keeps out."""

import pytest

from pillarbox.access.guard import Guard, Patience
from pillarbox.core.errors import Unavailable

PATIENCE = Patience()


@pytest.fixture
def guard() -> Guard:
    return Guard(PATIENCE)


def code(guard: Guard, site: str, name: str, now: float = 0.0) -> str:
    """Why this name may not be tried; whoever is known need not ask."""
    if guard.knows(site, name, now):
        return ""
    return stranger(guard, site, name, now)


def stranger(guard: Guard, site: str, name: str, now: float = 0.0) -> str:
    try:
        guard.check(site, name, now)
    except Unavailable as error:
        return error.code
    return ""


def fail(guard: Guard, times: int, site: str = "192.0.2.2", name: str = "printer", now: float = 0.0) -> list[float]:
    return [guard.failed(site, name, now).delay for _ in range(times)]


# ---- how a failure is answered


@pytest.mark.parametrize("name", ["printer", "nobody", ""])
def test_each_failure_of_a_site_waits_longer_up_to_five_seconds_whatever_the_name(guard: Guard, name: str) -> None:
    assert fail(guard, 7, name=name) == [1, 2, 3, 4, 5, 5, 5]


def test_failures_of_one_site_do_not_delay_another(guard: Guard) -> None:
    fail(guard, 7)
    assert fail(guard, 1, site="192.0.2.3") == [1]


# ---- bans


def test_ten_failures_ban_a_site_for_ten_minutes(guard: Guard) -> None:
    banned = [guard.failed("192.0.2.2", f"name {n}", 5.0 * n).banned for n in range(10)]
    assert banned == [False] * 9 + [True]
    assert (guard.is_banned("192.0.2.2", 644.0), code(guard, "192.0.2.2", "new", 644.0)) == (True, "submitter.banned")
    assert (guard.is_banned("192.0.2.2", 645.0), code(guard, "192.0.2.2", "new", 645.0)) == (False, "")
    assert not guard.is_banned("192.0.2.3", 0.0)


def test_one_more_failure_after_a_ban_bans_again(guard: Guard) -> None:
    fail(guard, 10)
    assert guard.failed("192.0.2.2", "printer", 600.0).banned
    assert not guard.failed("192.0.2.2", "printer", 100_000.0).banned


def test_a_success_takes_no_failure_back(guard: Guard) -> None:
    fail(guard, 9, name="guessed")
    guard.succeeded("192.0.2.2", "own", 0.0)
    assert guard.failed("192.0.2.2", "guessed", 0.0).banned
    assert code(guard, "192.0.2.2", "guessed") == "submitter.banned"


def test_failures_of_long_ago_do_not_count(guard: Guard) -> None:
    assert not any(guard.failed("192.0.2.2", "printer", day * 86400.0).banned for day in range(100))


def test_the_end_of_a_ban_is_told_once(guard: Guard) -> None:
    fail(guard, 10)
    fail(guard, 10, site="192.0.2.3", now=5.0)
    assert (guard.next_end(), guard.take_ended(599.0)) == (600.0, [])
    assert (guard.take_ended(600.0), guard.take_ended(600.0)) == (["192.0.2.2"], [])
    assert (guard.take_ended(1000.0), guard.next_end()) == (["192.0.2.3"], None)


def test_a_site_that_is_pardoned_begins_anew_and_no_other_does(guard: Guard) -> None:
    for site in ("192.0.2.2", "192.0.2.3"):
        fail(guard, 10, site=site, name=site)
    assert [guard.banned_for("192.0.2.2", 100.0), guard.banned_for("192.0.2.2", 700.0)] == [500.0, 0.0]
    assert [guard.pardon("192.0.2.2"), guard.pardon("192.0.2.2")] == [True, False]
    assert [guard.is_banned(site, 1.0) for site in ("192.0.2.2", "192.0.2.3")] == [False, True]
    assert fail(guard, 1, name="192.0.2.2", now=1.0) == [1]


def test_who_is_pardoned_may_try_the_name_that_failed_there(guard: Guard) -> None:
    """Its own failures have used up what a site that is to blame may take of the budgets."""
    guard.succeeded("192.0.2.2", "printer", 0.0)
    mistake(guard, 10)
    guard.pardon("192.0.2.2")
    assert stranger(guard, "192.0.2.2", "printer", 1.0) == ""
    assert guard.knows("192.0.2.2", "printer", 1.0)


# ---- who is known


def test_a_name_is_let_try_where_it_was_right_though_the_site_is_banned(guard: Guard) -> None:
    guard.succeeded("192.0.2.2", "printer", 0.0)
    fail(guard, 10, name="others")
    assert (guard.is_banned("192.0.2.2", 1.0), code(guard, "192.0.2.2", "printer", 1.0)) == (False, "")
    assert code(guard, "192.0.2.2", "others", 1.0) == "submitter.banned"


@pytest.mark.parametrize("name", ["printer", "others"])
def test_who_fails_where_it_is_known_is_judged_as_a_stranger(guard: Guard, name: str) -> None:
    guard.succeeded("192.0.2.2", "printer", 0.0)
    fail(guard, 10, name="guessed")
    assert stranger(guard, "192.0.2.2", name, 1.0) == "submitter.banned"


def mistake(guard: Guard, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        guard.mistaken("192.0.2.2", "printer", now)
        guard.failed("192.0.2.2", "printer", now)


def test_a_known_name_that_fails_ten_times_is_known_no_more_until_the_first_is_forgotten(guard: Guard) -> None:
    guard.succeeded("192.0.2.2", "printer", 0.0)
    mistake(guard, 10)
    assert code(guard, "192.0.2.2", "printer", 599.0) == "submitter.banned"
    assert guard.knows("192.0.2.2", "printer", 600.0)
    mistake(guard, 1, 600.0)
    assert not guard.knows("192.0.2.2", "printer", 601.0)


def test_whoever_is_known_at_a_site_failing_there_too_often_shuts_the_door_to_nobody(guard: Guard) -> None:
    """Else ten guesses at a banned site would tell whether a name is known there."""
    guard.succeeded("192.0.2.2", "printer", 0.0)
    fail(guard, 10, name="others")
    before = guard.is_banned("192.0.2.2", 1.0)
    mistake(guard, 10)
    assert (before, guard.is_banned("192.0.2.2", 1.0)) == (False, False)


def test_a_site_is_known_for_a_week_and_for_one_name(guard: Guard) -> None:
    guard.succeeded("192.0.2.2", "printer", 0.0)
    # Within a day it is not noted anew: so it is a day more.
    assert [guard.knows("192.0.2.2", "printer", day * 86400.0) for day in (7, 8, 8.01)] == [True, True, False]
    assert not guard.knows("192.0.2.2", "scanner", 1.0)
    assert not guard.knows("192.0.2.3", "printer", 1.0)


def test_of_many_right_logins_one_a_day_is_worth_keeping(guard: Guard) -> None:
    day = 86400.0
    kept = [guard.succeeded("192.0.2.2", "printer", now) for now in (0.0, 1.0, day - 1, day, day + 1, 0.0)]
    assert kept == [True, False, False, True, False, True]  # the last one: a clock that went back
    assert guard.succeeded("192.0.2.2", "scanner", day)
    assert guard.succeeded("192.0.2.3", "printer", day)


def test_a_name_that_is_no_more_is_known_nowhere(guard: Guard) -> None:
    for name in ("printer", "scanner"):
        guard.succeeded("192.0.2.2", name, 0.0)
    guard.forget("printer")
    assert (guard.knows("192.0.2.2", "printer", 0.0), guard.knows("192.0.2.2", "scanner", 0.0)) == (False, True)


# ---- many sites


def tries(guard: Guard, sites: int, each: int, names: int, now: float = 0.0) -> int:
    """How many of the tries are let through to a hash."""
    hashed = 0
    for n in range(sites * each):
        site, name = f"198.51.100.{n % sites}", f"name {n % names}"
        answer = code(guard, site, name, now)
        if not answer:
            hashed += 1
            guard.failed(site, name, now)
        elif answer == "submitter.busy":
            guard.turned_away(site, now)
    return hashed


@pytest.mark.parametrize("names", [1, 7, 1000])
def test_a_thousand_tries_from_fifty_sites_cost_less_than_thirty_hashes(guard: Guard, names: int) -> None:
    assert tries(guard, 50, 20, names) < 30


def test_who_is_turned_away_again_and_again_is_banned(guard: Guard) -> None:
    tries(guard, 50, 20, 1000)
    assert all(guard.is_banned(f"198.51.100.{n}", 0.0) for n in range(50))
    assert [guard.turned_away("192.0.2.2", 0.0).banned for _ in range(10)] == [False] * 9 + [True]


@pytest.mark.parametrize("name", ["printer", "name 0"])
def test_six_sites_that_guess_without_end_keep_no_new_one_out(guard: Guard, name: str) -> None:
    for second in range(0, 7200, 5):
        tries(guard, 6, 3, 18 if name == "printer" else 1, now=float(second))
        assert code(guard, "192.0.2.3", name, float(second)) == ""


def test_of_what_is_reserved_a_site_takes_once_a_day(guard: Guard) -> None:
    fail(guard, 1, site="192.0.2.9")
    for n in range(20):
        guard.failed(f"198.51.100.{n}", f"name {n}", 0.0)
    later = 30.0  # twelve of the eighteen are spent
    assert [code(guard, site, "new", later) for site in ("192.0.2.9", "192.0.2.3")] == ["submitter.busy", ""]
    day = 86400.0
    for n in range(20):
        guard.failed(f"198.51.100.{n}", f"name {n}", day - later)
    assert [code(guard, "192.0.2.9", "new", now) for now in (day - 1, day)] == ["submitter.busy", ""]


def test_of_what_is_reserved_of_a_name_too(guard: Guard) -> None:
    fail(guard, 1, site="192.0.2.9", name="nobody")
    for n in range(10):
        guard.failed(f"198.51.100.{n}", "printer", 0.0)
    tried = [("192.0.2.9", "printer"), ("192.0.2.9", "other"), ("192.0.2.3", "printer")]
    assert [code(guard, *one, 30.0) for one in tried] == ["submitter.busy", "", ""]


def test_who_was_turned_away_keeps_its_share_of_what_is_reserved(guard: Guard) -> None:
    for n in range(14):
        guard.failed(f"198.51.100.{n}", f"name {n}", 0.0)
    guard.turned_away("192.0.2.3", 0.0)
    assert code(guard, "192.0.2.3", "printer") == ""


def test_who_is_known_is_let_try_in_the_middle_of_it(guard: Guard) -> None:
    guard.succeeded("192.0.2.3", "name 0", 0.0)
    tries(guard, 50, 20, 1)
    assert (code(guard, "192.0.2.3", "name 0"), code(guard, "192.0.2.4", "name 0")) == ("", "submitter.busy")


def test_one_site_cannot_use_up_what_a_name_has(guard: Guard) -> None:
    for _ in range(100):
        if not code(guard, "192.0.2.2", "printer"):
            guard.failed("192.0.2.2", "printer", 0.0)
    assert code(guard, "192.0.2.3", "printer") == ""


def test_attack_on_one_name_leaves_the_others_their_hashes(guard: Guard) -> None:
    tries(guard, 50, 20, 1)
    assert (code(guard, "192.0.2.3", "name 0"), code(guard, "192.0.2.3", "other")) == ("submitter.busy", "")


def test_a_failure_that_cost_no_hash_uses_nothing_up(guard: Guard) -> None:
    for n in range(200):
        guard.failed(f"198.51.100.{n}", "printer", 0.0, hashed=False)
    assert code(guard, "192.0.2.3", "printer") == ""


# ---- memory


def test_the_least_recently_failed_is_forgotten_first() -> None:
    guard = Guard(Patience(remembered=100))
    fail(guard, 9, site="first")
    for n in range(99):
        fail(guard, 1, site=f"site {n}", name=f"name {n}")
    assert guard.failed("first", "printer", 0.0).banned
    fail(guard, 9, site="second")
    for n in range(100):
        fail(guard, 1, site=f"site {n}")
    assert not guard.failed("second", "printer", 0.0).banned


def test_memory_is_bounded_whatever_comes() -> None:
    guard = Guard(Patience(remembered=50, of_site=1))
    for n in range(1000):
        guard.failed(f"site {n}", f"name {n}" * 1000, 0.0)
        guard.succeeded(f"site {n}", f"name {n}" * 1000, 0.0)
        guard.mistaken(f"site {n}", f"name {n}" * 1000, 0.0)
    levels = (guard._sites._levels, guard._names._levels, guard._pairs._levels)
    assert [len(table) for table in (*levels, guard._bans, guard._known, guard._failed_at)] == [50] * 6
    assert max(len(name) for name in guard._names._levels if isinstance(name, str)) < 100


def test_a_clock_that_goes_back_harms_nothing(guard: Guard) -> None:
    fail(guard, 3, now=1000.0)
    assert fail(guard, 1, now=0.0) == [4]
