"""Reports of Exchange that a sent message was not delivered: looked for where a mailbox may be read.

`sent` means that Microsoft took a message; what it could not deliver, it reports into the mailbox later. A report is
matched by the Message-ID that it answers; where two messages have it, neither is marked.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.delivery.queue_id import first_of
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience
from pillarbox.graph.reports import reports_since
from pillarbox.store.accounts import Accounts
from pillarbox.store.returns import Returns

_BACK: Final = 86_400.0
"""Seconds of a mailbox's past that are read each time: a report is known again, and one that comes late is not lost."""
_OLDEST: Final = 3 * 86_400.0
"""Seconds after which no report about a message is expected any more: Exchange gives up after one day."""


@dataclass(frozen=True, slots=True)
class Returned:
    """Looks into the mailboxes whose mode has the right, every so many seconds."""

    accounts: Accounts
    returns: Returns
    client: GraphClient
    tokens: Tokens
    clock: Clock
    log: Logger
    every: float

    async def run(self) -> None:
        """Look, until canceled; `every` 0 looks never."""
        while self.every:
            await asyncio.sleep(self.every)
            await self.round()

    async def round(self) -> None:
        """Look into each mailbox once, one after the other."""
        try:
            mailboxes = [one for one in await self.accounts.mailboxes() if one.can_look_up]
        except PillarboxError as error:
            self.log.error("store.unusable", where="returned", code=error.code, reason=error.sentence)
            return
        for mailbox in mailboxes:
            try:
                await self._read(mailbox)
            except PillarboxError as error:
                self.log.info("mailbox.not_read", mailbox=mailbox.address, code=error.code, reason=error.sentence)
            except Exception:
                self.log.exception("unexpected", where=f"reports in {mailbox.address}")

    async def _read(self, mailbox: Mailbox) -> None:
        now = self.clock()
        patience = Patience(self.clock, asyncio.sleep, 0.0)
        token = self.tokens.source(mailbox)
        found = reports_since(self.client, mailbox.address, now - _BACK, token, patience)
        reports = {report.about: report.subject async for report in found}
        if not reports:
            return
        rows = await self.returns.sent(mailbox.id, reports, first_of(now - _OLDEST))
        times = Counter(row["message_id"] for row in rows)
        for row in rows:
            text = reports[row["message_id"]]
            if times[row["message_id"]] == 1 and await self.returns.bounced(row["id"], text):
                self.log.warning("mail.returned", id=row["id"], mailbox=mailbox.address, reason=text)
