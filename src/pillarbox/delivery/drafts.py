"""Drafts that nothing will send: thrown away, so that a mailbox does not fill with them.

Only what certainly is a draft is deleted: what was sent lies in Sent Items under the same id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.entra.tokens import Tokens
from pillarbox.graph import mail
from pillarbox.graph.client import GraphClient
from pillarbox.store.accounts import Accounts
from pillarbox.store.drafts import Drafts
from pillarbox.store.outbox import Claimed

_EVERY: Final = 600.0
"""Seconds between two rounds."""
_OLD: Final = 3600.0
"""Seconds that a draft is left alone after its message ended: what was sent at last may be on its way still."""
_AT_ONCE: Final = 100
"""Drafts of one mailbox in one round."""


class Fate(Enum):
    """What became of a draft that was to be thrown away."""

    GONE = auto()
    """It was deleted, now or before."""
    SENT = auto()
    """It is no draft any more."""
    LEFT = auto()
    """It could not be deleted, or it is not known whether it is a draft."""


async def discard(client: GraphClient, mailbox: Mailbox, draft_id: str, token: TokenSource) -> Fate:
    """Delete a draft, and then out of Deleted Items. What Microsoft or the network does is a fate, not an exception."""
    try:
        answer = await mail.message_state(client, mailbox.address, draft_id, token)
        copy = mail.copy_in(answer)
        if answer.status == 404:
            return Fate.GONE
        if copy is None:
            return Fate.LEFT
        if not copy.is_draft:
            return Fate.SENT
        deleted = (await mail.delete_message(client, mailbox.address, draft_id, token)).status == 204
        if deleted:
            await mail.delete_message(client, mailbox.address, draft_id, token)
    except PillarboxError:
        return Fate.LEFT
    return Fate.GONE if deleted else Fate.LEFT


async def discard_unkept(client: GraphClient, message: Claimed, token: TokenSource) -> None:
    """Throw away the drafts of a message whose ids were never kept. What does not work is only litter.

    An attempt that was cut off has made them, and nobody knows how far it came: nothing was sent, as nothing is before
    the id is kept, and a draft may lack what was still to be attached. They bear our queue id: a Message-ID alone may
    be that of another message of the same device. Raises PillarboxError.
    """
    answer = await mail.drafts(client, message.mailbox.address, message.message_id, token)
    for copy in mail.copies_in(answer) or []:
        if not copy.is_draft:
            continue
        whose = copy.queue_id or await mail.queue_id(client, message.mailbox.address, copy.id, token)
        if whose == message.id:
            await discard(client, message.mailbox, copy.id, token)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A small task that throws away the drafts of messages that ended otherwise: canceled, refused, found by a person.

    `may` says whether a mailbox is to be used now, `request` gives a place for a request to it.
    """

    drafts: Drafts
    accounts: Accounts
    client: GraphClient
    tokens: Tokens
    may: Callable[[Mailbox], bool]
    request: Callable[[Mailbox], AbstractAsyncContextManager[None]]
    clock: Clock
    log: Logger
    wait: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def run(self) -> None:
        """Go round until canceled."""
        while True:
            try:
                await self.round()
            except PillarboxError as error:
                self.log.error("store.unusable", where="drafts", code=error.code, reason=error.sentence)
            except Exception:
                self.log.exception("unexpected", where="drafts")
            await self.wait(_EVERY)

    async def round(self) -> None:
        """Throw away what lies there, mailbox after mailbox."""
        since = self.clock() - _OLD
        for mailbox_id in await self.drafts.mailboxes(since):
            mailbox = await self.accounts.mailbox_by_id(mailbox_id)
            if self.may(mailbox):
                await self._clear(mailbox, since)

    async def _clear(self, mailbox: Mailbox, since: float) -> None:
        for left in await self.drafts.left(mailbox.id, since, _AT_ONCE):
            async with self.request(mailbox):
                fate = await discard(self.client, mailbox, left.draft_id, self.tokens.source(mailbox))
            if fate is Fate.LEFT:
                # What one could not be, the others cannot be either; the next round tries again.
                return
            await self.drafts.forget(left)
            if fate is Fate.GONE:
                self.log.info("draft.discarded", id=left.id, mailbox=mailbox.address)
