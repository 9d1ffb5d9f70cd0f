"""Who is at the other end: addresses, networks, users of this machine."""

import os
import socket

import pytest

from pillarbox.endpoints.smtp.peer import Networks, Peer, of_address, of_user


@pytest.mark.parametrize(
    ("text", "name", "site"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1:0:0:7", "2001:db8::1:0:0:7", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("unknown", "unknown", "unknown"),
    ],
)
def test_one_client_has_one_name(text: str, name: str, site: str) -> None:
    assert (of_address(text).name, of_address(text).site) == (name, site)


def test_the_kernel_says_which_user_connected() -> None:
    here, there = socket.socketpair()
    with here, there:
        peer = of_user(here)
    assert (peer, peer.site) == (Peer(f"uid={os.getuid()}", os.getuid()), f"uid={os.getuid()}")


def test_networks_hold_the_addresses_of_their_family() -> None:
    networks = Networks(["192.0.2.0/24", "2001:db8::/32"])
    assert of_address("192.0.2.255") in networks
    assert of_address("::ffff:192.0.2.1") in networks
    assert of_address("2001:db8:ffff::1") in networks
    assert of_address("192.0.3.0") not in networks
    assert of_address("2001:db9::") not in networks
    assert of_address("unknown") not in networks
    assert Peer("uid=0", 0) not in networks


def test_a_network_of_all_ipv6_holds_no_ipv4() -> None:
    assert of_address("192.0.2.1") not in Networks(["::/0"])


def test_no_networks_are_false() -> None:
    assert not Networks([])
    assert Networks(["192.0.2.0/24"])


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        Networks(["192.0.2.1/24"])
