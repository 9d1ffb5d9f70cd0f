"""Accept: the one way in, whatever the door. When it returns, the message is on the disk."""

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.content import PIECE, Content
from pillarbox.core.errors import Forbidden, InvalidInput, Unavailable, too_large
from pillarbox.core.graph_limits import MOST_SENT, most_mime
from pillarbox.core.headers import address_key
from pillarbox.core.log import Logger
from pillarbox.core.mail import UNTOLD, Approval, Arrival, Clock, Envelope, Priority
from pillarbox.core.mime_shape import Shape
from pillarbox.core.sealed_mime import is_sealed_message
from pillarbox.delivery import senders, top_block, window
from pillarbox.delivery.backlog import Backlog
from pillarbox.delivery.queue_id import queue_id
from pillarbox.delivery.rates import Rates
from pillarbox.delivery.top_block import TopBlock
from pillarbox.delivery.window import Handover, Window
from pillarbox.store.database import Statement
from pillarbox.store.messages import NewMessage
from pillarbox.store.outbox import Outbox

if TYPE_CHECKING:
    from hashlib import _Hash


_MOST_DAYS: Final = 366
"""Days ahead that a message may be handed in."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a message is sent: not before `send_at` and tried for `max_age` from then, in seconds.

    None is as the submitter's rules say, and those as the settings do. With `approval` it waits until a person lets it
    go.
    """

    send_at: float = 0.0
    max_age: float | None = None
    priority: Priority | None = None
    approval: bool = False
    transport: str = ""
    """graph or smtp, of the ways that its mailbox has; empty: as that one says."""


USUAL: Final = Terms()


@dataclass(frozen=True, slots=True)
class Submission:
    """Takes messages. `wake` is told the mailbox of each one that was taken, `used` the submitter.

    `mailbox_of` keeps a mailbox that a rule for a whole domain made up, and returns it as it is kept. `route_limit` is
    the size of the largest message that the way out of a mailbox takes; 0: of any size. How much comes in at most is
    what each door counts for itself.
    """

    outbox: Outbox
    mailbox_of: Callable[[Mailbox], Awaitable[Mailbox]]
    wake: Callable[[int], None]
    used: Callable[[Submitter], None]
    rates: Rates
    backlog: Backlog
    window: Window
    clock: Clock
    random: Callable[[int], bytes]
    log: Logger
    max_recipients: int
    route_limit: Callable[[Mailbox], int] = lambda _mailbox: 0
    whole_limit: Callable[[Mailbox], int] = lambda _mailbox: 0
    """As `route_limit`, of a message that is signed or encrypted, so that nobody may take it apart."""
    is_broken: Callable[[Mailbox], bool] = lambda _mailbox: False
    """Whether Microsoft lets nothing out of a mailbox until somebody mends it, and no probe is due."""
    max_age: float = 48 * 3600.0
    """Seconds that a message is tried whose submitter has no time of its own."""
    due_later: Callable[[], None] = lambda: None
    """Is told that a message was taken whose time comes later."""
    goes_by: Callable[[Mailbox, str], bool] = lambda _mailbox, _transport: True
    """Whether mail of a mailbox may leave by this transport."""

    def check_mail(self, submitter: Submitter, sender: str, size: int) -> None:
        """Whether it may begin a message from `sender`, of so many bytes (0: not known).

        Raises Forbidden, InvalidInput `mail.too_large`, `mail.too_large_for_graph` and `mail.too_large_for_mailbox`,
        Unavailable `mail.too_fast`, `mail.backlog_full` and `mail.mailbox_broken`.
        """
        mailbox = self._checked_sender(submitter, sender, size)
        self.rates.check(submitter)
        if mailbox is not None:
            self._check_route(mailbox, size)
            self.backlog.check(mailbox, size)
            self._check_sound(submitter, mailbox)

    def check_recipient(self, submitter: Submitter, address: str) -> None:
        """Whether it may send to this address. Raises Forbidden `mail.recipient_not_allowed`."""
        senders.check_recipient(submitter, address)

    async def accept(
        self,
        envelope: Envelope,
        content: Content,
        submitter: Submitter,
        *,
        purpose: str = "",
        arrival: Arrival = UNTOLD,
        handover: Handover | None = None,
        terms: Terms = USUAL,
        also: Callable[[NewMessage], Sequence[Statement]] = lambda _message: (),
    ) -> str:
        """Check and keep a message; return its queue id once it is durable. `purpose` is `test` for a test mail.

        With `handover`, a message whose client did not see our 250 is known again, and its old id returned. `also` is
        told the message as it is kept, and says what is written in the same transaction.
        Raises InvalidInput or Forbidden for what can never be sent, Unavailable for what cannot be kept now.
        """
        began = time.perf_counter()
        self._check_envelope(envelope, content.size, submitter)
        _check_terms(terms, self.clock())
        top = TopBlock.of(top_block.beginning(content))
        leave = senders.leave(submitter, envelope.sender, top.values)
        chosen = self._by_transport(leave.mailbox, terms.transport)
        self._check_route(chosen, content.size, is_sealed=_is_sealed(top))
        digest = window.digest(submitter.name, envelope) if handover is not None and top.message_id else None
        shape = await _read_through(content, top, digest)
        self._check_staying(chosen, shape)
        mailbox = leave.mailbox if leave.mailbox.id else await self.mailbox_of(leave.mailbox)
        fingerprint = window.fingerprint(digest) if digest is not None else ""
        if handover is not None and fingerprint:
            former = await self.window.former(fingerprint, handover)
            if former:
                await self._tell_again(former, submitter, arrival)
                return former
        self._check_sound(submitter, mailbox)
        # No await from here to the window's entry: two at once must not both be new.
        new_id = queue_id(self.clock(), self.random)
        message_id = top.message_id or f"<{new_id}@{address_key(mailbox.address).rpartition('@')[2]}>"
        head = top.completed(new_id, message_id, leave, arrival, self.clock())
        by_policy = senders.needs_approval(submitter, envelope.recipients)
        message = NewMessage(
            id=new_id,
            mailbox_id=mailbox.id,
            submitter=submitter.name,
            envelope=envelope,
            message_id=message_id,
            size=len(head) + content.size - top.body,
            pieces=partial(_pieces, head, content, top.body),
            purpose=purpose,
            arrival=arrival if top.is_ascii else _noted(arrival, "mail.eight_bit_header"),
            fingerprint=fingerprint,
            send_at=terms.send_at,
            expires_at=self._expires_at(terms, submitter),
            priority=Priority(submitter.priority) if terms.priority is None else terms.priority,
            approval=Approval.WANTED if terms.approval or by_policy else Approval.NEEDLESS,
            transport=terms.transport,
        )
        with self.rates.counting(submitter), self.window.writing(message.id, fingerprint, handover):
            async with self.backlog.taking(mailbox, message.size):
                await self.outbox.enqueue(message, also(message))
        self.log.info(
            "mail.accepted",
            id=new_id,
            submitter=submitter.name,
            sender=envelope.sender,
            mailbox=mailbox.address,
            recipients=len(envelope.recipients),
            size=message.size,
            seconds=round(time.perf_counter() - began, 4),
        )
        self.used(submitter)
        if terms.send_at > self.clock():
            self.due_later()
        else:
            self.wake(mailbox.id)
        return new_id

    def _expires_at(self, terms: Terms, submitter: Submitter) -> float:
        own = submitter.max_age or self.max_age if terms.max_age is None else terms.max_age
        return max(self.clock(), terms.send_at) + own

    def _by_transport(self, mailbox: Mailbox, transport: str) -> Mailbox:
        """The mailbox as this message leaves it. Raises InvalidInput `send.no_such_way`."""
        if not transport:
            return mailbox
        if not self.goes_by(mailbox, transport):
            raise InvalidInput("send.no_such_way", pointer="/transport", mailbox=mailbox.address, transport=transport)
        return replace(mailbox, transport=transport)

    def _check_envelope(self, envelope: Envelope, size: int, submitter: Submitter) -> None:
        self._checked_sender(submitter, envelope.sender, size)
        if not envelope.recipients:
            raise InvalidInput("mail.no_recipients")
        if len(envelope.recipients) > self.max_recipients:
            raise InvalidInput("mail.too_many_recipients", limit=self.max_recipients)
        for recipient in envelope.recipients:
            senders.check_recipient(submitter, recipient)

    def _checked_sender(self, submitter: Submitter, sender: str, size: int) -> Mailbox | None:
        if not submitter.enabled:
            raise Forbidden("submitter.disabled", name=submitter.name)
        mailbox = senders.check_sender(submitter, sender)
        if submitter.max_size and size > submitter.max_size:
            raise too_large(submitter.max_size)
        return mailbox

    def _check_sound(self, submitter: Submitter, mailbox: Mailbox) -> None:
        if submitter.on_broken == "tempfail" and self.is_broken(mailbox):
            raise Unavailable("mail.mailbox_broken", mailbox=mailbox.address)

    def _check_route(self, mailbox: Mailbox, size: int, *, is_sealed: bool = False) -> None:
        """Whether a message of so many bytes, as the client counts them, can leave from there."""
        limit = self.whole_limit(mailbox) if is_sealed else self.route_limit(mailbox)
        if not limit or size <= limit:
            return
        code = "mail.too_large_sealed" if is_sealed else "mail.too_large_for_graph"
        if limit > most_mime(MOST_SENT):
            # It is not one call of Graph's that is too small, but Exchange itself.
            code = "mail.too_large_for_mailbox"
        raise InvalidInput(code, limit=limit, mailbox=mailbox.address)

    def _check_staying(self, mailbox: Mailbox, shape: Shape) -> None:
        """Whether it can leave from there without its attachments, as they are uploaded one by one."""
        limit = self.whole_limit(mailbox)
        if limit and shape.staying > limit:
            code = "mail.too_large_sealed" if shape.holds_sealed else "mail.too_large_text"
            raise InvalidInput(code, limit=limit, mailbox=mailbox.address)

    async def _tell_again(self, former: str, submitter: Submitter, arrival: Arrival) -> None:
        moment = datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).isoformat(timespec="seconds")
        peer = arrival.peer or arrival.door
        await self.outbox.add_note(former, catalogue.sentence("mail.handed_in_again", moment=moment, peer=peer))
        self.log.info("mail.handed_in_again", id=former, submitter=submitter.name)
        self.used(submitter)


def _check_terms(terms: Terms, now: float) -> None:
    if terms.send_at > now + _MOST_DAYS * 86_400:
        raise InvalidInput("mail.bad_send_at", pointer="/send_at", days=_MOST_DAYS)


def _is_sealed(top: TopBlock) -> bool:
    return any(is_sealed_message(one, top.disposition) for one in top.content_types or (b"",))


def _pieces(head: bytes, content: Content, body: int) -> Iterator[bytes]:
    return chain((head,), content.pieces(body))


async def _read_through(content: Content, top: TopBlock, digest: "_Hash | None") -> Shape:
    """Read the whole message for what needs it: its MIME shape, and its digest. Raises InvalidInput."""
    shape = Shape(*top.content_types, disposition=top.disposition, encoding=top.encoding)
    if not shape.is_done or digest is not None:
        if content.size <= PIECE:
            _feed(content, top, shape, digest)
        else:
            await asyncio.to_thread(_feed, content, top, shape, digest)
    shape.end(content.size - top.body)
    return shape


def _feed(content: Content, top: TopBlock, shape: Shape, digest: "_Hash | None") -> None:
    if digest is not None:
        digest.update(top.raw[: top.body])
    for piece in content.pieces(top.body):
        shape.feed(piece)
        if digest is not None:
            digest.update(piece)


def _noted(arrival: Arrival, code: str) -> Arrival:
    return replace(arrival, notes=(*arrival.notes, catalogue.sentence(code)))
