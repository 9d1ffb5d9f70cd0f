"""Who is at the other end: addresses, networks, users of this machine."""

import contextlib
import os
import socket

import pytest

from pillarbox.endpoints.smtp.peer import Networks, Peer, has_taken_all, of_address, of_user


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


def test_a_client_that_a_balancer_does_not_name_is_counted_with_the_balancer_and_is_in_no_network() -> None:
    peer = Peer("unknown", via="10.0.0.4")
    assert (peer.address, peer.site, peer in Networks(["0.0.0.0/0", "10.0.0.4/32"])) == ("10.0.0.4", "10.0.0.4", False)


def test_the_kernel_says_which_user_connected() -> None:
    here, there = socket.socketpair()
    with here, there:
        peer = of_user(here)
    assert (peer, peer.site) == (Peer(f"uid={os.getuid()}", os.getuid()), f"uid={os.getuid()}")


def test_what_the_client_has_not_taken_is_told_by_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, _ = server.accept()
        with ours:
            assert has_taken_all(ours)
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    ours.send(b"x" * 65536)
            assert not has_taken_all(ours)
        assert client.recv(1) == b"x"
        assert not has_taken_all(ours)


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
