"""One store, and the gateways that live and die on it one after the other (`dying`)."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pillarbox.emulator import App
from tests import service
from tests.conftest import Microsoft
from tests.faults.dying import ARMED
from tests.service import LIFTED, Service

ROLES = {
    "send-only": ("Mail.Send",),
    "verify": ("Mail.Send", "Mail.ReadBasic.All"),
    "draft": ("Mail.Send", "Mail.ReadWrite"),
}
"""The application permissions of each assurance mode."""
ROOT = Path(__file__).parents[2]
NOWHERE = "nowhere"
"""The point of a life that does not end by itself."""
UNFINISHED = ("queued", "sending", "deferred", "uncertain")
SENDERS = [f"{name}@contoso.example" for name in ("scanner", "erp", *(f"shop{number}" for number in range(10)))]
"""Mailboxes in the tenant of `chaos`."""


class Life(Service):
    """A gateway that runs, or has ended. It is one of many of its process, which gives its log."""

    exit: asyncio.Task[int]

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end; the exit code."""
        os.kill(self.ready["pid"], number)
        return await self.exit

    async def finished(self) -> frozenset[str]:
        """Until nothing is left to do. What was struck three times and so taken for poison is let go, and returned."""
        released: set[str] = set()
        await self.idle()
        while held := await self.listed("held"):
            released.update(held)
            for queue_id in held:
                await asyncio.to_thread(self.api.post, f"/api/v1/sends/{queue_id}:retry")
            await self.idle()
        return frozenset(released)

    async def idle(self) -> None:
        """Until nothing waits to be sent or looked up."""
        while True:
            seen = len(self.lines)
            if not [one for state in UNFINISHED for one in await self.listed(state)]:
                return
            await self.logged(lambda lines, seen=seen: len(lines) > seen)  # type: ignore[misc]

    async def listed(self, state: str) -> list[str]:
        """The queue ids of the newest hundred that are in a state."""
        page = await asyncio.to_thread(self.api.get, "/api/v1/sends", state=state, limit=100)
        return [message["id"] for message in page["data"]]

    async def arm(self) -> None:
        """It dies at its point from now on."""
        os.kill(self.ready["pid"], signal.SIGUSR1)
        await self.logged(lambda lines: ARMED in lines)


@dataclass
class Lives:
    """Makes one life after the other in `folder`, all with the same settings; their time may run faster than ours."""

    folder: Path
    microsoft: Microsoft
    settings: Mapping[str, str] = field(default_factory=dict)
    speed: float = 1.0
    _began: float = field(default_factory=time.time)
    _process: asyncio.subprocess.Process | None = None
    _life: Life | None = None
    _reading: asyncio.Task[None] | None = None

    async def begin(self, point: str = NOWHERE, *, only: str = "", armed: bool = False) -> Life:
        """The next one, once it is ready. It dies at `point` when it is armed."""
        life = await self.conceive(point, only=only, armed=armed)
        assert life is not None, self._life and self._life.lines
        return life

    async def conceive(self, point: str = NOWHERE, *, only: str = "", armed: bool = False) -> Life | None:
        """As `begin`; None where it ended before it was ready."""
        process = await self._started()
        assert process.stdin is not None
        order: dict[str, Any] = {"settings": self._all_settings, "point": point, "only": only, "armed": armed}
        order |= {"speed": self.speed, "began": self._began, "jumps": str(self._jumps)}
        # What the last one wrote has been written: from here on the log is this one's.
        life = self._life = Life(process, {})
        process.stdin.write(json.dumps(order).encode() + b"\n")
        told = await self._told(life)
        if "exit" in told:
            return None
        life.ready = told
        life.exit = asyncio.create_task(self._ended(life))
        return life

    async def close(self) -> None:
        """There are no more; one that still runs is killed."""
        if self._process is None or self._reading is None:
            return
        if self._life is not None and self._life.ready and not self._life.exit.done():
            with contextlib.suppress(ProcessLookupError):
                await self._life.end(signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    def jump(self, seconds: float) -> None:
        """Their clock is wrong by so much from now on."""
        written = self._jumps.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self._jumps)

    @property
    def _jumps(self) -> Path:
        return self.folder / "jumps"

    @property
    def _all_settings(self) -> dict[str, str]:
        return {
            "state_dir": str(self.folder / "state"),
            "socket": str(self.folder / "run" / "api.sock"),
            "smtp.listen": "127.0.0.1:0",
            "http.listen": "",
            **LIFTED,
            **self.microsoft.settings,
            **self.settings,
        }

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.dying"),
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            service.STARTED.append(self._process)
            self._reading = asyncio.create_task(self._read_log(self._process))
        return self._process

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            if self._life is not None:
                await self._life.heard(line)

    async def _told(self, life: Life) -> dict[str, Any]:
        assert life.process.stdout is not None
        line = await life.process.stdout.readline()
        assert line, life.lines
        return dict(json.loads(line))

    async def _ended(self, life: Life) -> int:
        return int((await self._told(life))["exit"])


async def furnish(life: Service, microsoft: Microsoft, mode: str, *addresses: str) -> str:
    """An app with the rights of the mode, mailboxes that send in it, the submitter `printer`; its password."""
    # Above it Exchange takes mail at once and is late with it, so that no look finds it. The gateway keeps below; here
    # its limits are lifted.
    microsoft.emulator.world.limits.messages_per_minute = None
    app, seed = _app(microsoft, mode), microsoft.seed
    secret = seed.secrets[app.client_id]
    password = await asyncio.to_thread(service.furnish, life, seed.tenant.id, app.client_id, secret, *addresses)
    for address in addresses:
        await asyncio.to_thread(life.api.patch, f"/api/v1/mailboxes/{address}", {"assurance": mode})
    return password


def _app(microsoft: Microsoft, mode: str) -> App:
    seed, world = microsoft.seed, microsoft.emulator.world
    app = world.add_app(f"App for {mode}", ROLES[mode], tenant=seed.tenant)
    seed.secrets[app.client_id] = world.add_secret(app)
    return app
