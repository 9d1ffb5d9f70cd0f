"""Networks whose clients come in without a login: which may be named, and whose an address is. Pure."""

import ipaddress
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from pillarbox.core import ip
from pillarbox.core.errors import InvalidInput

_T = TypeVar("_T")
_WIDEST: Final = {4: 8, 6: 32}
"""Fewest bits that a network may fix: nobody means half of the Internet by the network of their printers."""


def checked(text: str) -> str:
    """A network (CIDR, or one address) as it is kept; IPv4 in the clothes of IPv6 is undressed.

    Raises InvalidInput `submitter.bad_network`, `submitter.host_bits`, `submitter.wide_network`.
    """
    try:
        network = ip.undressed(_without_zone(ipaddress.ip_interface(text.strip()).network))
    except ValueError:
        raise InvalidInput("submitter.bad_network", network=text) from None
    if network.prefixlen < _WIDEST[network.version]:
        raise InvalidInput("submitter.wide_network", network=text)
    try:
        ipaddress.ip_network(text.strip())
    except ValueError:
        raise InvalidInput("submitter.host_bits", network=text, mended=network) from None
    return str(network)


def _without_zone(network: ip.IPNetwork) -> ip.IPNetwork:
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.scope_id:
        raise ValueError("a zone")
    return network


class NetworkTable(Generic[_T]):
    """What belongs to whom by networks: the narrowest that holds an address counts."""

    def __init__(self, entries: Mapping[str, _T]) -> None:
        tables: dict[tuple[int, int], dict[int, _T]] = {}
        for text, value in entries.items():
            network = ipaddress.ip_network(text)
            bits = network.max_prefixlen - network.prefixlen
            tables.setdefault((network.version, bits), {})[int(network.network_address) >> bits] = value
        self._tables = sorted(tables.items())

    def find(self, peer: str) -> _T | None:
        """What belongs to the narrowest network of this address; None where none holds it."""
        address = ip.parse(peer)
        if address is None:
            return None
        for (version, bits), table in self._tables:
            if version == address.version and (found := table.get(int(address) >> bits)) is not None:
                return found
        return None
