"""A gateway before an emulator, both in processes of their own: as many mailboxes as were asked for, limits lifted."""

import asyncio
import contextlib
import json
import ssl
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bench.processes import LIFTED, Process, running
from pillarbox.cli.local import Api

_LOOK: Final = 0.05
"""Seconds between two looks into the emulator's ledger."""
_SEED: Final = """
[[tenant]]
domain = "contoso.example"
[[tenant.user]]
address = "bob"
[[tenant.app]]
name = "bench"
roles = ["Mail.Send", "Mail.ReadWrite"]
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured: `senders` may all be used with `login` at the gateway's SMTP door."""

    gateway: Process
    emulator: Process
    api: Api
    senders: list[str]
    login: tuple[str, str]

    async def arrived(self) -> int:
        """Messages that the emulator has taken so far."""
        context = ssl.create_default_context(cafile=self.emulator.ready["ca_file"])

        def ask() -> int:
            with urllib.request.urlopen(f"{self.emulator.ready['url']}/_emulator/stats", context=context) as answer:
                return int(json.load(answer)["accepted"])

        return await asyncio.to_thread(ask)

    async def all_arrived(self, goal: int) -> float:
        """Until so many have arrived; the time of `perf_counter` then."""
        while await self.arrived() < goal:  # noqa: ASYNC110 - another process, which is not to be disturbed more
            await asyncio.sleep(_LOOK)
        return time.perf_counter()

    async def choose(self, assurance: str) -> None:
        """Every mailbox sends in this mode from now on."""
        for sender in self.senders:
            await asyncio.to_thread(self.api.patch, f"/api/v1/mailboxes/{sender}", {"assurance": assurance})


@contextlib.asynccontextmanager
async def started(
    mailboxes: int, *, settings: Mapping[str, str] = MappingProxyType({}), answer_after: float = 0.0
) -> AsyncIterator[Bench]:
    """Both, with the app registration, the mailboxes and the submitter `bench`.

    `settings` are further environment variables of the gateway; Graph takes `answer_after` seconds for a message.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        senders = [f"box{number}@contoso.example" for number in range(mailboxes)]
        command = ["pillarbox", "emulator", "--json", "--discard", *_world(folder, senders, answer_after)]
        async with running(command, {}, folder / "emulator.log") as emulator:
            environ = {**_environ(folder, emulator.ready), **settings}
            async with running(["pillarbox", "serve", "--json"], environ, folder / "gateway.log") as gateway:
                api = Api(Path(environ["PILLARBOX_SOCKET"]), None, ())
                login = await asyncio.to_thread(_furnish, api, emulator.ready, senders)
                yield Bench(gateway, emulator, api, senders, login)


def _world(folder: Path, senders: list[str], answer_after: float) -> list[str]:
    seed, faults = folder / "seed.toml", folder / "faults.toml"
    seed.write_text(_SEED + "".join(f'[[tenant.user]]\naddress = "{sender}"\n' for sender in senders))
    slow = f'[[fault]]\npath = "/sendMail"\nmethod = "POST"\ndelay = {answer_after}\n'
    faults.write_text(slow if answer_after else "")
    return ["--seed", str(seed), *(["--faults", str(faults)] if answer_after else [])]


def _environ(folder: Path, ready: Any) -> dict[str, str]:
    return {
        "PILLARBOX_STATE_DIR": str(folder / "state"),
        "PILLARBOX_SOCKET": str(folder / "run" / "api.sock"),
        "PILLARBOX_SMTP__LISTEN": "127.0.0.1:0",
        "PILLARBOX_MICROSOFT__CLOUD": "custom",
        "PILLARBOX_MICROSOFT__AUTHORITY_URL": ready["url"],
        "PILLARBOX_MICROSOFT__GRAPH_URL": ready["url"],
        "PILLARBOX_MICROSOFT__CA_FILE": ready["ca_file"],
        **LIFTED,
    }


def _furnish(api: Api, ready: Any, senders: list[str]) -> tuple[str, str]:
    app = ready["apps"][0]
    new = {"name": "bench", "tenant_id": ready["tenant_id"], **{k: app[k] for k in ("client_id", "client_secret")}}
    api.post("/api/v1/apps", new)
    for address in senders:
        api.post("/api/v1/mailboxes", {"address": address, "app": "bench"})
    return "bench", api.post("/api/v1/submitters", {"name": "bench", "mailboxes": senders})["password"]
