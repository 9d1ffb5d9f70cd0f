"""What became of sent mail, as Exchange's message trace tells it: where an app registration has the right to ask.

Whether it has is tried, as rights that an administrator scoped are not told. The right is for the whole tenant, so it
is nobody's duty to give it; without it `sent` is all that is known.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.headers import address_key
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.delivery.governor import Governors
from pillarbox.delivery.queue_id import first_of
from pillarbox.entra.tokens import Tokens
from pillarbox.graph.client import GraphClient
from pillarbox.graph.paging import Patience
from pillarbox.graph.refusal import GraphRefused
from pillarbox.graph.traces import Traced, sent_by, traces
from pillarbox.store.accounts import Accounts
from pillarbox.store.returns import Returns, Sent

_SOONEST: Final = 300.0
"""Seconds after an attempt before which Exchange tells little of it."""
_LATEST: Final = 86_400.0
"""Seconds after which it is not asked any more."""
_ACCEPTED: Final = 2 * 86_400.0
"""Seconds since the acceptance of the oldest messages that are looked at."""
_SKEW: Final = 300.0
"""Seconds that Microsoft's clock may be behind ours."""
_BATCH: Final = 20_000
_MOST_PAGES: Final = 20
_DENIED: Final = 6 * 3600.0
"""Seconds after which an app registration that had no right is tried again."""
_WITHIN: Final = 300.0
"""Seconds for one mailbox; what is left waits for the next round."""
_MOST_TEXT: Final = 1000
_FIRM: Final = 3600.0
"""Seconds after an attempt in which `delivered` is asked for again: another row may come that says `failed`."""
_NO_RIGHT: Final = (401, 403)

_THERE: Final = ("delivered", "expanded", "filteredAsSpam")
"""Words of Microsoft's for mail that lies in a mailbox, or was handed on: to a group's members, to another system."""
_LOST: Final = ("failed", "quarantined")


@dataclass(frozen=True, slots=True)
class Traces:
    """Asks for the mailboxes of each app registration, every so many seconds."""

    accounts: Accounts
    returns: Returns
    client: GraphClient
    tokens: Tokens
    governors: Governors
    clock: Clock
    log: Logger
    every: float
    _denied: dict[int, float] = field(default_factory=dict, init=False)
    """When an app registration had no right."""

    async def run(self) -> None:
        """Ask, until canceled; `every` 0 asks never."""
        while self.every:
            await asyncio.sleep(self.every)
            await self.round()

    async def round(self) -> None:
        """Ask once for each mailbox that sent something of which not all is known yet."""
        try:
            mailboxes = {one.id: one for one in await self.accounts.mailboxes() if self._may_ask(one)}
            waiting = await self._waiting(mailboxes) if mailboxes else {}
        except PillarboxError as error:
            self.log.error("store.unusable", where="traces", code=error.code, reason=error.sentence)
            return
        asked_enough: set[int] = set()
        for mailbox_id, messages in waiting.items():
            mailbox = mailboxes[mailbox_id]
            if mailbox.app.id not in asked_enough and not await self._ask(mailbox, messages):
                asked_enough.add(mailbox.app.id)

    def _may_ask(self, mailbox: Mailbox) -> bool:
        now = self.clock()
        denied = self._denied.get(mailbox.app.id, -_DENIED)
        # Who signed in may trace nothing, unless they administer the tenant.
        return mailbox.sign_in is None and not denied <= now < denied + _DENIED and not self.governors.paused(mailbox)

    async def _waiting(self, mailboxes: Iterable[int]) -> dict[int, list[Sent]]:
        """The newest messages of which not all is known, by mailbox."""
        now = self.clock()
        began = (now - _LATEST, now - _SOONEST)
        found: dict[int, list[Sent]] = {}
        since = first_of(now - _ACCEPTED)
        for one in await self.returns.untold(tuple(mailboxes), since, *began, now - _FIRM, _BATCH):
            found.setdefault(one.mailbox_id, []).append(one)
        return found

    async def _ask(self, mailbox: Mailbox, messages: Sequence[Sent]) -> bool:
        """Ask for one mailbox; False where Exchange does not answer its app registration now."""
        now = self.clock()
        try:
            async with asyncio.timeout(_WITHIN):
                await self._read(mailbox, messages, now)
        except TimeoutError:
            return True
        except PillarboxError as error:
            status = error.answer.status if isinstance(error, GraphRefused) else 0
            if status in _NO_RIGHT:
                self._denied[mailbox.app.id] = now
            self.log.info(
                "mail.not_traced",
                app=mailbox.app.name,
                mailbox=mailbox.address,
                code=error.code,
                reason=error.sentence,
            )
            # What another answer says, it says of this mailbox.
            return not (status in (*_NO_RIGHT, 429) or isinstance(error, Unavailable))
        except Exception:
            self.log.exception("unexpected", where=f"traces of {mailbox.address}")
        return True

    async def _read(self, mailbox: Mailbox, messages: Sequence[Sent], now: float) -> None:
        wanted: dict[str, list[Traced]] = {one.message_id: [] for one in messages}
        patience, token = Patience(self.clock, asyncio.sleep, 0.0), self.tokens.source(mailbox)
        path: str | None = sent_by(mailbox.address, min(one.began_at for one in messages) - _SKEW, now)
        for _ in range(_MOST_PAGES):
            if path is None:
                break
            async with self.governors.request(mailbox):
                rows, path = await traces(self.client, path, token, patience)
            for row in rows:
                if row.message_id in wanted:
                    wanted[row.message_id].append(row)
        same = await self.returns.sent(mailbox.id, wanted, first_of(now - _ACCEPTED))
        times = Counter(row["message_id"] for row in same)
        for one in messages:
            told = what_became(one.recipients, wanted[one.message_id]) if times[one.message_id] == 1 else None
            if told and await self.returns.traced(one.id, *told) and told[0] == "failed":
                self.log.warning("mail.returned", id=one.id, mailbox=mailbox.address, reason=told[1])


def what_became(recipients: Sequence[str], rows: Sequence[Traced]) -> tuple[str, str] | None:
    """`delivered` or `failed`, and in which words, of a message to these recipients; None: it is not known of all yet.

    Exchange may call a recipient otherwise than we did, by its first address: where it names none of ours, and as many
    others, these are they. Not where there is a group, whose members have such rows too. Of a message that may have
    gone twice, one copy that came is enough. Pure.
    """
    best: dict[str, Traced] = {}
    for row in rows:
        key = address_key(row.recipient)
        if key not in best or _rank(row) < _rank(best[key]):
            best[key] = row
    named = set(map(address_key, recipients))
    missing, others = named - best.keys(), best.keys() - named
    is_group = any(row.status == "expanded" for row in best.values())
    if not missing and not is_group:
        # Others are whom a rule or a forwarding adds.
        best = {key: best[key] for key in named}
    elif missing and (is_group or missing != named or len(others) != len(missing)):
        return None
    if any(_rank(row) == _OPEN for row in best.values()):
        return None
    words = ", ".join(f"{row.recipient}: {row.status}" for row in best.values() if row.status not in _PLAIN)
    failed = any(row.status in _LOST for row in best.values())
    return "failed" if failed else "delivered", words[:_MOST_TEXT]


_PLAIN: Final = ("delivered", "expanded")
_OPEN: Final = 1


def _rank(row: Traced) -> int:
    """What of two rows counts: that it is there, that it is not decided, that it is lost."""
    return 0 if row.status in _THERE else 2 if row.status in _LOST else _OPEN
