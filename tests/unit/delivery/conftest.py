"""A store with two mailboxes, a clock that tests set, and a log that can be waited on."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.clock import Watched
from pillarbox.core.content import InMemory
from pillarbox.core.governor import Limits
from pillarbox.core.log import Logger, make_logger
from pillarbox.core.mail import Envelope
from pillarbox.core.vault import Secret, Vault
from pillarbox.delivery.backlog import Backlog
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.rates import Rates
from pillarbox.delivery.submission import Submission
from pillarbox.delivery.window import Window
from pillarbox.store.accounts import Accounts
from pillarbox.store.limits import LimitStore
from pillarbox.store.messages import Claimed, NewMessage
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import Log

NO_LIMITS = Limits()
NOON = 1_795_176_000.0  # 2026-11-20 12:00:00 UTC
TO_A = InMemory(b"To: a@x.example\r\n\r\n")
ENVELOPE = Envelope("one@contoso.example", ("a@x.example",))


@dataclass
class Shelf:
    """A store, and what works on it."""

    database: SqliteDatabase
    mailboxes: list[Mailbox] = field(default_factory=list)
    now: float = NOON
    full: bool = False
    """Whether the store takes nothing more."""
    lines: Log = field(default_factory=Log)
    steady: float | None = None
    """The seconds of a clock that nobody sets; None: as many as the clock says."""
    running: float = 0.0
    """Seconds of the clock that nobody sets."""
    woken: list[int] = field(default_factory=list)
    wake: Callable[[int], None] = lambda _mailbox_id: None
    used: list[str] = field(default_factory=list)
    hosts: tuple[str, ...] = ("graph",)
    """Where the mail of each mailbox goes, mostly to the first."""

    def __post_init__(self) -> None:
        self.clock = Watched(lambda: self.now, lambda: self.now if self.steady is None else self.steady)
        self.accounts = Accounts(self.database, Vault(bytes(32)), self.clock)
        self.outbox = Outbox(self.database, self.clock)
        self.log: Logger = make_logger(self.lines, "debug", "text", self.clock)

    @property
    def submitter(self) -> Submitter:
        """One that may use every mailbox, and need not write From."""
        return Submitter(1, "printer", {box.address: box for box in self.mailboxes}, fix_from=True)

    def submission(self, *, backlog: tuple[int, int] = (1000, 10**9), **more: Any) -> Submission:
        """The way in, as the gateway makes it; `backlog` is messages and bytes."""
        parts: dict[str, Any] = {
            "outbox": self.outbox,
            "mailbox_of": self.accounts.ensure_mailbox,
            "wake": self.woken.append,
            "used": lambda submitter: self.used.append(submitter.name),
            "rates": Rates(self.clock),
            "backlog": Backlog(self.outbox.waiting, self.clock, *backlog),
            "window": Window(self.outbox, self.clock, lambda: self.running),
            "clock": self.clock,
            "random": os.urandom,
            "log": self.log,
            "max_recipients": 2,
        }
        return Submission(**parts | more)

    def governors(self, mailbox: Limits = NO_LIMITS, app: Limits = NO_LIMITS) -> Governors:
        """Those of all mailboxes; whom they wake says `wake`."""
        limits = LimitStore(self.database, self.clock)
        return Governors(limits, self.clock, self.log, lambda one: self.wake(one), mailbox, app, lambda _: self.hosts)

    async def stored(self, queue_id: str) -> bytes:
        """The bytes of a message as they lie in the outbox."""
        row = await self.outbox.get(queue_id)
        assert row is not None
        (rest,) = await self.outbox.claim(row["mailbox_id"], 1)
        assert rest.id == queue_id
        return b"".join([piece async for piece in self.outbox.body(rest)])

    async def put(self, *ids: str, mailbox: int = 0, **more: Any) -> None:
        """Messages in the outbox."""
        for one in ids:
            box = self.mailboxes[mailbox].id
            await self.outbox.enqueue(
                NewMessage(one, box, "printer", ENVELOPE, f"<{one}@x>", TO_A.size, TO_A.pieces, **more)
            )

    async def state(self, queue_id: str) -> str:
        row = await self.outbox.get(queue_id)
        assert row is not None
        return str(row["state"])

    async def claimed(self, mailbox: int = 0) -> Claimed:
        """The next message, claimed."""
        (message,) = await self.outbox.claim(self.mailboxes[mailbox].id, 1)
        return message


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(await open_sqlite(tmp_path / "store.db", on_death=print))
    app = await made.accounts.add_app("contoso", "t", "c", Secret("s"))
    assert app is not None
    for name in ("one", "two"):
        added = await made.accounts.add_mailbox(f"{name}@contoso.example", app)
        assert added is not None
        made.mailboxes.append(added)
    yield made
    await made.database.close()
