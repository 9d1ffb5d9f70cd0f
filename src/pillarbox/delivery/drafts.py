"""Drafts that nothing will send: thrown away, so that a mailbox does not fill with them.

Only what certainly is a draft is deleted: what was sent lies in Sent Items under the same id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.entra.tokens import Tokens
from pillarbox.graph import mail
from pillarbox.graph.client import GraphClient
from pillarbox.store.accounts import Accounts
from pillarbox.store.drafts import Drafts
from pillarbox.store.messages import Claimed

_EVERY: Final = 600.0
"""Seconds between two rounds."""
_OLD: Final = 3600.0
"""Seconds that a draft is left alone after its message ended: what was sent at last may be on its way still."""
_LATELY: Final = 2 * 86_400.0
"""Seconds of attempts of which drafts may be left whose ids were never kept."""
_AT_ONCE: Final = 100
"""Drafts of one mailbox in one round."""


class Fate(Enum):
    """What became of a draft that was to be thrown away."""

    DELETED = auto()
    """It was deleted."""
    GONE = auto()
    """Nothing is there by its id: it was deleted before, or is on its way to Sent Items."""
    SENT = auto()
    """It is no draft any more."""
    LEFT = auto()
    """It could not be deleted, or it is not known whether it is a draft."""


async def _always() -> bool:
    return True


async def discard(
    client: GraphClient,
    mailbox: Mailbox,
    draft_id: str,
    token: TokenSource,
    may: Callable[[], Awaitable[bool]] = _always,
) -> Fate:
    """Delete a draft, and then out of Deleted Items. What Microsoft or the network does is a fate, not an exception.

    It is asked first whether it `may` be, after the last look at it.
    """
    try:
        answer = await mail.message_state(client, mailbox.address, draft_id, token)
        copy = mail.copy_in(answer)
        if answer.status == 404:
            return Fate.GONE
        if copy is None:
            return Fate.LEFT
        if not copy.is_draft:
            return Fate.SENT
        if not await may():
            return Fate.LEFT
        deleted = (await mail.delete_message(client, mailbox.address, draft_id, token)).status == 204
        if deleted:
            await mail.delete_message(client, mailbox.address, draft_id, token)
    except PillarboxError:
        return Fate.LEFT
    return Fate.DELETED if deleted else Fate.LEFT


async def discard_unkept(client: GraphClient, message: Claimed, token: TokenSource) -> None:
    """Throw away the drafts of a message whose ids were never kept. What does not work is left to the sweep.

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

    So it does with drafts whose ids were never kept: an attempt was cut off, and the next one could not find them.
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
        for mailbox_id in await self.drafts.doubtful(since - _LATELY):
            mailbox = await self.accounts.mailbox_by_id(mailbox_id)
            if mailbox.mode == "draft" and self.may(mailbox):
                await self._clear_unkept(mailbox, since)

    async def _clear(self, mailbox: Mailbox, since: float) -> None:
        for left in await self.drafts.left(mailbox.id, since, _AT_ONCE):
            # Forgotten before it is deleted: who has the message sent again meanwhile has another draft made.
            async with self.request(mailbox):
                fate = await discard(
                    *(self.client, mailbox, left.draft_id, self.tokens.source(mailbox)),
                    may=partial(self.drafts.forget, left),
                )
            match fate:
                case Fate.LEFT:
                    # What one could not be, the others cannot be either; the next round tries again.
                    await self.drafts.remember(left)
                    return
                case Fate.DELETED:
                    self.log.info("draft.discarded", id=left.id, mailbox=mailbox.address)
                case Fate.SENT:
                    await self.drafts.found_sent(left, catalogue.sentence("draft.was_sent"))
                case Fate.GONE:
                    await self.drafts.forget(left)

    async def _clear_unkept(self, mailbox: Mailbox, since: float) -> None:
        """Throw away drafts by the queue id that they bear; of what people write nothing is read but its Message-ID."""
        token = self.tokens.source(mailbox)
        try:
            async with self.request(mailbox):
                lying = mail.message_ids_in(await mail.newest_drafts(self.client, mailbox.address, token))
            known = await self.drafts.known(mailbox.id, lying.values())
            for draft_id in [one for one, message_id in lying.items() if message_id in known][:_AT_ONCE]:
                async with self.request(mailbox):
                    whose = await mail.queue_id(self.client, mailbox.address, draft_id, token)
                    may = partial(self.drafts.is_unkept, whose, draft_id, since)
                    fate = await discard(self.client, mailbox, draft_id, token, may)
                if fate is Fate.DELETED:
                    self.log.info("draft.discarded", id=whose, mailbox=mailbox.address)
        except Unavailable:
            raise
        except PillarboxError:
            return  # The next round tries again.
