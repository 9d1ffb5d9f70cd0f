"""Networks of submitters: which may be named, and whose an address is."""

import pytest

from pillarbox.access import networks
from pillarbox.access.networks import NetworkTable
from pillarbox.core import ip
from pillarbox.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("192.168.7.0/24", "192.168.7.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.168.7.0/255.255.255.0", "192.168.7.0/24"),
        ("192.168.7.9", "192.168.7.9/32"),
        ("2001:DB8:7::/48", "2001:db8:7::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:192.168.7.0/120", "192.168.7.0/24"),
        (" 192.168.7.0/24 ", "192.168.7.0/24"),
    ],
)
def test_networks_that_are_taken(given: str, kept: str) -> None:
    assert networks.checked(given) == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("0.0.0.0/0", "wide_network"),
        ("::/0", "wide_network"),
        ("10.0.0.0/7", "wide_network"),
        ("2001::/31", "wide_network"),
        ("::ffff:0:0/96", "wide_network"),
        ("::ffff:10.0.0.0/103", "wide_network"),
        ("1.2.3.4/0", "wide_network"),
        ("192.168.7.9/24", "host_bits"),
        ("2001:db8::1/48", "host_bits"),
        ("", "bad_network"),
        ("printer", "bad_network"),
        ("192.168.7.0/33", "bad_network"),
        ("192.168.7/24", "bad_network"),
        ("fe80::%eth0/64", "bad_network"),
    ],
)
def test_networks_that_are_refused(given: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        networks.checked(given)
    assert caught.value.code == f"submitter.{code}"


def test_the_cure_names_the_network_that_was_meant() -> None:
    with pytest.raises(InvalidInput) as caught:
        networks.checked("192.168.7.9/24")
    assert "192.168.7.0/24" in caught.value.cure


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("10.1.2.3", "one"),
        ("10.1.2.4", "narrow"),
        ("10.1.3.4", "wide"),
        ("::ffff:10.1.2.3", "one"),
        ("11.1.2.3", None),
        ("2001:db8:7::9", "six"),
        ("2001:db8:8::9", None),
        ("2001:db8:7::9%eth0", "six"),
        ("::a01:203", None),
        ("unknown", None),
        ("", None),
        ("uid=1000", None),
    ],
)
def test_the_narrowest_network_counts(peer: str, expected: str | None) -> None:
    table = NetworkTable(
        {"10.0.0.0/8": "wide", "10.1.2.0/24": "narrow", "10.1.2.3/32": "one", "2001:db8:7::/48": "six"}
    )
    assert table.find(peer) == expected


@pytest.mark.parametrize(
    ("peer", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("uid=1000", "uid=1000"),
        ("", ""),
    ],
)
def test_a_client_is_counted_by_its_site(peer: str, site: str) -> None:
    assert ip.site(peer) == site
