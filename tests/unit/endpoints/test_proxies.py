"""What proxies say of their clients: believed of those alone that are trusted, and from the end of the list."""

import pytest

from pillarbox.endpoints.proxies import Origin, Proxies

PROXIES = Proxies(["192.0.2.0/24", "2001:db8:1::/48"])
CLIENT = "203.0.113.9"


def forwarded(*values: str, name: bytes = b"x-forwarded-for") -> list[tuple[bytes, bytes]]:
    return [(name, value.encode()) for value in values]


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        (forwarded(CLIENT), CLIENT),
        (forwarded(f"198.51.100.1, {CLIENT}"), CLIENT),
        (forwarded("127.0.0.1", CLIENT), CLIENT),
        (forwarded(f"{CLIENT}, 192.0.2.8, 192.0.2.9"), CLIENT),
        (forwarded(f"{CLIENT}:49152"), CLIENT),
        (forwarded("[2001:db8:9::7]:49152"), "2001:db8:9::7"),
        (forwarded("::ffff:203.0.113.9"), CLIENT),
        (forwarded("192.0.2.8, 192.0.2.9"), "192.0.2.8"),
        (forwarded(f"{CLIENT}, unknown"), "unknown"),
        (forwarded(f"{CLIENT}, "), "unknown"),
        (forwarded(f"{CLIENT}, 1.2.3.4.5"), "unknown"),
        (forwarded(CLIENT, name=b"x_forwarded_for"), "192.0.2.1"),
        ([], "192.0.2.1"),
    ],
)
def test_of_a_trusted_proxy_the_last_address_counts_that_is_none(
    fields: list[tuple[bytes, bytes]], address: str
) -> None:
    found = PROXIES.origin("192.0.2.1", "http", fields)
    assert found == Origin(address, "http", is_trusted=True)


@pytest.mark.parametrize("name", [b"forwarded", b"x-real-ip", b"via", b"x-forwarded-proto"])
def test_a_trusted_proxy_that_does_not_say_for_whom_it_asks_is_noted(name: bytes) -> None:
    found = PROXIES.origin("192.0.2.1", "http", forwarded(CLIENT, name=name))
    assert found == Origin("192.0.2.1", "http", is_trusted=True, is_unclear=True)


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (["https"], "https"),
        (["HTTPS"], "https"),
        (["http"], "http"),
        ([], "http"),
        (["https, http"], "http"),
        (["https", "http"], "http"),
        (["https://"], "http"),
    ],
)
def test_the_scheme_counts_where_it_is_one_clear_word(values: list[str], scheme: str) -> None:
    found = PROXIES.origin("2001:db8:1::5", "http", forwarded(*values, name=b"x-forwarded-proto"))
    assert found.scheme == scheme


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via", b"x-forwarded-proto"])
@pytest.mark.parametrize("peer", ["203.0.113.1", "127.0.0.1"])
def test_of_anybody_else_nothing_counts_and_it_is_noted(peer: str, name: bytes) -> None:
    found = PROXIES.origin(peer, "http", forwarded("192.0.2.1", name=name))
    assert found == Origin(peer, "http", is_unclear=True)


def test_who_brings_nothing_of_a_proxy_is_who_it_is() -> None:
    assert PROXIES.origin("::ffff:203.0.113.1", "https", [(b"host", b"x")]) == Origin("203.0.113.1", "https")


def test_no_list_makes_much_work() -> None:
    fields = forwarded(", ".join([CLIENT, *["192.0.2.2"] * 1000]))
    assert PROXIES.origin("192.0.2.1", "http", fields).address == "192.0.2.2"
