"""`pillarbox serve` as a process of its own, for tests that stop it, kill it, or talk to it by commands."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pillarbox.cli.local import Api

STARTED: list[asyncio.subprocess.Process] = []
"""Services that a test has started; what it did not end is killed after it (conftest)."""


LIFTED = {f"limits.{name}": "0" for name in ("messages", "recipients", "bytes", "requests")}
"""Microsoft's limits are for tests that are about them."""

_DIES_WITH_US: Final = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Becomes the program that follows, which Linux kills when the tests are killed themselves."""


def kill_what_is_left() -> None:
    """Kill the services, and what they run under, that a failed test has left."""
    while STARTED:
        process = STARTED.pop()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Service:
    """A running service: what it said when it was ready, and its log, line by line."""

    process: asyncio.subprocess.Process
    ready: Mapping[str, Any]
    lines: list[str] = field(default_factory=list)
    _written: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, process: asyncio.subprocess.Process) -> "Service":
        """The service that a process is, once it has said that it is ready."""
        STARTED.append(process)
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        service = cls(process, json.loads(line))
        service._reading = asyncio.create_task(service.read_log())
        return service

    @property
    def api(self) -> Api:
        """Its API on the local socket. Blocking: call it in a thread."""
        return Api(Path(self.ready["socket"]), None, ())

    async def logged(self, wanted: Callable[[list[str]], bool]) -> None:
        """Until the log satisfies `wanted`."""
        async with self._written:
            await self._written.wait_for(lambda: wanted(self.lines))

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end; the exit code."""
        # Its own process id: it may run under another program.
        os.kill(self.ready["pid"], number)
        code = await self.process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def read_log(self) -> None:
        """Read the log until the process ends."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            await self.heard(line)

    async def heard(self, line: bytes) -> None:
        """One line of the log, for all who wait for it."""
        async with self._written:
            self.lines.append(line.decode().rstrip())
            self._written.notify_all()


async def serve(
    folder: Path, settings: Mapping[str, str], environ: Mapping[str, str] | None = None, *, under: Sequence[str] = ()
) -> Service:
    """Start `pillarbox serve` in `folder` with free ports, perhaps `under` another program; return when it is ready."""
    base = {
        "state_dir": str(folder / "state"),
        "socket": str(folder / "run" / "api.sock"),
        "smtp.listen": "127.0.0.1:0",
        "http.listen": "127.0.0.1:0",
        **LIFTED,
    }
    flags = [word for key, value in {**base, **settings}.items() for word in ("--set", f"{key}={value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-ISc", _DIES_WITH_US),
        *(*under, sys.executable, "-m", "pillarbox", "serve", "--json", *flags),
        env={**os.environ, **(environ or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    return await Service.of(process)


async def pillarbox(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pillarbox", *arguments),
        env={**os.environ, **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def furnish(service: Service, tenant_id: str, client_id: str, secret: str, *addresses: str) -> str:
    """An app registration, mailboxes and the submitter `printer`, by the API; its password."""
    new = {"name": "contoso", "tenant_id": tenant_id, "client_id": client_id, "client_secret": secret}
    service.api.post("/api/v1/apps", new)
    for address in addresses:
        service.api.post("/api/v1/mailboxes", {"address": address, "app": "contoso"})
    made = service.api.post("/api/v1/submitters", {"name": "printer", "mailboxes": list(addresses)})
    return str(made["password"])
