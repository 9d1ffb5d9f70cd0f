"""The machine: what runs on it, room on the disk, its file system, open files, the environment."""

import asyncio
import contextlib
import os
import platform
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pillarbox
from pillarbox.admin.examine.examined import Machine
from pillarbox.admin.examine.findings import Finding, problem, skipped, warning, well
from pillarbox.core import core_dumps

_MIB: Final = 1024 * 1024
_LEAST_ROOM: Final = 256 * _MIB
_LITTLE_ROOM: Final = 2048 * _MIB
_SLOW: Final = 0.5
"""Seconds for which a disk may write one small file through before that is worth a word."""
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "fuse.sshfs", "fuse.glusterfs", "glusterfs", "ceph"}
)
_PASSING: Final = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
"""File systems whose content goes with the machine, or with its container."""
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
"""A blank, tab, line feed or backslash in the name of a mount point."""
_CA_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


async def versions(_machine: Machine) -> list[Finding]:
    """What runs here, and on what."""
    told = {"version": pillarbox.__version__, "python": platform.python_version(), "system": platform.platform()}
    return [well("doctor.versions", dict(told), **told)]


async def disk(machine: Machine) -> list[Finding]:
    """Whether there is room for messages."""
    folder = machine.settings.state_dir
    return [judge_room(folder, shutil.disk_usage(folder).free)]


def judge_room(folder: Path, free: int) -> Finding:
    """What so many free bytes mean. Pure."""
    evidence, room = {"free": free}, f"{free / _MIB:,.0f} MiB"
    if free < _LEAST_ROOM:
        return problem("doctor.disk_full", evidence, path=folder, free=room)
    if free < _LITTLE_ROOM:
        return warning("doctor.disk_low", evidence, path=folder, free=room)
    return well("doctor.disk", evidence, path=folder, free=room)


async def file_system(machine: Machine) -> list[Finding]:
    """Whether the store lies where locks hold and what is written stays."""
    folder = machine.settings.state_dir
    try:
        kind = await asyncio.to_thread(_kind_of_folder, folder)
    except OSError:
        return [skipped("doctor.file_system_untold", path=folder)]
    return [judge_file_system(folder, kind)]


def _kind_of_folder(folder: Path) -> str:
    return kind_of(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"), folder.resolve())


def kind_of(mounts: str, path: Path) -> str:
    """The kind of file system that holds a path, by /proc/self/mountinfo (proc_pid_mountinfo(5)). Pure."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mounted = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # A later line lies over an earlier one at the same place.
        if path.is_relative_to(mounted) and len(mounted.parts) >= best:
            best, kind = len(mounted.parts), after.split()[0]
    return kind


def judge_file_system(folder: Path, kind: str) -> Finding:
    """What a file system is good for. Pure."""
    evidence: dict[str, object] = {"kind": kind}
    if kind in _NETWORK:
        return problem("doctor.network_store", evidence, path=folder, kind=kind)
    if kind in _PASSING:
        return warning("doctor.passing_store", evidence, path=folder, kind=kind)
    if not kind:
        return skipped("doctor.file_system_untold", path=folder)
    return well("doctor.file_system", evidence, path=folder, kind=kind)


async def durable_writes(machine: Machine) -> list[Finding]:
    """Whether a small file can be written through to the disk, and how long that takes."""
    folder = machine.settings.state_dir
    try:
        seconds = await asyncio.to_thread(_write_through, folder)
    except FileNotFoundError:
        raise  # It is made at the first start.
    except OSError as error:
        return [problem("doctor.not_written", path=folder, reason=error.strerror or error)]
    evidence, told = {"seconds": round(seconds, 4)}, {"path": folder, "ms": f"{seconds * 1000:.1f}"}
    return [warning("doctor.slow_disk", evidence, **told) if seconds > _SLOW else well("doctor.disk_writes", **told)]


def _write_through(folder: Path) -> float:
    began = time.monotonic()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began


async def open_files(machine: Machine) -> list[Finding]:
    """Whether the system lets this process open as many files as connections and messages may need."""
    settings = machine.settings
    needed = 2 * settings.smtp.max_connections + settings.http.max_connections
    allowed, used = resource.getrlimit(resource.RLIMIT_NOFILE)[1], 0
    with contextlib.suppress(OSError):
        used = len(os.listdir("/proc/self/fd"))
    evidence: dict[str, object] = {"allowed": allowed, "needed": needed, "used": used}
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        return [warning("doctor.few_files", evidence, allowed=allowed, needed=needed)]
    return [well("doctor.open_files", evidence, used=used)]


async def dumps(_machine: Machine) -> list[Finding]:
    """Whether a crash would write down what is in memory: keys, secrets, tokens."""
    return [well("doctor.no_dumps") if core_dumps.forbid() else warning("doctor.dumpable")]


async def ca_variables(machine: Machine) -> list[Finding]:
    """Whether somebody has set a variable for certificates, and believes that it counts here."""
    return judge_ca_variables(machine.environ)


def judge_ca_variables(environ: Mapping[str, str]) -> list[Finding]:
    """One warning for all that are set. Pure."""
    names = [name for name in _CA_VARIABLES if environ.get(name)]
    if not names:
        return [well("doctor.no_ca_variables")]
    # One of them may be a path; nothing secret is ever in it.
    return [warning("doctor.ca_variables", {name: environ[name] for name in names}, names=", ".join(names))]
