"""The gateway with nothing behind it: `python -m bench.door pillarbox|aiosmtpd discard|digest|stay FOLDER`.

Everything between the socket and the transport is the real one: the door with AUTH, header scan and policy, the outbox
with its group commit, the worker with its states. Only the transport is a stand-in. `aiosmtpd`: its engine before the
same passwords, accept and outbox; only the engine differs.

The settings come from the environment. A number on the standard input is answered, once so many messages have left and
their state is on the disk, by what the transport has seen.
"""

import asyncio
import hashlib
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import uvloop

from pillarbox.core import settings
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.transports import KeepDraft, Look, Report
from pillarbox.gateway import Gateway
from pillarbox.store.messages import Claimed


class Discard:
    """A transport that reads each message and says at once what Graph says: 202."""

    def __init__(self) -> None:
        self.bytes = 0

    async def ready(self, mailbox: Mailbox) -> None:
        """Nothing is needed."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """Read it to its end."""
        async for piece in body:
            self.bytes += len(piece)
        return Report(Outcome(Cause.ACCEPTED, http_status=202))

    async def look_up(self, message: Claimed) -> Look:
        """Nothing is ever uncertain."""
        raise NotImplementedError

    def seen(self) -> Mapping[str, Any]:
        """What came by."""
        return {"bytes": self.bytes}


class Digest(Discard):
    """The same, and counts the messages by the SHA-256 of what stands behind their first empty line."""

    def __init__(self) -> None:
        super().__init__()
        self._digests: dict[str, int] = {}

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """Read it to its end."""
        digest, head, in_head = hashlib.sha256(), b"", True
        async for piece in body:
            self.bytes += len(piece)
            if in_head:
                head, found, piece = (head + piece).partition(b"\r\n\r\n")
                in_head = not found
            digest.update(piece)
        self._digests[digest.hexdigest()] = self._digests.get(digest.hexdigest(), 0) + 1
        return Report(Outcome(Cause.ACCEPTED, http_status=202))

    def seen(self) -> Mapping[str, Any]:
        """What came by."""
        return {"bytes": self.bytes, "digests": self._digests}


class Stay(Discard):
    """Never ready: what was accepted stays in the outbox."""

    async def ready(self, mailbox: Mailbox) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


TRANSPORTS = {"discard": Discard, "digest": Digest, "stay": Stay}


async def main() -> None:
    """Serve until SIGTERM."""
    kind, way, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    flags = {
        "state_dir": str(folder / "state"),
        "socket": str(folder / "api.sock"),
        "smtp.listen": "127.0.0.1:0",
        "http.listen": "",
        "delivery.stop_timeout": "0.1" if way == "stay" else "30",
    }
    transport = TRANSPORTS[way]()
    gateway = Gateway(settings.load(None, os.environ, flags), os.environ, transport=transport)
    await gateway.open()
    await gateway.start()
    address = gateway.smtp_address
    if kind == "aiosmtpd":
        from bench.door_aiosmtpd import listen  # what is measured without it shall not have it in memory

        address = await listen(gateway)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"smtp": address, "socket": flags["socket"], "pid": os.getpid()}), flush=True)
    answering = asyncio.create_task(_answer(gateway, transport))
    await stop.wait()
    answering.cancel()
    await gateway.stop()


async def _answer(gateway: Gateway, transport: Discard) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        wanted = int(line)
        while gateway.worker().sent < wanted:  # noqa: ASYNC110 - the worker is not to be burdened with telling
            await asyncio.sleep(0.02)
        print(json.dumps(transport.seen()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
