"""Messages as the outbox takes them in, hands them out, and has them back: plain data, nothing of the database."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import UNTOLD, Approval, Arrival, Envelope, Priority, State


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it is accepted. `id` is the queue id; `pieces` gives its `size` bytes, whenever it is called.

    `fingerprint` is by what the same message is known that is handed in again (delivery.window); empty: by nothing.
    It is not sent before `send_at`, nor tried after `expires_at`; with an approval wanted it is held until it is given.
    """

    id: str
    mailbox_id: int
    submitter: str
    envelope: Envelope
    message_id: str
    size: int
    pieces: Callable[[], Iterator[bytes]]
    purpose: str = ""
    arrival: Arrival = UNTOLD
    fingerprint: str = ""
    send_at: float = 0.0
    expires_at: float = math.inf
    priority: Priority = Priority.NORMAL
    approval: Approval = Approval.NEEDLESS
    transport: str = ""
    """graph, smtp or auto; empty: as its mailbox says."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that a worker has taken to send it now: its attempt number `attempt` began at `started_at`.

    `part` is the first part of the message, which came with the commit.
    """

    seq: int
    id: str
    mailbox: Mailbox
    submitter: str
    envelope: Envelope
    message_id: str
    size: int
    created_at: float
    attempt: int
    started_at: float
    part: bytes
    cause: str = ""
    """Why the attempt before it ended as it did; `repeats`: so many in succession did."""
    repeats: int = 0
    expires_at: float = math.inf
    draft_id: str = ""
    """Microsoft's immutable id of its draft, in the mode `draft`, once there is one that is whole."""
    begun_draft: str = ""
    """The id of a draft that lacks something, as its attempt was cut off: it is never sent."""
    checks: int = 0
    """How often it was looked up since its last attempt."""
    purpose: str = ""
    """What it is for where it is no mail of a submitter's: test, bounce and the like."""
    due_at: float = math.inf
    """When it was to be tried."""
    spared: bool = False
    """Whether `expires_at` is later than it was to be: no time was lived in which it could have been tried."""
    was_held: bool = False
    """It was held, and is a probe."""
    copy_at: str = ""
    """Of one that is looked up: in whose Sent Items the copy of its last attempt may lie; empty: the mailbox's own."""
    transport: str = ""
    """graph, smtp or auto; empty: as its mailbox says."""

    @property
    def leaving(self) -> Mailbox:
        """Its mailbox, with the way that was chosen for this message."""
        return replace(self.mailbox, transport=self.transport) if self.transport else self.mailbox

    @property
    def told(self) -> Mapping[str, Any]:
        """What the line `mail.final` of the log tells of it."""
        return {
            "id": self.id,
            "submitter": self.submitter,
            "sender": self.envelope.sender,
            "recipients": self.envelope.recipients,
            "size": self.size,
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class Next:
    """Where a message goes after an attempt or a look-up. `due_at` counts where it is to be tried or looked up again.

    `cause` is why the last attempt ended as it did, and `repeats` how many in succession did.
    """

    state: State
    due_at: float
    cause: str = ""
    repeats: int = 0
    checks: int = 0
    maybe_duplicate: bool = False
    expires_at: float = 0.0
    """The message does not expire sooner."""
    code: str = ""
    """Catalogue code of why it goes there, where its attempt does not say that."""

    @property
    def error(self) -> PillarboxError | None:
        """The same with its words."""
        return PillarboxError(self.code, times=self.repeats) if self.code else None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of ours to `recipient` about another one: a bounce and its like. `about` is the other one's `seq`.

    `purpose` is bounce, delayed, relayed or postmaster: of each there is at most one about a message. It has the null
    sender, so that none is ever written about it.
    """

    id: str
    about: int
    purpose: str
    mailbox_id: int
    recipient: str
    message_id: str
    mime: bytes
    expires_at: float = math.inf
    priority: Priority = Priority.NORMAL


class Late(NamedTuple):
    """A message that waits, as it was claimed last, but for its bytes; 0 `started_at`: it never was.

    `is_sent_now`: an attempt runs.
    """

    message: Claimed
    is_sent_now: bool


class Due(NamedTuple):
    """When a mailbox has something to send: when the `first` is due, and when the first that is `later` than now."""

    first: float
    later: float


class Waiting(NamedTuple):
    """What waits for a mailbox."""

    messages: int
    size: int


class Unheard(NamedTuple):
    """A message of whose client it is not known whether it went on after our 250."""

    id: str
    fingerprint: str
    created_at: float
