"""What sendMail and the sending of drafts share: the checks of Exchange, then delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import SEND, Request
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.compose import compose, people_line
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.world.delivery import MAX_RECIPIENTS, Right, Submission, deliver, new_message_id, right_to_send
from pillarbox.emulator.world.mailbox import Message


def submit(
    request: Request,
    mail: bytes | Content,
    *,
    draft: Message | None = None,
    save: bool = True,
    marks: Mapping[str, Any] | None = None,
) -> None:
    """Send a mail out of the path's mailbox; a GraphError for what Exchange does not send.

    `draft` becomes the sent copy; else one is made if `save`, with these `marks` (fields of Message).
    """
    call, mailbox = request.call, request.mailbox
    leaving = signed(request, mail) if isinstance(mail, Content) else _stamped(request, mail)
    content = compose(leaving) if isinstance(leaving, Content) else leaving
    headers = mime.headers_of(content)
    recipients = mime.addresses(headers, "to", "cc", "bcc")
    if len(content) > mailbox.max_send_size:
        raise GraphError("ErrorMessageSizeExceeded")
    if mailbox.full and draft is None:
        raise GraphError("ErrorQuotaExceeded")
    check(request, headers, recipients)
    if draft and leaving is not mail:
        mailbox.edit(draft, call.now, leaving)
    submission = Submission(
        tenant=request.caller.tenant,
        sender=request.owner,
        mime=content,
        headers=headers,
        recipients=recipients,
        app_id=request.caller.app_id,
        request_id=call.request_id,
        client_request_id=call.client_request_id,
        save=save,
        draft=draft,
        marks=marks or {},
    )
    deliver(request.world, request.ledger, submission, call.now)


def check(request: Request, headers: mime.Headers, recipients: Sequence[str]) -> None:
    """Refuse what Exchange does not send: bad or too many recipients, a From that is another's."""
    if not recipients or not all(map(_has_form, recipients)):
        raise GraphError("ErrorInvalidRecipients")
    if len(recipients) > MAX_RECIPIENTS:
        raise GraphError("ErrorInvalidRecipients", f"The message has more than {MAX_RECIPIENTS} recipients.")
    senders = mime.addresses(headers, "from")
    if request.world.checks_from and not all(right(request, each) for each in senders):
        raise GraphError("ErrorSendAsDenied")
    if not request.world.limits.may_send(request.owner.id, len(recipients), request.call.now):
        raise GraphError("ErrorExceededMessageLimit")


def right(request: Request, address: str) -> Right | None:
    """By what right the caller may send with that From out of the path's mailbox.

    App-only by the mailbox's rights, or the app's; a person by the own ones too, and not without Mail.Send.Shared
    (Microsoft: Send Outlook messages from another user).
    """
    owner, caller = request.owner, request.caller
    if owner.owns(address):
        return "own"
    if caller.user and not caller.has_shared(*SEND):
        return None
    actors = {caller.user.id if caller.user else caller.principal.id}
    return right_to_send(caller.tenant, owner, actors, address)


def signed(request: Request, content: Content) -> Content:
    """The parts as they leave: with From, Sender where it is another, Date, and a Message-ID.

    Who gives `sender` as well must be that sender: Graph sets it itself.
    """
    owner, world = request.owner, request.world
    from_ = content.from_ or content.sender or Person(owner.name, owner.upn)
    sender = _sender(request, from_.address)
    given = content.sender.address if content.sender else from_.address
    if world.checks_from and given.casefold() != from_.address.casefold() and not owner.owns(given):
        raise GraphError("ErrorSendAsDenied")
    ident = content.message_id or new_message_id(world, request.caller.tenant)
    date = request.call.now
    return replace(content, from_=from_, sender=sender, date=date, message_id=ident)


def _stamped(request: Request, mail: bytes) -> bytes:
    """The MIME, with a Sender in front if From is another's on whose behalf it is sent; else byte for byte."""
    senders = mime.addresses(mime.headers_of(mail), "from")
    sender = _sender(request, senders[0]) if senders else None
    if sender is None:
        return mail
    return f"{people_line('Sender', [sender])}\r\n".encode() + mime.without(mail, b"sender")


def _sender(request: Request, address: str) -> Person | None:
    """Who is named as Sender beside that From, None if nobody is: Exchange hides who may send as another."""
    owner, user = request.owner, request.caller.user or request.owner
    if owner.owns(address):
        on_behalf = user is not owner and user.id not in request.mailbox.send_as
    else:
        on_behalf = right(request, address) == "behalf"
    return Person(user.name, user.upn) if on_behalf else None


def _has_form(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and not any(sign in address for sign in " <>,;")
