"""Postfix in a scratch folder, to measure ourselves by: loopback, a free port, everything goes to its discard.

Its settings are Debian's, with what makes it accept and discard: no more is switched off than chroot and the lookup of
names. A mail is in its queue file, and that on the disk (an fsync by cleanup), before the 250.
"""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import cpu_of_tree

DAEMONS = Path("/usr/lib/postfix/sbin")
SERVICES = Path("/usr/share/postfix/master.cf.dist")
NAME = "bench.contoso.example"
_SETTINGS = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = discard:
relay_transport = discard:
local_transport = discard:
local_recipient_maps =
alias_maps =
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
maillog_file_prefixes = {folder}
maillog_file = {folder}/log
"""
_BEHIND_AUTH = """
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
cyrus_sasl_config_path = {folder}/sasl
smtpd_sasl_local_domain = {name}
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""
_SASL = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {folder}/sasl/sasldb2
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix."""

    address: str
    folder: Path
    pid: int

    def cpu(self) -> float:
        """CPU seconds so far: master and all its children, also those that have ended."""
        return cpu_of_tree(self.pid)

    async def drained(self) -> None:
        """Until its queues are empty."""
        while any(self._queued()):  # noqa: ASYNC110 - another program's folder
            await asyncio.sleep(0.02)

    def _queued(self) -> list[str]:
        found: list[str] = []
        for queue in ("maildrop", "incoming", "active", "deferred"):
            for _, _, files in os.walk(self.folder / "spool" / queue):
                found += files
        return found


@contextlib.asynccontextmanager
async def running(
    login: tuple[str, str] | None = None, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[Postfix]:
    """Start it, stop it, and remove what it has left. With a login: only behind AUTH, and STARTTLS is offered.

    Raises SystemExit, with what to do, where it cannot be run.
    """
    check(with_login=login is not None)
    with tempfile.TemporaryDirectory(prefix="bench-postfix-") as name:
        folder = Path(name)
        port = _free_port()
        _write(folder, port, certificate)
        if login:
            await _let_in(folder, login)
        await _postfix(folder, "start")
        try:
            pid = int((folder / "spool" / "pid" / "master.pid").read_text())
            yield Postfix(f"127.0.0.1:{port}", folder, pid)
        finally:
            await _postfix(folder, "stop")


def _write(folder: Path, port: int, certificate: tuple[Path, Path] | None) -> None:
    folder.chmod(0o755)
    settings, values = _SETTINGS, {"folder": folder, "daemons": DAEMONS, "name": NAME}
    if certificate:
        settings += _BEHIND_AUTH
        values |= {"certificate": certificate[0], "key": certificate[1]}
    (folder / "main.cf").write_text(settings.format(**values))
    (folder / "master.cf").write_text(_services(port))
    for part in ("spool", "data"):
        (folder / part).mkdir()
    shutil.chown(folder / "data", "postfix")


def check(*, with_login: bool = False) -> None:
    """Raises SystemExit, with what to do, where Postfix cannot be run."""
    libraries = [file.name for file in Path("/usr/lib").glob("*/sasl2/*.so")]
    there = {
        "postfix": all(file.exists() for file in (DAEMONS / "master", SERVICES)),
        "sasl2-bin": not with_login or Path("/usr/sbin/saslpasswd2").exists(),
        "libsasl2-modules": not with_login or "libplain.so" in libraries,
        "libsasl2-modules-db": not with_login or "libsasldb.so" in libraries,
    }
    missing = [package for package, found in there.items() if not found]
    if missing:
        raise SystemExit(f"This bench needs the Debian packages {', '.join(missing)}: run `make test-tools` as root.")
    if os.geteuid() != 0:
        raise SystemExit("Postfix starts as root alone: run this bench as root, in a container for instance.")


def _services(port: int) -> str:
    """Debian's services, without chroot, and smtpd on our port with as many processes as it likes."""
    lines = [line for line in SERVICES.read_text().splitlines() if line.strip() and not line.startswith("#")]
    services = [re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", line) for line in lines]
    smtpd = f"127.0.0.1:{port} inet n - n - 200 smtpd"
    return "\n".join([smtpd, *(line for line in services if not re.match(r"smtp\s+inet", line))]) + "\n"


async def _let_in(folder: Path, login: tuple[str, str]) -> None:
    (folder / "sasl").mkdir()
    (folder / "sasl" / "smtpd.conf").write_text(_SASL.format(folder=folder))
    passwords = folder / "sasl" / "sasldb2"
    await _run("saslpasswd2", "-p", "-c", "-u", NAME, "-f", str(passwords), login[0], text=login[1])
    shutil.chown(passwords, "postfix")


async def _postfix(folder: Path, what: str) -> None:
    await _run("postfix", "-c", str(folder), what)


async def _run(*command: str, text: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        # Postfix's master keeps what it is given: a pipe would never end.
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PATH": f"/usr/sbin:{os.environ['PATH']}"},
    )
    await process.communicate(text.encode())
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {process.returncode}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
