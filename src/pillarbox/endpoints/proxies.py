"""Where a request of the HTTP listener comes from: the connection's own address, or what a trusted proxy says. Pure.

Of a peer in `http.trusted_proxies` X-Forwarded-For counts, read from its end, as each proxy appends whom it saw, and
X-Forwarded-Proto. Of anybody else nothing counts: such fields are what a client makes up. `Forwarded` (RFC 7239) and
X-Real-IP never count: a proxy that does not know them lets through what its client made up.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pillarbox.core import ip
from pillarbox.endpoints.smtp.peer import Networks, of_address
from pillarbox.endpoints.smtp.proxy_protocol import UNTOLD

_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"
_OF_PROXIES: Final = frozenset({_FOR, _PROTO, b"x-forwarded-host", b"x-real-ip", b"forwarded", b"via"})
_MOST: Final = 32
"""Proxies in a row that are asked about."""

Fields = Sequence[tuple[bytes, bytes]]
"""Header fields, names in small letters."""


class Origin(NamedTuple):
    """Where a request comes from: the client's address and scheme, as far as they can be believed.

    `is_trusted`: the peer is a trusted proxy. `is_unclear`: its request looks as if a proxy had sent it, of which
    nothing counts, or which does not say for whom: the address may be anybody's.
    """

    address: str
    scheme: str
    is_trusted: bool = False
    is_unclear: bool = False


class Proxies:
    """The trusted proxies, as networks (CIDR)."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = Networks(networks)

    def trusts(self, address: str) -> bool:
        """Whether the peer at an address is a trusted proxy."""
        return of_address(address) in self._networks

    def origin(self, address: str, scheme: str, fields: Fields) -> Origin:
        """Where a request comes from that came by `scheme` from the peer at `address`."""
        peer, names = of_address(address).name, {name for name, _ in fields}
        is_proxied = not names.isdisjoint(_OF_PROXIES)
        if not self.trusts(peer):
            return Origin(peer, scheme, is_unclear=is_proxied)
        is_unclear = is_proxied and _FOR not in names
        return Origin(self._client(peer, fields), _scheme(fields) or scheme, is_trusted=True, is_unclear=is_unclear)

    def _client(self, peer: str, fields: Fields) -> str:
        """The first address from the end that is no trusted proxy; UNTOLD where there is no address in its place."""
        client = peer
        for entry in reversed(_entries(fields, _FOR)[-_MOST:]):
            client = _address(entry)
            if not self.trusts(client):
                break
        return client


def _entries(fields: Fields, wanted: bytes) -> list[str]:
    """The members of a list that may be in one field or in several (RFC 9110 section 5.3)."""
    return [entry.strip() for name, value in fields if name == wanted for entry in value.decode("latin-1").split(",")]


def _address(entry: str) -> str:
    """The address of an entry, which some proxies write with a port."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    found = ip.parse(entry)
    return UNTOLD if found is None else str(found)


def _scheme(fields: Fields) -> str:
    """What the proxy says of its client's connection; empty where that is not one clear word."""
    found = _entries(fields, _PROTO)
    return found[0].lower() if len(found) == 1 and found[0].lower() in ("http", "https") else ""
