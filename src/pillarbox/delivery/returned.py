"""Reports of Exchange that a sent message was not delivered: looked for where a mailbox may be read.

`sent` means that Microsoft took a message; what it could not deliver, it reports into the mailbox later. A report is
matched by the Message-ID that it answers; where two messages have it, neither is marked. What it tells of has to be a
failure: its own words say so, or where they may not be read its header.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.delivery.queue_id import first_of
from pillarbox.delivery.rounds import Read, Rounds
from pillarbox.graph.reports import PAGE, DeliveryReport, came_since, details, reports

_BACK: Final = 86_400.0
"""Seconds of a mailbox's past that are read at first."""
_AGAIN: Final = 7200.0
"""Seconds of it that are read again each time: what is uncertain when its report comes is `sent` by then."""
_OLDEST: Final = 3 * 86_400.0
"""Seconds after which no report about a message is expected any more: Exchange gives up after one day."""
_MOST_PAGES: Final = 20


@dataclass(frozen=True, slots=True)
class Returned(Rounds):
    """Looks into the mailboxes whose mode has the right."""

    _read_until: dict[int, float] = field(default_factory=dict, init=False)
    """Up to when an inbox was read, by mailbox."""

    async def _reads(self, mailboxes: Sequence[Mailbox]) -> Sequence[tuple[Mailbox, Read]]:
        return [(one, partial(self._read, one)) for one in mailboxes if one.can_look_up]

    def _not_read(self, mailbox: Mailbox, error: PillarboxError) -> None:
        self.log.info("mailbox.not_read", mailbox=mailbox.address, code=error.code, reason=error.sentence)

    async def _read(self, mailbox: Mailbox) -> None:
        now = self.clock()
        since = max(now - _BACK, min(self._read_until.get(mailbox.id, 0.0), now - _AGAIN))
        found, until = await self._reports(mailbox, since)
        if found:
            await self._mark(mailbox, found, now)
        # Behind the marks: what was cut off there is read again.
        self._read_until[mailbox.id] = now if until is None else until

    async def _mark(self, mailbox: Mailbox, found: Mapping[str, Sequence[DeliveryReport]], now: float) -> None:
        rows = await self.returns.sent(mailbox.id, found, first_of(now - _OLDEST))
        times = Counter(row["message_id"] for row in rows)
        for row in rows:
            if times[row["message_id"]] == 1 and row["delivery"] != "bounced":
                text = await self._failure(mailbox, found[row["message_id"]])
                if text is not None and await self.returns.bounced(row["id"], text):
                    self.log.warning("mail.returned", id=row["id"], mailbox=mailbox.address, reason=text)

    async def _failure(self, mailbox: Mailbox, found: Sequence[DeliveryReport]) -> str | None:
        """What the first of these reports says that tells of a failure; None where none does."""
        for report in found:
            said = await self._details(mailbox, report)
            if said or (said is None and report.is_ndr):
                return f"{report.subject} ({said})" if said else report.subject
        return None

    async def _reports(self, mailbox: Mailbox, since: float) -> tuple[dict[str, list[DeliveryReport]], float | None]:
        """The reports that came since then, by what they are about, and when the last message came.

        At most those among 2,000 messages: without a time where these were all.
        """
        token = self.tokens.source(mailbox)
        found: dict[str, list[DeliveryReport]] = {}
        path = came_since(mailbox.address, since)
        for _ in range(_MOST_PAGES):
            async with self.governors.request(mailbox):
                page = await reports(self.client, path, token, self._patience)
            for report in page.reports:
                found.setdefault(report.about, []).append(report)
            if page.next is None:
                return found, None
            path = page.next
        self.log.info("mailbox.read_in_part", mailbox=mailbox.address, messages=_MOST_PAGES * PAGE)
        return found, page.until

    async def _details(self, mailbox: Mailbox, report: DeliveryReport) -> str | None:
        """What it says of each recipient, where the right to read mail is there too."""
        async with self.governors.request(mailbox):
            return await details(self.client, mailbox.address, report, self.tokens.source(mailbox))
