"""The local socket: the API on a Unix socket that the owner and root alone may open."""

import os
import socket
import stat
from pathlib import Path

from fastapi import FastAPI

from pillarbox.core.errors import ConfigError
from pillarbox.endpoints.web import WebServer


class LocalSocket:
    """Serves the API on a Unix socket."""

    def __init__(self, app: FastAPI, path: Path, grace: float) -> None:
        self._path = path
        self._web = WebServer(app, grace)

    async def start(self) -> None:
        """Bind the socket and serve. Raises ConfigError when another service answers there."""
        await self._web.start(bind(self._path))

    async def stop(self) -> None:
        """Answer what was asked, for as long as the grace lasts, then close and remove the socket."""
        if await self._web.stop():
            self._path.unlink(missing_ok=True)


def bind(path: Path) -> socket.socket:
    """A listening Unix socket of mode 0600. A dead one in its place is removed, a living one is an error."""
    _own_folder(path.parent)
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise ConfigError("config.bad_socket", path=path, reason=error.strerror or error) from error
    finally:
        os.umask(mask)
    listening.setblocking(False)
    return listening


def _own_folder(folder: Path) -> None:
    """Make the folder for ourselves alone. Whoever may write to it, or to one above it, could put a socket there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
