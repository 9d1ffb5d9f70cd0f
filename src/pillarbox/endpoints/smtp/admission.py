"""Who is let in: a connection in its first moment, before it has cost a session or a handshake."""

import asyncio
from collections.abc import Callable
from typing import cast

from pillarbox.core.accounts import Submitter
from pillarbox.core.errors import Forbidden, PillarboxError, Unavailable
from pillarbox.endpoints.smtp import replies
from pillarbox.endpoints.smtp.connection import Connection, Terms
from pillarbox.endpoints.smtp.peer import Peer, of_address, of_user


def admit(terms: Terms, peer: Peer) -> Submitter | None:
    """Count a peer that may come in, and say who it is if that is known by where it comes from.

    Raises Forbidden, or Unavailable for what may be otherwise in a while; then nothing is counted. `Connection` takes
    the peer and the submitter out of the census again.
    """
    try:
        return _admit(terms, peer)
    except PillarboxError:
        raise
    except Exception as error:
        # A mistake of ours must not leave a connection behind that nobody looks at.
        terms.services.log.exception("unexpected", peer=peer.name)
        raise Unavailable("internal") from error


def _admit(terms: Terms, peer: Peer) -> Submitter | None:
    services = terms.services
    if terms.networks and peer not in terms.networks:
        raise Forbidden("smtp.outside_networks")
    if peer.uid is None and services.is_banned(peer.address):
        raise Unavailable("submitter.banned")
    submitter = services.of_network(peer.name) if peer.uid is None else services.of_unix(peer.uid)
    if peer.uid is not None and submitter is None:
        raise Forbidden("smtp.no_such_user")
    terms.census.enter(peer)
    if peer.uid is not None and submitter is not None:
        terms.census.log_in(submitter.name)
    return submitter


def turned_away(terms: Terms, peer: Peer, error: PillarboxError) -> bytes:
    """Tell the log, and return the line for the client: empty where it waits for TLS and would not read it."""
    terms.tell_refusal(peer, None, "CONNECT", error)
    return b"" if terms.implicit_tls else replies.error(error)


class Entrance(asyncio.Protocol):
    """The protocol of a new connection: whoever may come in gets a Connection in its place, the others one line."""

    __slots__ = ("_left", "_let_in", "_terms")

    def __init__(self, terms: Terms, let_in: Callable[[Connection], None], left: Callable[[Connection], None]) -> None:
        self._terms = terms
        self._let_in = let_in
        self._left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who is there."""
        # A cast, as the transports of uvloop do not inherit from those of asyncio.
        transport = cast(asyncio.Transport, transport)
        if self._terms.door == "sendmail":
            peer = of_user(transport.get_extra_info("socket"))
        else:
            # A client that is gone already has no name any more.
            peer = of_address(str((transport.get_extra_info("peername") or ("unknown",))[0]))
        try:
            submitter = admit(self._terms, peer)
        except PillarboxError as error:
            transport.write(turned_away(self._terms, peer, error))
            transport.close()
            return
        connection = Connection(self._terms, peer, submitter, self._left)
        self._let_in(connection)
        transport.set_protocol(connection)
        connection.connection_made(transport)
