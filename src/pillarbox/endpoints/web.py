"""uvicorn as the doors use it: started on a socket that is bound already, stopped by its owner, silent."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class WebServer:
    """Serves an ASGI application. `grace` is how many seconds a stop waits for requests in flight."""

    def __init__(self, app: "ASGIApp", grace: float, certificate: tuple[Path, Path] | None = None) -> None:
        cert, key = certificate or (None, None)
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,  # its lines would hold what Microsoft's redirects carry
                ws="none",
                http="h11",
                date_header=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(grace)),
                ssl_certfile=cert,
                ssl_keyfile=key,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Serve on this socket."""
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="web")
        await self._server.ready.wait()

    async def stop(self) -> bool:
        """Answer what was asked, for as long as the grace lasts; whether it was serving."""
        if self._task is None:
            return False
        self._server.stopping.set()
        await self._task
        self._task = None
        return True


class HttpListener:
    """An application at an address of ours."""

    def __init__(self, app: "ASGIApp", grace: float, certificate: tuple[Path, Path] | None = None) -> None:
        self._web = WebServer(app, grace, certificate)

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and serve; the address that it listens on. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
        except OSError:
            listening.close()
            raise
        listening.setblocking(False)
        await self._web.start(listening)
        bound = listening.getsockname()
        return bound[0], bound[1]

    async def stop(self) -> None:
        """Close it."""
        await self._web.stop()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the gateway, says when it listens, and does not wake up ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the gateway's."""
        yield

    async def main_loop(self) -> None:
        """Until told to stop."""
        await self.stopping.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then ready."""
        await super().startup(sockets)
        self.ready.set()
