"""What happens behind an accepted mail: a copy in Sent Items, one in each recipient's Inbox, a report about who does
not exist, and a line in the ledger.

Graph has no envelope: the To, Cc and Bcc headers are the recipients. Protocols that have one may hand it in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pillarbox.emulator.ids import guid
from pillarbox.emulator.ledger import Entry, Ledger
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail import report
from pillarbox.emulator.mail.content import Person
from pillarbox.emulator.mail.headers import Headers
from pillarbox.emulator.world import Tenant, User, World
from pillarbox.emulator.world.mailbox import Message

Right = Literal["own", "as", "behalf"]


MAX_RECIPIENTS = 500
"""Exchange's default per message (facts 3.10)."""


@dataclass(frozen=True)
class Submission:
    """A mail that a protocol has checked and accepts now.

    `recipients` are those that count against all limits, each once. `app_id` is None where a person signed in by
    password. `draft` is the message in the sender's mailbox that becomes the sent copy; without it one is made with
    these `marks` (fields of Message), unless `save` is False.
    """

    tenant: Tenant
    sender: User
    mime: bytes
    headers: Headers
    recipients: Sequence[str]
    app_id: str | None
    request_id: str
    client_request_id: str | None
    save: bool = True
    draft: Message | None = None
    marks: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "graph"


def deliver(world: World, ledger: Ledger, submission: Submission, now: float) -> Entry:
    """Note the mail and put the copies; recipients outside the tenant are in the ledger only.

    What is above the limit of messages per minute is accepted, and delivered in one of the next minutes (facts 3.10).
    The ledger has the mail as it was handed in, the mailboxes as Exchange stores it.
    """
    due = now + world.limits.sent(submission.sender.id, len(submission.recipients), now)
    message_id = mime.header(submission.headers, "message-id")
    if ledger.keep_bytes:
        _put_copies(world, submission, message_id, due)
    elif submission.draft:
        _keep(world, submission, mime.header_block(submission.mime), message_id or "", due)
    return ledger.add(
        submission.mime,
        time=now,
        tenant=submission.tenant.id,
        user_id=submission.sender.id,
        mailbox=submission.sender.upn,
        request_id=submission.request_id,
        client_request_id=submission.client_request_id,
        app_id=submission.app_id,
        recipients=list(submission.recipients),
        message_id=message_id,
        headers=submission.headers,
        protocol=submission.protocol,
    )


def right_to_send(tenant: Tenant, owner: User, actors: set[str], address: str) -> Right | None:
    """By what right a mail out of the owner's mailbox may bear that From; None for none.

    `actors` are the ids of users and service principals that act; what the owner may, who uses the mailbox may too.
    """
    if owner.owns(address):
        return "own"
    other = tenant.user_by_address(address)
    if other is None or other.mailbox is None:
        return None
    actors = actors | {owner.id}
    if actors & other.mailbox.send_as:
        return "as"
    return "behalf" if actors & other.mailbox.send_on_behalf else None


def new_message_id(world: World, tenant: Tenant) -> str:
    """A Message-ID as Exchange gives it to a mail that has none."""
    return f"<{guid(world.entropy)}@{tenant.domains[0]}>"


def _put_copies(world: World, submission: Submission, message_id: str | None, now: float) -> None:
    stored = mime.without_foreign(submission.mime) if world.drops_foreign_headers else submission.mime
    if world.rewrites_message_ids:
        message_id = new_message_id(world, submission.tenant)
        stored = mime.with_message_id(stored, message_id)
    message_id = message_id or new_message_id(world, submission.tenant)
    _keep(world, submission, stored, message_id, now)
    received = mime.without(stored, b"bcc")
    failures = []
    for address, user in _local(submission):
        if user is None or user.open_mailbox is None:
            failures.append(report.not_found(address))
        elif user.open_mailbox.full:
            failures.append(report.mailbox_full(address))
        else:
            user.open_mailbox.add("inbox", received, message_id, now)
    if failures:
        _report(world, submission, received, failures, now)


def _keep(world: World, submission: Submission, stored: bytes, message_id: str, now: float) -> None:
    """Leave a copy in the sender's Sent Items: the draft if there is one."""
    mailbox, draft = submission.sender.mailbox, submission.draft
    if mailbox is None:
        return
    if draft is None:
        if submission.save:
            copy = mailbox.add("sentitems", stored, message_id, now, delay=world.sent_copy_delay, read=True)
            for name, value in submission.marks.items():
                setattr(copy, name, value)
        return
    if stored is not submission.mime:
        mailbox.edit(draft, now, stored)
    mailbox.rename(draft, message_id)
    draft.draft, draft.read, draft.received = False, True, now
    mailbox.move(draft, mailbox.folders["sentitems"], now, delay=world.sent_copy_delay)


def _local(submission: Submission) -> list[tuple[str, User | None]]:
    """The recipients in the tenant: each user once even if two aliases were written to, None where nobody is."""
    found: dict[str, tuple[str, User | None]] = {}
    for address in submission.recipients:
        user = submission.tenant.user_by_address(address)
        if user or address.rpartition("@")[2].lower() in submission.tenant.domains:
            found.setdefault(user.id if user else address.casefold(), (address, user))
    return list(found.values())


def _report(world: World, submission: Submission, received: bytes, failures: list[report.Failure], now: float) -> None:
    """Tell the sender who did not get the mail; a mailbox that is full or closed is not told."""
    mailbox = submission.sender.open_mailbox
    if mailbox is None or mailbox.full:
        return
    ident = new_message_id(world, submission.tenant)
    to = Person(submission.sender.name, submission.sender.upn)
    mail = report.non_delivery(received, failures, to, submission.tenant.domains[0], ident, now)
    mailbox.add("inbox", mail, ident, now)
