"""What the figures were measured on."""

import os
import platform
import shutil
import ssl
import subprocess
from importlib.metadata import version

import apsw

PACKAGES = ("aiohttp", "aiosmtpd", "apsw", "msal", "uvloop")


def load() -> str:
    """How busy the machine is, the average of 1, 5 and 15 minutes."""
    return "/".join(f"{value:.1f}" for value in os.getloadavg())


def describe() -> str:
    """Versions, cores and load, one line each."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load {load()}\n"
        f"{packages}, SQLite {apsw.sqlite_lib_version()}, {ssl.OPENSSL_VERSION}, {_postfix()}"
    )


def _postfix() -> str:
    program = shutil.which("postconf", path="/usr/sbin:/usr/bin")
    if program is None:
        return "no Postfix"
    said = subprocess.run([program, "-d", "-h", "mail_version"], capture_output=True, text=True, check=False)
    return f"Postfix {said.stdout.strip()}"
