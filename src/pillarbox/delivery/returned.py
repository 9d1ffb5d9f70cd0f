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
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.queue_id import first_of
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience
from pillarbox.graph.reports import DeliveryReport, came_since, details, reports
from pillarbox.store.accounts import Accounts
from pillarbox.store.returns import Returns

_BACK: Final = 86_400.0
"""Seconds of a mailbox's past that are read each time: a report is known again, and one that comes late is not lost."""
_OLDEST: Final = 3 * 86_400.0
"""Seconds after which no report about a message is expected any more: Exchange gives up after one day."""
_MOST_PAGES: Final = 20
_WITHIN: Final = 300.0
"""Seconds for one mailbox; what is left waits for the next round."""


@dataclass(frozen=True, slots=True)
class Returned:
    """Looks into the mailboxes whose mode has the right, every so many seconds."""

    accounts: Accounts
    returns: Returns
    client: GraphClient
    tokens: Tokens
    governors: Governors
    clock: Clock
    log: Logger
    every: float

    async def run(self) -> None:
        """Look, until canceled; `every` 0 looks never."""
        while self.every:
            await asyncio.sleep(self.every)
            await self.round()

    async def round(self) -> None:
        """Look into each mailbox once, one after the other; not into one for which nothing is sent now."""
        try:
            mailboxes = [one for one in await self.accounts.mailboxes() if one.can_look_up]
        except PillarboxError as error:
            self.log.error("store.unusable", where="returned", code=error.code, reason=error.sentence)
            return
        for mailbox in mailboxes:
            if self.governors.paused(mailbox):
                continue
            try:
                async with asyncio.timeout(_WITHIN):
                    await self._read(mailbox)
            except TimeoutError:
                # Its own mail takes all there is: the next round tries again.
                continue
            except PillarboxError as error:
                self.log.info("mailbox.not_read", mailbox=mailbox.address, code=error.code, reason=error.sentence)
            except Exception:
                self.log.exception("unexpected", where=f"reports in {mailbox.address}")

    async def _read(self, mailbox: Mailbox) -> None:
        now = self.clock()
        found = await self._reports(mailbox, now - _BACK)
        if not found:
            return
        rows = await self.returns.sent(mailbox.id, found, first_of(now - _OLDEST))
        times = Counter(row["message_id"] for row in rows)
        for row in rows:
            if times[row["message_id"]] == 1 and row["delivery"] != "bounced":
                report = found[row["message_id"]]
                text = report.subject
                if said := await self._details(mailbox, report):
                    text = f"{text} ({said})"
                if await self.returns.bounced(row["id"], text):
                    self.log.warning("mail.returned", id=row["id"], mailbox=mailbox.address, reason=text)

    async def _reports(self, mailbox: Mailbox, since: float) -> dict[str, DeliveryReport]:
        """The reports that came since then, at most those among 2,000 messages, by what they are about."""
        patience, token = Patience(self.clock, asyncio.sleep, 0.0), self.tokens.source(mailbox)
        found: dict[str, DeliveryReport] = {}
        path: str | None = came_since(mailbox.address, since)
        for _ in range(_MOST_PAGES):
            if path is None:
                break
            async with self.governors.request(mailbox):
                some, path = await reports(self.client, path, token, patience)
            found |= {report.about: report for report in some}
        return found

    async def _details(self, mailbox: Mailbox, report: DeliveryReport) -> str:
        """What it says of each recipient, where the right to read mail is there too."""
        async with self.governors.request(mailbox):
            return await details(self.client, mailbox.address, report, self.tokens.source(mailbox))
