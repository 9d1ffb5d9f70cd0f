"""Where things lie when nobody says otherwise. Light: a command that only looks for the socket loads no settings."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENV_PREFIX: Final = "PILLARBOX_"


def default_socket(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Where a service and the commands that look for it meet."""
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return Path("/run/pillarbox/api.sock")
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "pillarbox" / "api.sock"
    return Path(f"/tmp/pillarbox-{uid}/api.sock")  # noqa: S108 - made 0700, checked


def default_state_dir(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """The state folder: /var/lib/pillarbox for root and who has no home, below the home folder for everybody else."""
    uid = os.geteuid() if uid is None else uid
    folder = None if uid == 0 else _user_folder(environ, uid, "XDG_STATE_HOME", ".local/state")
    return (folder or Path("/var/lib")) / "pillarbox"


def find_settings_file(environ: Mapping[str, str], uid: int | None = None) -> Path | None:
    """The settings file when no flag names one: PILLARBOX_CONFIG, the user's own, then /etc; None if there is none."""
    if named := environ.get(ENV_PREFIX + "CONFIG"):
        return Path(named)
    uid = os.geteuid() if uid is None else uid
    own = _user_folder(environ, uid, "XDG_CONFIG_HOME", ".config")
    places = (folder / "pillarbox/pillarbox.toml" for folder in (own, Path("/etc")) if folder is not None)
    return next((place for place in places if _is_there(place)), None)


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        # Perhaps: whoever reads it says why it cannot be read.
        return True


def _user_folder(environ: Mapping[str, str], uid: int, variable: str, below_home: str) -> Path | None:
    if named := environ.get(variable):
        return Path(named)
    home = _home(environ, uid)
    return None if home is None else home / below_home


def _home(environ: Mapping[str, str], uid: int) -> Path | None:
    """The home folder; None for a user that a container made up, without HOME and an entry in /etc/passwd."""
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        return None
