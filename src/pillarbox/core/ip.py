"""Internet addresses as we tell clients apart by them. Pure."""

import ipaddress
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_SITE: Final = 64
"""An IPv6 client has a whole /64 (RFC 6177), and may take a new address for each connection."""


def parse(text: str) -> IPAddress | None:
    """The address, IPv4 in the clothes of IPv6 (`::ffff:192.0.2.7`) and a zone (`%eth0`) undressed, or None."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def site(peer: str) -> str:
    """What a client is counted by: its address, or the /64 of its IPv6 address; what is no address, as it is."""
    address = parse(peer)
    if address is None:
        return peer
    if address.version == 4:
        return str(address)
    return f"{ipaddress.IPv6Address(int(address) >> _SITE << _SITE)}/{_SITE}"
