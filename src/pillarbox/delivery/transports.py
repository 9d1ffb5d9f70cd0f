"""Transports: the ways out. Each makes one attempt and says in an Outcome what Microsoft's answer means."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pillarbox.core.accounts import Mailbox
from pillarbox.core.mail import Found, Outcome
from pillarbox.store.messages import Claimed


@dataclass(frozen=True, slots=True)
class Report:
    """What an attempt came to, and what was changed in the header for it.

    `requests` is how many it made to Graph, `host` where it went; empty: where the mailbox's mail mostly goes.
    """

    outcome: Outcome
    notes: tuple[str, ...] = ()
    requests: int = 1
    host: str = ""


class KeepDraft(Protocol):
    """Commits the id of the draft that was made of the message; empty: there is none any more.

    One that is not `whole` lacks something still: it is never sent, only thrown away. `given_up`: nobody can tell what
    became of the one that there was; if an attempt may have sent it, the message may go twice.
    """

    async def __call__(self, draft_id: str, *, whole: bool = True, given_up: bool = False) -> None:
        """Commit it."""


@dataclass(slots=True)
class Kept:
    """A KeepDraft that knows of the draft, if there is one, that may have been sent."""

    keep: KeepDraft
    draft_id: str

    async def __call__(self, draft_id: str, *, whole: bool = True, given_up: bool = False) -> None:
        """Commit it."""
        await self.keep(draft_id, whole=whole, given_up=given_up)
        self.draft_id = draft_id if whole else ""


KeepCopyAt = Callable[[Claimed, str], Awaitable[None]]
"""Commits in whose Sent Items the copy of an attempt may lie that begins now. Raises Unavailable."""

Again = Callable[[Claimed], AsyncIterator[bytes]]
"""The bytes of a message once more, from the beginning on."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look-up found, a sentence about it for the trace, and how many requests to Microsoft it was counted as."""

    found: Found
    note: str
    requests: int = 1


class Transport(Protocol):
    """A way out of the house. tests/contract/test_transport.py says how it behaves."""

    async def ready(self, mailbox: Mailbox) -> None:
        """Fetch what an attempt needs, such as a token, before it is written down as begun; `send` tells the faults."""

    async def send(self, message: Claimed, body: AsyncIterator[bytes], keep_draft: KeepDraft) -> Report:
        """Make one attempt. Whatever Microsoft or the network does is an outcome, not an exception."""

    async def look_up(self, message: Claimed) -> Look:
        """Look whether a message arrived of which that is not known, by the mailbox's mode."""
