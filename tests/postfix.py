"""A Postfix of its own for one test: in a scratch folder, on Unix sockets alone, removed also after a failure.

Nothing of the machine's own Postfix is read or written, and no port is taken: `smtp-source` and tests reach it by the
socket of its smtpd. Postfix wants to be started by root, as it gives its daemons to its own user.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests import service

_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Debian has Postfix in /usr/sbin, which is not in everybody's PATH."""
DAEMONS: Final = Path("/usr/lib/postfix/sbin")

needs_postfix = pytest.mark.skipif(shutil.which("postfix", path=_PATH) is None, reason="needs postfix")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to start Postfix")

_MAIN: Final = {
    "compatibility_level": "3.6",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "daemon_directory": str(DAEMONS),
    "command_directory": "/usr/sbin",
    "myhostname": "postfix.fabrikam.example",
    "mydestination": "",
    "local_recipient_maps": "",
    "alias_maps": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "smtpd_peername_lookup": "no",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    # One machine's limits must not be what a test of ours waits for.
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "disable_dns_lookups": "yes",
}
_MASTER: Final = """\
submission unix n - n - 50 smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
tlsproxy  unix  - - n - 0 tlsproxy
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """A running instance; `folder` holds its configuration, its queue and its log."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where its smtpd listens."""
        return self.folder / "spool" / "public" / "submission"

    @property
    def log(self) -> str:
        """All that it said so far."""
        file = self.folder / "mail.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    async def run(self, command: str, *arguments: str) -> str:
        """Run one of Postfix's commands on this instance to its end; what it printed."""
        return await run(command, *arguments, environ={"MAIL_CONFIG": str(self.folder)})

    async def queued(self) -> list[str]:
        """A line of JSON for each message that is still in its queue."""
        return (await self.run("postqueue", "-j")).splitlines()

    async def drained(self) -> None:
        """Until its queue is empty. It tells nobody: it is asked again and again, as a person would."""
        while await self.queued():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.25)


async def run(command: str, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Run a program that may be in /usr/sbin to its end; what it printed. Fails where it does."""
    process = await asyncio.create_subprocess_exec(
        *(shutil.which(command, path=_PATH) or command, *arguments),
        env={**os.environ, "PATH": _PATH, **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode("utf-8", "replace")
    return output.decode("utf-8", "replace")


@asynccontextmanager
async def postfix(settings: Mapping[str, str], files: Mapping[str, str] | None = None) -> AsyncIterator[Postfix]:
    """Start one with further lines of main.cf and further files beside it; `{folder}` in a value is its folder."""
    # Not below pytest's folder, which only its owner may enter: the daemons are another user's.
    folder = Path(tempfile.mkdtemp(prefix="pillarbox-postfix-"))
    try:
        _furnish(folder, settings, files or {})
        process = await _start(folder)
        try:
            yield Postfix(folder)
        finally:
            await _stop(folder, process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(folder: Path, settings: Mapping[str, str], files: Mapping[str, str]) -> None:
    folder.chmod(0o755)
    (folder / "spool").mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    places = {
        "queue_directory": "{folder}/spool",
        "data_directory": "{folder}/data",
        "maillog_file": "{folder}/mail.log",
        "maillog_file_prefixes": "{folder}",
    }
    lines = [f"{key} = {value}" for key, value in {**_MAIN, **places, **settings}.items()]
    (folder / "main.cf").write_text("\n".join(lines).replace("{folder}", str(folder)) + "\n")
    (folder / "master.cf").write_text(_MASTER)
    for name, content in files.items():
        file = folder / name
        file.touch(0o600)
        file.write_text(content)


async def _start(folder: Path) -> asyncio.subprocess.Process:
    """In the foreground, so that it is a child that conftest can kill; return once its smtpd listens."""
    await run("postfix", "-c", str(folder), "check")
    process = await asyncio.create_subprocess_exec(
        *(str(DAEMONS / "master"), "-c", str(folder), "-s"),
        env={**os.environ, "PATH": _PATH, "MAIL_CONFIG": str(folder), "MAIL_LOGTAG": "postfix"},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    service.STARTED.append(process)
    instance = Postfix(folder)
    while not instance.socket.exists() or "daemon started" not in instance.log:
        assert process.returncode is None, instance.log
        await asyncio.sleep(0.02)
    return process


async def _stop(folder: Path, process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()
    service.STARTED.remove(process)
