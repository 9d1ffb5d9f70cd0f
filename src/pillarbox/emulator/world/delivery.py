"""What happens behind an accepted mail: a copy in Sent Items, one in each recipient's Inbox, and a line in the ledger.

Graph has no envelope: the To, Cc and Bcc headers are the recipients. Protocols that have one may hand it in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.emulator.ids import guid
from pillarbox.emulator.ledger import Entry, Ledger
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.headers import Headers
from pillarbox.emulator.world import Tenant, User, World


@dataclass(frozen=True)
class Submission:
    """A mail that a protocol has checked and accepts now."""

    tenant: Tenant
    sender: User
    mime: bytes
    headers: Headers
    recipients: Sequence[str]
    app_id: str
    request_id: str
    client_request_id: str | None
    save: bool = True


def deliver(world: World, ledger: Ledger, submission: Submission, now: float) -> Entry:
    """Note the mail and put the copies; recipients outside the tenant are in the ledger only."""
    message_id = mime.header(submission.headers, "message-id")
    if ledger.keep_bytes:
        _put_copies(world, submission, message_id or _new_message_id(world, submission.tenant), now)
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
    )


def _put_copies(world: World, submission: Submission, message_id: str, now: float) -> None:
    stored = mime.without_foreign(submission.mime) if world.drops_foreign_headers else submission.mime
    if submission.save and submission.sender.mailbox:
        delay = world.sent_copy_delay
        submission.sender.mailbox.add("sentitems", stored, message_id, now, delay=delay, read=True)
    received = mime.without(stored, b"bcc")
    for user in _users(submission.tenant, submission.recipients):
        if user.open_mailbox:
            user.open_mailbox.add("inbox", received, message_id, now)


def _users(tenant: Tenant, recipients: Sequence[str]) -> list[User]:
    """The users behind the addresses, each once even if two aliases were written to."""
    found = {user.id: user for user in map(tenant.user_by_address, recipients) if user}
    return list(found.values())


def _new_message_id(world: World, tenant: Tenant) -> str:
    return f"<{guid(world.entropy)}@{tenant.domains[0]}>"
