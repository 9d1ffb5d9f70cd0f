"""The emulator as a process of its own: start, seed, announce, run until told to stop, leave nothing behind."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pillarbox.emulator.seed import DOMAIN, Seed, seed
from pillarbox.emulator.server import Emulator


async def serve(listen: str, directory: Path, *, announce: Callable[[str], None], as_json: bool, discard: bool) -> None:
    """Run a seeded emulator until SIGTERM or SIGINT.

    `listen` is `host:port` (`127.0.0.1:0`, `[::1]:8443`), `directory` gets the CA file, `announce` is called once when
    all is ready: with one JSON line, or with a table for people. `discard` keeps no mails. A bad `listen` is a
    ValueError, a port in use an OSError.
    """
    host, port = parse_listen(listen)
    emulator = Emulator(directory, keep_bytes=not discard)
    planted = seed(emulator.world)
    stop = asyncio.Event()
    with _signals(stop):
        try:
            await emulator.start(host, port)
            facts = ready_facts(emulator, planted)
            announce(json.dumps(facts) if as_json else table(facts))
            await stop.wait()
        finally:
            await emulator.stop()


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`; IPv6 hosts in brackets."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"not host:port: {listen}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def ready_facts(emulator: Emulator, planted: Seed) -> dict[str, Any]:
    """What a client must know to use a seeded emulator, secrets included: they are worth nothing elsewhere."""
    return {
        "event": "ready",
        "url": emulator.url,
        "authority": f"{emulator.url}/{planted.tenant.id}",
        "graph": f"{emulator.url}/v1.0",
        "ca_file": str(emulator.ca_file),
        "tenant_id": planted.tenant.id,
        "domain": DOMAIN,
        "apps": [
            {
                "name": app.name,
                "client_id": app.client_id,
                "client_secret": planted.secrets.get(app.client_id),
                "roles": app.consented,
            }
            for app in planted.apps
        ],
        "users": [user.upn for user in planted.tenant.users.values()],
    }


def table(facts: dict[str, Any]) -> str:
    """The same facts for people."""
    rows = [(name, facts[name]) for name in ("url", "authority", "graph", "ca_file", "tenant_id", "domain")]
    for app in facts["apps"]:
        rows += [("", ""), ("app", f"{app['name']} ({', '.join(app['roles']) or 'no consent'})")]
        rows += [("client_id", app["client_id"]), ("client_secret", app["client_secret"] or "none: a public client")]
    rows += [("", ""), *(("user", upn) for upn in facts["users"])]
    return "\n".join(f"{name:14}{value}".rstrip() for name, value in rows)


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
