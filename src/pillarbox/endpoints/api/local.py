"""The local socket: the API on a Unix socket that the owner and root alone may open."""

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pillarbox.core.errors import ConfigError
from pillarbox.endpoints.web import WebServer

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class LocalSocket:
    """Serves the API on a Unix socket."""

    def __init__(self, app: "ASGIApp", path: Path, grace: float) -> None:
        self._path = path
        self._web = WebServer(app, grace)

    async def start(self) -> None:
        """Bind the socket and serve. Raises ConfigError when another service answers there."""
        await self._web.start(bind(self._path))

    async def stop(self) -> None:
        """Answer what was asked, for as long as the grace lasts, then close and remove the socket."""
        if await self._web.stop():
            self._path.unlink(missing_ok=True)


def bind(path: Path, mode: int = 0o600, folder_mode: int = 0o700) -> socket.socket:
    """A bound Unix socket, its folder made where there is none. A dead one in its place is removed, a living one is an
    error. Raises ConfigError.
    """
    _own_folder(path.parent, folder_mode)
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~mode)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise ConfigError("config.bad_socket", path=path, reason=error.strerror or error) from error
    finally:
        os.umask(mask)
    listening.setblocking(False)
    return listening


def _own_folder(folder: Path, mode: int) -> None:
    """Make the folder our own. Whoever may write to it, or to one above it, could put a socket there."""
    try:
        if not folder.is_dir():
            folder.mkdir(mode=mode, parents=True)
            # Whatever the umask is: who may use the socket must reach it.
            folder.chmod(mode)
        for place in (folder, *folder.resolve().parents):
            found = place.stat()
            others = stat.S_IWOTH | (stat.S_IWGRP if place == folder else 0)
            if found.st_uid not in (os.geteuid(), 0) or (found.st_mode & others and not found.st_mode & stat.S_ISVTX):
                raise ConfigError("config.bad_socket", path=place, reason="others may write to this folder")
    except OSError as error:
        raise ConfigError("config.bad_socket", path=folder, reason=error.strerror) from error


def _clear(path: Path) -> None:
    """Remove a dead socket of a former service, and nothing else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError("config.bad_socket", path=path, reason="there is something else")
    if _answers(path):
        raise ConfigError("config.socket_in_use", path=path)
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
