"""Where the service's local door, its API and the fallback folder are. Nobody reads settings here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SOCKET: Final = "PILLARBOX_SENDMAIL__SOCKET"
FOLDER: Final = "PILLARBOX_SENDMAIL__FOLDER"


def sockets(environ: Mapping[str, str]) -> list[Path]:
    """The local door: the one that was named, else those of the machine's and of the user's own service."""
    return _places(environ, SOCKET, "/run/pillarbox-sendmail/sendmail.sock", "sendmail.sock")


def api_sockets(environ: Mapping[str, str]) -> list[Path]:
    """The API of the service, which its owner and root may talk to."""
    return _places(environ, "PILLARBOX_SOCKET", "/run/pillarbox/api.sock", "api.sock")


def folder(environ: Mapping[str, str]) -> Path:
    """The fallback folder."""
    return Path(environ.get(FOLDER) or "/var/spool/pillarbox/maildrop")


def _places(environ: Mapping[str, str], variable: str, machine: str, own: str) -> list[Path]:
    if named := environ.get(variable):
        return [Path(named)]
    runtime = environ.get("XDG_RUNTIME_DIR")
    return [Path(machine), *([Path(runtime, "pillarbox", own)] if runtime else [])]
