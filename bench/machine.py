"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version

import apsw

PACKAGES = ("aiohttp", "aiosmtpd", "apsw", "msal", "uvloop")


def describe() -> str:
    """Versions, cores and load, one line each."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"load {load}\n{packages}, SQLite {apsw.sqlite_lib_version()}"
    )
