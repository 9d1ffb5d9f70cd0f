"""What the SMTP and IMAP sides of Exchange have in common: the world, the clock, the fault rules, the host's name."""

import asyncio
import contextlib
import ssl
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pillarbox.emulator.entra.tokens import Tokens
from pillarbox.emulator.faults import Fault, Faults, Traits
from pillarbox.emulator.gaps import Gaps
from pillarbox.emulator.ledger import Ledger
from pillarbox.emulator.world import Clock, World

Protocol = Literal["SMTP", "IMAP"]
HOST = "XX0PR01CA0001.outlook.office365.com"
"""The name of the machine that greets, in the shape of Microsoft's."""
BACKEND = "XX0PR01MB0001.prod.outlook.com"
"""The name of the mailbox server behind it."""
HOSTS: dict[Protocol, str] = {"SMTP": "smtp.office365.com", "IMAP": "outlook.office365.com"}
"""What clients of the real service connect to: fault rules see these hosts."""
SMTP_IDLE, IMAP_IDLE = 300.0, 1800.0


@dataclass
class Site:
    """Everything that a connection needs; `smtp_idle` and `imap_idle` are in seconds, `max_connections` holds for
    each protocol, whoever it is.

    `submitting` counts, by user id, the connections that hand in mail now.
    """

    world: World
    tokens: Tokens
    ledger: Ledger
    faults: Faults
    gaps: Gaps
    clock: Clock
    tls: ssl.SSLContext
    smtp_idle: float = SMTP_IDLE
    imap_idle: float = IMAP_IDLE
    max_connections: int = 500
    submitting: Counter[str] = field(default_factory=Counter)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def trace(self) -> str:
        """What stands at the end of many replies: `[host date id]`."""
        when = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        return f"[{HOST} {when}Z {self.world.entropy(8).hex().upper()}]"

    def hit(self, protocol: Protocol, command: str, user: str | None = None, app: str | None = None) -> Fault | None:
        """Count a command, and find the fault rule that strikes it; `user` is an address of the mailbox."""
        self.ledger.requests[f"{protocol} {command}"] += 1
        if not self.faults:
            return None
        traits = Traits(protocol, HOSTS[protocol], command, self._names(user) if user else frozenset(), app)
        return self.faults.hit(traits)

    async def prepare(self, fault: Fault) -> None:
        """Do what a rule does before its answer: wait, revoke tokens."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(fault.delay):
                await self.stopping.wait()
        if fault.revoke_tokens:
            self.tokens.revoke_all()

    def _names(self, user: str) -> frozenset[str]:
        found = self.world.user(user)
        known = [found[1].id, *found[1].addresses] if found else []
        return frozenset(name.casefold() for name in (user, *known))
