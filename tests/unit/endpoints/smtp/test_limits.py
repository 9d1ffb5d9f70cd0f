"""What bounds connections: their numbers, the patience with them, and the log's discretion."""

import resource
from collections.abc import Callable, Iterator

import pytest

from pillarbox.core.errors import Unavailable
from pillarbox.endpoints.smtp.limits import Census, Discretion, Patience, allow_open_files
from pillarbox.endpoints.smtp.peer import Peer, of_address

A, B = Peer("192.0.2.1"), Peer("192.0.2.2")


def refused(work: Callable[[], None]) -> str:
    with pytest.raises(Unavailable) as caught:
        work()
    assert caught.value.entry.smtp == "421 4.7.0"
    return caught.value.code


# ---- how many


def test_connections_in_all_are_bounded() -> None:
    census = Census(2, 2, 2)
    census.enter(A)
    census.enter(B)
    assert refused(lambda: census.enter(Peer("192.0.2.3"))) == "smtp.too_many_connections"
    census.leave(A)
    census.enter(Peer("192.0.2.3"))


def test_connections_of_one_address_are_bounded() -> None:
    census = Census(100, 2, 2)
    census.enter(A)
    census.enter(A)
    assert refused(lambda: census.enter(A)) == "smtp.too_many_from_address"
    census.enter(B)
    census.leave(A)
    census.enter(A)


def test_a_connection_that_is_refused_is_not_counted() -> None:
    census = Census(2, 1, 1)
    census.enter(A)
    for _ in range(5):
        refused(lambda: census.enter(A))
    census.enter(B)


def test_all_addresses_of_a_64_are_one() -> None:
    census = Census(100, 1, 1)
    census.enter(of_address("2001:db8::1"))
    assert refused(lambda: census.enter(of_address("2001:db8::2"))) == "smtp.too_many_from_address"
    census.enter(of_address("2001:db8:0:1::1"))


def test_connections_of_one_submitter_are_bounded_wherever_they_come_from() -> None:
    census = Census(100, 100, 2)
    census.log_in("printer")
    census.log_in("printer")
    assert refused(lambda: census.log_in("printer")) == "smtp.too_many_of_submitter"
    census.log_in("erp")
    census.log_out("printer")
    census.log_in("printer")


def test_users_of_this_machine_come_in_when_the_door_is_full() -> None:
    census = Census(1, 1, 1)
    census.enter(A)
    for _ in range(3):
        census.enter(Peer("uid=1000", 1000))
    for _ in range(3):
        census.leave(Peer("uid=1000", 1000))
    assert refused(lambda: census.enter(B)) == "smtp.too_many_connections"


def test_who_has_not_said_yet_whom_it_is_from_takes_a_place() -> None:
    census = Census(1, 100, 100)
    census.arrive()
    assert refused(census.arrive) == "smtp.too_many_connections"
    assert refused(lambda: census.enter(A)) == "smtp.too_many_connections"
    census.arrived()
    census.enter(A)


# ---- how long


@pytest.mark.parametrize(
    ("received", "seconds", "slow"),
    [(0, 30, False), (0, 30.1, True), (15_100, 30.2, False), (15_099, 30.2, True), (10**7, 20_001, True)],
)
def test_rate_is_asked_for_after_the_first_half_minute(received: int, seconds: float, slow: bool) -> None:
    assert Patience(min_rate=500).is_too_slow(received, seconds) is slow


def test_no_rate_is_asked_for_where_none_is_set() -> None:
    assert not Patience(min_rate=0).is_too_slow(0, 600)


@pytest.mark.parametrize(
    ("received", "seconds", "slow"),
    [(400_000, 640, False), (400_000, 650, True), (35 * 2**20, 5000, False), (35 * 2**20, 5100, True)],
)
def test_a_message_has_ten_minutes_and_a_second_more_for_each_8_kib(received: int, seconds: float, slow: bool) -> None:
    """Threat 35: a trickle above the least rate is over soon, 35 MB on a slow line come through."""
    assert Patience(min_rate=500).is_too_slow(received, seconds) is slow
    assert Patience(min_rate=0).is_too_slow(received, seconds) is slow


def test_clients_are_looked_at_often_enough_and_not_too_often() -> None:
    assert Patience().look_every == 1.0
    assert Patience(greeting=0.4).look_every == 0.1


# ---- how often it is told


def test_the_log_hears_of_a_site_once_a_minute_for_each_reason_and_of_how_many_it_did_not() -> None:
    told = Discretion()
    assert told.left_out(A, "", "x", 0) == 0
    assert told.left_out(A, "", "x", 30) is None
    assert told.left_out(A, "", "x", 59) is None
    assert told.left_out(A, "", "y", 59) == 0
    assert told.left_out(B, "", "x", 59) == 0
    assert told.left_out(A, "", "x", 60) == 2
    assert told.left_out(A, "", "x", 120) == 0


def test_the_log_hears_all_of_a_submitter_but_of_one_gone_mad() -> None:
    told = Discretion()
    heard = [told.left_out(A if number % 2 else B, "printer", "x", number / 100) for number in range(100)]
    assert heard == [0] * 20 + [None] * 80
    assert told.left_out(A, "erp", "x", 1) == 0
    assert told.left_out(A, "printer", "y", 1) == 0
    assert told.left_out(A, "printer", "x", 60) == 80


def test_a_crowd_of_addresses_fills_neither_log_nor_memory() -> None:
    told = Discretion()
    crowd = [told.left_out(Peer(f"10.0.{number >> 8}.{number & 255}"), "", "x", 0) for number in range(5000)]
    assert len(crowd) - crowd.count(None) == 1001
    assert told.left_out(B, "", "x", 1) is None
    assert told.left_out(A, "printer", "x", 1) == 0
    assert told.left_out(A, "", "x", 61) == 0


# ---- open files


@pytest.fixture
def _limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_limits")
def test_open_files_are_allowed_as_far_as_the_system_lets_us() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert allow_open_files(300)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard)
    assert allow_open_files(100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard)
    if hard != resource.RLIM_INFINITY:
        assert not allow_open_files(hard + 1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
