"""One call of the API over the store in this process, for when no service runs: ASGI without a network."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from pillarbox.core.errors import PillarboxError
from pillarbox.core.settings import Settings
from pillarbox.endpoints.api.audited import UID
from pillarbox.endpoints.api.doctor import DiagnosisOut, Facts
from pillarbox.gateway import STORE, Gateway


def has_store(settings: Settings) -> bool:
    """Whether there is a store to look into."""
    # Not Path.exists: a folder that we may not look into holds no store of ours.
    return os.path.exists(settings.state_dir / STORE)


def ask(settings: Settings, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Open the store, make the call, close the store. Raises ConfigError, or Unavailable `store.in_use`."""
    return asyncio.run(_ask(settings, method, path, body, headers))


def examine(settings: Settings, why: PillarboxError) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the doctor finds where the store cannot be opened, as `why` says, and the facts beside it."""
    gateway = Gateway(_quiet(settings), os.environ, log_file=sys.stderr)
    diagnosis = asyncio.run(gateway.examine_without_store(why))
    return DiagnosisOut.of(diagnosis).model_dump(), Facts.of(settings, {}).model_dump()


async def _ask(
    settings: Settings, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    gateway = Gateway(_quiet(settings), os.environ, log_file=sys.stderr)
    await gateway.open()
    # Nothing happens meanwhile, as this process alone has the store: who waited would only keep others out.
    gateway.watch.stop()
    try:
        return await _asgi(gateway, method, path, body, headers)
    finally:
        await gateway.stop()


def _quiet(settings: Settings) -> Settings:
    # The command prints its result; a log line on the terminal beside it would only repeat it.
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "error"})})


async def _asgi(gateway: Gateway, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": ("pillarbox", None),
        UID: os.getuid(),
    }
    status, pieces = 500, []

    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        # Whoever asks stays for the answer.
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        pieces.append(message.get("body", b""))

    await gateway.local_api(scope, receive, send)
    return status, b"".join(pieces)
