"""The servers that are compared, each fresh for a round: where it is, its CPU, and when its queue is empty."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from bench import postfix
from bench.processes import LIFTED, Process, running
from pillarbox.cli.local import Api
from pillarbox.core import tls

SENDERS = [f"scanner-{number}@contoso.example" for number in range(50)]
"""Each of a mailbox of its own: Graph takes four messages at once of each, and we send three."""
NO_DELIVERY = "no delivery"
NAMES = ("pillarbox", NO_DELIVERY, "aiosmtpd", "postfix")
Way = Literal["discard", "digest", "stay"]
_NOBODY = "00000000-0000-0000-0000-000000000000"
_LOGIN = ("bench", "not-used")
_ROOM = {"PILLARBOX_SMTP__MAX_BACKLOG": "1000000", **LIFTED}
_CERTIFIED_AT = 1_800_000_000


class Server(Protocol):
    """A server under measurement."""

    address: str
    login: tuple[str, str] | None

    def cpu(self) -> float:
        """CPU seconds so far, of all its processes and threads."""

    async def drained(self, messages: int) -> None:
        """Until so many messages, all that there were, have left its queue."""


@dataclass
class Door:
    """The door of bench/door.py."""

    address: str
    login: tuple[str, str] | None
    process: Process

    def cpu(self) -> float:
        """See Server."""
        return self.process.cpu()

    async def drained(self, messages: int) -> None:
        """See Server."""
        await self.seen(messages)

    async def seen(self, messages: int) -> Mapping[str, Any]:
        """What the transport has seen, once so many messages have left."""
        seen: Mapping[str, Any] = await self.process.ask(messages)
        return seen


@contextlib.asynccontextmanager
async def door(
    kind: str = "pillarbox",
    way: Way = "discard",
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
    under: Sequence[str] = (),
    by_network: bool = False,
) -> AsyncIterator[Door]:
    """The gateway with a transport that discards, with further settings as environment variables.

    The submitter `bench` may send from all SENDERS, behind a login or, `by_network`, without one.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        log = folder / "log"
        async with running(["bench.door", kind, way, name], {**_ROOM, **settings}, log, under=under) as process:
            api = Api(Path(process.ready["socket"]), None, ())
            password = await asyncio.to_thread(_furnish, api, by_network)
            yield Door(process.ready["smtp"], None if by_network else ("bench", password), process)


def _furnish(api: Api, by_network: bool) -> str:
    """An app that nobody asks for tokens, the mailboxes and the submitter; its password."""
    ids = {"tenant_id": _NOBODY, "client_id": _NOBODY.replace("0", "1"), "client_secret": "not-used"}
    api.post("/api/v1/apps", {"name": "bench", **ids})
    for address in SENDERS:
        api.post("/api/v1/mailboxes", {"address": address, "app": "bench"})
    rule = {"networks": ["127.0.0.0/8"], "no_password": True} if by_network else {}
    made = api.post("/api/v1/submitters", {"name": "bench", "mailboxes": SENDERS, **rule})
    return str(made["password"])


@dataclass
class Anchor:
    """Postfix."""

    address: str
    login: tuple[str, str] | None
    running: postfix.Postfix

    def cpu(self) -> float:
        """See Server."""
        return self.running.cpu()

    async def drained(self, messages: int) -> None:
        """See Server. Its folder says it: how many there were is not asked."""
        await self.running.drained()


@contextlib.asynccontextmanager
async def anchor(*, starttls: bool = False) -> AsyncIterator[Anchor]:
    """Postfix as in bench/postfix.py; with STARTTLS and AUTH, which it is then not used without."""
    if not starttls:
        async with postfix.running() as server:
            yield Anchor(server.address, None, server)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        certificate = tls.self_made_certificate(Path(name), "localhost", _CERTIFIED_AT)
        async with postfix.running(_LOGIN, certificate) as server:
            yield Anchor(server.address, _LOGIN, server)


def start(name: str, *, starttls: bool = False) -> contextlib.AbstractAsyncContextManager[Server]:
    """One of NAMES; NO_DELIVERY is ours with a transport that is never ready."""
    if name == "postfix":
        return anchor(starttls=starttls)
    return door("pillarbox", "stay") if name == NO_DELIVERY else door(name)
