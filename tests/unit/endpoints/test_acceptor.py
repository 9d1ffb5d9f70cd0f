"""Connections that are taken one by one (endpoints/acceptor.py)."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pillarbox.endpoints.acceptor import BACKLOG, Acceptor
from pillarbox.endpoints.smtp.peer import Peer


class FewFiles(socket.socket):
    """A listening socket of a process that has no file left, for a moment."""

    refusals = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


@asynccontextmanager
async def accepting(acceptor: Acceptor, listening: socket.socket) -> AsyncIterator[socket.socket]:
    """A client of a listening socket whose connections this acceptor takes."""
    with listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen(BACKLOG)
        listening.setblocking(False)
        client.setblocking(False)
        acceptor.accept(listening)
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        try:
            yield client
        finally:
            await acceptor.stop()


async def test_what_nobody_serves_is_closed() -> None:
    peers: list[Peer] = []

    async def arrive(_accepted: socket.socket, peer: Peer, _unless_served: contextlib.ExitStack) -> None:
        peers.append(peer)

    async with accepting(Acceptor(arrive, lambda _error: None), socket.socket()) as client:
        assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    assert [peer.name for peer in peers] == ["127.0.0.1"]


async def test_what_is_served_stays_open() -> None:
    served = asyncio.get_running_loop().create_future()

    async def arrive(accepted: socket.socket, _peer: Peer, unless_served: contextlib.ExitStack) -> None:
        unless_served.pop_all()
        served.set_result(accepted)

    async with accepting(Acceptor(arrive, lambda _error: None), socket.socket()) as client:
        with await served as accepted:
            await asyncio.get_running_loop().sock_sendall(accepted, b"220")
            assert await asyncio.get_running_loop().sock_recv(client, 3) == b"220"


async def test_a_stop_closes_what_is_looked_at() -> None:
    looked_at = asyncio.Event()

    async def arrive(_accepted: socket.socket, _peer: Peer, _unless_served: contextlib.ExitStack) -> None:
        looked_at.set()
        await asyncio.Event().wait()

    acceptor = Acceptor(arrive, lambda _error: None)
    async with accepting(acceptor, socket.socket()) as client:
        await looked_at.wait()
        await acceptor.stop()
        assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_no_file_left_is_told_and_tried_again() -> None:
    heard: list[int | None] = []
    arrived = asyncio.Event()

    async def arrive(_accepted: socket.socket, _peer: Peer, _unless_served: contextlib.ExitStack) -> None:
        arrived.set()

    acceptor = Acceptor(arrive, lambda error: heard.append(error.errno), pause=0)
    async with accepting(acceptor, FewFiles()):
        await arrived.wait()
    assert heard == [errno.EMFILE, errno.EMFILE]
