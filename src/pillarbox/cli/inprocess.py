"""One call of the API over the store in this process, for when no service runs."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pillarbox.core.errors import PillarboxError
from pillarbox.core.settings import Settings
from pillarbox.endpoints.api import inside
from pillarbox.endpoints.api.audited import UID
from pillarbox.endpoints.api.doctor import DiagnosisOut, Facts
from pillarbox.gateway import STORE, Gateway


def has_store(settings: Settings) -> bool:
    """Whether there is a store to look into."""
    # Not Path.exists: a folder that we may not look into holds no store of ours.
    return os.path.exists(settings.state_dir / STORE)


def ask(
    settings: Settings,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    heard: Callable[[bytes], None] | None = None,
) -> tuple[int, bytes]:
    """Open the store, make the call, close the store; `heard` is told each line of the answer as it comes.

    Raises ConfigError, or Unavailable `store.in_use`.
    """
    return asyncio.run(_ask(settings, method, path, body, headers, heard))


def examine(settings: Settings, why: PillarboxError) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the doctor finds where the store cannot be opened, as `why` says, and the facts beside it."""
    gateway = Gateway(_quiet(settings), os.environ, log_file=sys.stderr)
    diagnosis = asyncio.run(gateway.examine_without_store(why))
    return DiagnosisOut.of(diagnosis).model_dump(), Facts.of(settings, {}).model_dump()


async def _ask(
    settings: Settings,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    heard: Callable[[bytes], None] | None,
) -> tuple[int, bytes]:
    gateway = Gateway(_quiet(settings), os.environ, log_file=sys.stderr)
    await gateway.open()
    # Nothing happens meanwhile, as this process alone has the store: who waited would only keep others out.
    gateway.watch.stop()
    try:
        # Who may open the store may open its socket.
        answer = await inside.begin(gateway.local_api, method, path, body, headers.items(), {UID: os.getuid()})
        if heard is None or answer.status >= 400:
            return answer.status, b"".join([piece async for piece in answer.pieces()])
        async for line in answer.lines():
            heard(line)
        return answer.status, b""
    finally:
        await gateway.stop()


def _quiet(settings: Settings) -> Settings:
    # The command prints its result; a log line on the terminal beside it would only repeat it.
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "error"})})
