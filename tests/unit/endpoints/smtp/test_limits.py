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


# ---- how long


@pytest.mark.parametrize(
    ("received", "seconds", "slow"),
    [(0, 30, False), (0, 30.1, True), (15_100, 30.2, False), (15_099, 30.2, True), (10**6, 2001, True)],
)
def test_rate_is_asked_for_after_the_first_half_minute(received: int, seconds: float, slow: bool) -> None:
    assert Patience(min_rate=500).is_too_slow(received, seconds) is slow


def test_no_rate_is_asked_for_where_none_is_set() -> None:
    assert not Patience(min_rate=0).is_too_slow(0, 10**6)


def test_clients_are_looked_at_often_enough_and_not_too_often() -> None:
    assert Patience().look_every == 1.0
    assert Patience(greeting=0.4).look_every == 0.1


# ---- how often it is told


def test_the_log_hears_of_a_site_once_a_minute_for_each_reason() -> None:
    told = Discretion()
    assert told.is_news(A, "x", 0)
    assert not told.is_news(A, "x", 59)
    assert told.is_news(A, "y", 59)
    assert told.is_news(B, "x", 59)
    assert told.is_news(A, "x", 60)


def test_a_crowd_of_addresses_fills_neither_log_nor_memory() -> None:
    told = Discretion()
    heard = sum(told.is_news(Peer(f"10.0.{number >> 8}.{number & 255}"), "x", 0) for number in range(5000))
    assert heard == 1000
    assert told.is_news(A, "x", 61)


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
