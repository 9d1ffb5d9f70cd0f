"""SMTP in, durable, Graph out to the emulator: sent messages a second, and the gateway's CPU per message."""

import asyncio
import json
import ssl
import statistics
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import Job
from bench.processes import LIFTED, Process, met, running, spread, submit
from bench.smtp import CONNECTIONS, FULL
from pillarbox.cli.local import Api

USERS = ("alice", "bob", "carol", "scanner", "erp", "helpdesk")
AIM = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """One round."""

    rate: float
    gateway_ms: float
    emulator_core: float
    load_core: float


async def run(rounds: int, messages: int) -> None:
    """Print the figures."""
    setup = f"{CONNECTIONS} kept connections, {len(USERS)} mailboxes x 3, {rounds} x {messages} messages"
    print(f"end to end: 10 KB mails, {setup}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with running(["pillarbox", "emulator", "--json", "--discard"], {}, folder / "emulator.log") as emulator:
            environ = _environ(folder, emulator.ready)
            async with running(["pillarbox", "serve", "--json"], environ, folder / "gateway.log") as gateway:
                api = Api(Path(environ["PILLARBOX_SOCKET"]), None, ())
                login = await asyncio.to_thread(_furnish, api, emulator.ready)
                await _round(gateway, emulator, login, 300)
                results = [await _round(gateway, emulator, login, messages) for _ in range(rounds)]
    emulator_core = statistics.median(result.emulator_core for result in results)
    load_core = statistics.median(result.load_core for result in results)
    shown = max(emulator_core, load_core) < FULL
    rate = spread([result.rate for result in results], 0) if shown else "not shown (emulator or load generator full)"
    per_message = [result.gateway_ms for result in results]
    good = met(statistics.median(per_message) <= AIM)
    own_core = statistics.median(result.rate * result.gateway_ms / 1000 for result in results)
    cores = f"gateway {own_core:.0%}, emulator {emulator_core:.0%}, load generator {load_core:.0%} of a core"
    print(f"  sent/s {rate}   {cores}")
    print(f"  gateway CPU ms/message {spread(per_message, 3)}   aim <= {AIM}: {good}")


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


def _furnish(api: Api, ready: Any) -> tuple[str, str]:
    app = ready["apps"][0]
    new = {"name": "bench", "tenant_id": ready["tenant_id"], **{k: app[k] for k in ("client_id", "client_secret")}}
    api.post("/api/v1/apps", new)
    addresses = [f"{user}@contoso.example" for user in USERS]
    for address in addresses:
        api.post("/api/v1/mailboxes", {"address": address, "app": "bench"})
    return "bench", api.post("/api/v1/submitters", {"name": "bench", "mailboxes": addresses})["password"]


async def _round(gateway: Process, emulator: Process, login: tuple[str, str], messages: int) -> Result:
    senders = [f"{user}@contoso.example" for user in USERS]
    goal = await _arrived(emulator) + messages
    began, before, emulator_before = time.perf_counter(), gateway.cpu(), emulator.cpu()
    load = await submit(Job(gateway.ready["smtp"], senders, messages, CONNECTIONS, login))
    while await _arrived(emulator) < goal:  # noqa: ASYNC110 - another process, which is not to be disturbed more
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - began
    await asyncio.sleep(0.3)
    return Result(
        rate=messages / seconds,
        gateway_ms=(gateway.cpu() - before) / messages * 1000,
        emulator_core=(emulator.cpu() - emulator_before) / seconds,
        load_core=load.own_core,
    )


async def _arrived(emulator: Process) -> int:
    context = ssl.create_default_context(cafile=emulator.ready["ca_file"])

    def ask() -> int:
        with urllib.request.urlopen(f"{emulator.ready['url']}/_emulator/stats", context=context) as answer:
            return int(json.load(answer)["accepted"])

    return await asyncio.to_thread(ask)
