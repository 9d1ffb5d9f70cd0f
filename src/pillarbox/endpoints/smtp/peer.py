"""Who is at the other end of a connection: an address of the network, or a user of this machine."""

import fcntl
import ipaddress
import socket
import struct
import sys
import termios
from collections.abc import Iterable
from typing import Final, NamedTuple

from pillarbox.core import ip

_CREDENTIALS: Final = struct.Struct("3i")
"""pid, uid, gid of SO_PEERCRED (unix(7))."""


class Peer(NamedTuple):
    """`name` as logs and limits know it: `192.0.2.7`, `2001:db8::1`, `uid=1000`; `uid` where the kernel told it.

    `via`: the load balancer of a client whose address it does not tell, and which is in no network then.
    """

    name: str
    uid: int | None = None
    via: str = ""

    @property
    def address(self) -> str:
        """Whom failed logins are put down to: of a client whose address is not told, the load balancer."""
        return self.via or self.name

    @property
    def site(self) -> str:
        """What connections are counted by: the address, or the /64 of an IPv6 address."""
        return ip.site(self.address)


def of_address(text: str) -> Peer:
    """The peer at an address; an IPv4 address in the clothes of IPv6 (`::ffff:192.0.2.7`) and a zone are undressed."""
    address = ip.parse(text)
    return Peer(text if address is None else str(address))


def of_user(connected: socket.socket) -> Peer:
    """The peer of a Unix socket: the user whose process connected, as the kernel has it (SO_PEERCRED)."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return Peer(f"uid={uid}", uid)


def has_taken_all(connected: socket.socket) -> bool:
    """Whether the client's TCP has acknowledged all that was written; nothing more is known of what its program read.

    SIOCOUTQ of tcp(7), which counts an end of ours (FIN) as one byte.
    """
    unacknowledged = bytearray(struct.calcsize("i"))
    try:
        fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, unacknowledged)
    except (OSError, ValueError):  # closed already
        return False
    return int.from_bytes(unacknowledged, sys.byteorder) <= 1


class Networks:
    """A set of networks (CIDR); empty and false where none is named. Raises ValueError for what is no network."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, peer: Peer) -> bool:
        address = ip.parse(peer.name)
        return address is not None and any(address in network for network in self._networks)


NO_NETWORKS: Final = Networks(())
