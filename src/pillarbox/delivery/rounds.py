"""Rounds over the mailboxes, to read what Exchange tells of mail that was sent: its reports, its message trace."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.delivery.governor import Governors
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience
from pillarbox.store.accounts import Accounts
from pillarbox.store.returns import Returns

_WITHIN: Final = 300.0
"""Seconds for one mailbox; what is left waits for the next round."""

Read: TypeAlias = Callable[[], Awaitable[None]]
"""Reads what there is for one mailbox. Raises PillarboxError."""


@dataclass(frozen=True, slots=True)
class Rounds(ABC):
    """Reads for one mailbox after the other, every so many seconds; `every` 0 reads never."""

    accounts: Accounts
    returns: Returns
    client: GraphClient
    tokens: Tokens
    governors: Governors
    clock: Clock
    log: Logger
    every: float

    async def run(self) -> None:
        """Go round until canceled."""
        while self.every:
            await asyncio.sleep(self.every)
            await self.round()

    async def round(self) -> None:
        """Read for each mailbox once; not for one for which nothing is sent now."""
        where = type(self).__name__.lower()
        try:
            reads = await self._reads(await self.accounts.mailboxes())
        except PillarboxError as error:
            self.log.error("store.unusable", where=where, code=error.code, reason=error.sentence)
            return
        for mailbox, read in reads:
            if self.governors.paused(mailbox):
                continue
            try:
                async with asyncio.timeout(_WITHIN):
                    await read()
            except TimeoutError:
                # Its own mail takes all there is: the next round tries again.
                continue
            except PillarboxError as error:
                self._not_read(mailbox, error)
            except Exception:
                self.log.exception("unexpected", where=f"{where} of {mailbox.address}")

    @property
    def _patience(self) -> Patience:
        return Patience(self.clock, asyncio.sleep, 0.0)

    @abstractmethod
    async def _reads(self, mailboxes: Sequence[Mailbox]) -> Sequence[tuple[Mailbox, Read]]:
        """What is to be read, for which of these mailboxes. Raises Unavailable."""

    @abstractmethod
    def _not_read(self, mailbox: Mailbox, error: PillarboxError) -> None:
        """It could not be read for a mailbox: say so."""
