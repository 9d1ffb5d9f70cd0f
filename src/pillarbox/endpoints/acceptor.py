"""Takes the connections of a listening socket one by one, each looked at before anything is spent on it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from pillarbox.endpoints.smtp.peer import Peer, of_address

BACKLOG: Final = 512
"""How many connections the system keeps for us until we take them."""

Arrive = Callable[[socket.socket, Peer, contextlib.ExitStack], Coroutine[Any, Any, None]]
"""What looks at one connection. The stack closes the socket at the end: whoever serves it empties the stack."""


class Acceptor:
    """Hands each connection to `arrive`, in a task of its own.

    `cannot` hears why none can be taken, as where the process has no file left for one; after `pause` seconds it is
    tried again.
    """

    def __init__(self, arrive: Arrive, cannot: Callable[[OSError], None], pause: float = 1.0) -> None:
        self._arrive = arrive
        self._cannot = cannot
        self._pause = pause
        self._accepting: list[asyncio.Task[None]] = []
        self._arriving: set[asyncio.Task[None]] = set()

    def accept(self, listening: socket.socket) -> None:
        """Take what comes to this socket, until `stop`."""
        self._accepting.append(asyncio.create_task(self._accept_all(listening), name="accept"))

    async def stop(self) -> None:
        """Take nothing more; what nobody serves yet is closed. The listening sockets are their owner's."""
        tasks = [*self._accepting, *self._arriving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # gone already
            except OSError as error:
                self._cannot(error)
                await asyncio.sleep(self._pause)
                continue
            # Closed unless it is served, also where the task is canceled before it begins.
            unless_served = contextlib.ExitStack()
            unless_served.callback(accepted.close)
            task = loop.create_task(self._arrive(accepted, of_address(str(address[0])), unless_served))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)
            task.add_done_callback(partial(_close, unless_served))


def _close(unless_served: contextlib.ExitStack, _task: object) -> None:
    unless_served.close()
