"""Internet addresses as we tell clients apart by them. Pure."""

import ipaddress
from functools import lru_cache
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_SITE: Final = 64
"""An IPv6 client has a whole /64 (RFC 6177), and may take a new address for each connection."""

_CLIENTS: Final = 4096
"""Addresses of which it is known what they are: a new connection asks some six times."""

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


@lru_cache(_CLIENTS)
def parse(text: str) -> IPAddress | None:
    """The address, IPv4 in the clothes of IPv6 (`::ffff:192.0.2.7`) and a zone (`%eth0`) undressed, or None."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def undressed(network: IPNetwork) -> IPNetwork:
    """A network as `parse` has its addresses: IPv4 in the clothes of IPv6 (`::ffff:192.0.2.0/120`) is IPv4."""
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        bare = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(bare or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def is_private(peer: str) -> bool:
    """Whether this is an address that is used within a house alone (RFC 1918, RFC 4193), or of this machine."""
    address = parse(peer)
    return address is not None and address.is_private


@lru_cache(_CLIENTS)
def site(peer: str) -> str:
    """What a client is counted by: its address, or the /64 of its IPv6 address; what is no address, as it is."""
    address = parse(peer)
    if address is None:
        return peer
    if address.version == 4:
        return str(address)
    return f"{ipaddress.IPv6Address(int(address) >> _SITE << _SITE)}/{_SITE}"
