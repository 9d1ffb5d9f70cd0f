"""Where things lie when nobody says otherwise. Light: a command that only looks for the socket loads no settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENV_PREFIX: Final = "PILLARBOX_"


def default_socket(environ: Mapping[str, str]) -> Path:
    """Where a service and the commands that look for it meet."""
    if os.geteuid() == 0:
        return Path("/run/pillarbox/api.sock")
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/tmp/pillarbox-{os.geteuid()}"  # noqa: S108 - made 0700, checked
    return Path(runtime) / "pillarbox" / "api.sock"


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """The state folder: /var/lib/pillarbox for root, below the home folder for everybody else."""
    if os.geteuid() == 0:
        return Path("/var/lib/pillarbox")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "pillarbox"


def find_settings_file(environ: Mapping[str, str]) -> Path | None:
    """The settings file when no flag names one: PILLARBOX_CONFIG, the user's own, then /etc; None if there is none."""
    if named := environ.get(ENV_PREFIX + "CONFIG"):
        return Path(named)
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = (home / "pillarbox/pillarbox.toml", Path("/etc/pillarbox/pillarbox.toml"))
    return next((place for place in places if place.exists()), None)
