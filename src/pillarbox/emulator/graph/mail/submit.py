"""What sendMail and the sending of drafts share: the checks of Exchange, then delivery."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import SEND, Request
from pillarbox.emulator.mail import headers as mime
from pillarbox.emulator.mail.address import has_form
from pillarbox.emulator.mail.compose import compose, people_line
from pillarbox.emulator.mail.content import Content, Person
from pillarbox.emulator.world.delivery import MAX_RECIPIENTS, Right, Submission, deliver, new_message_id, right_to_send
from pillarbox.emulator.world.mailbox import Message

RECIPIENTS = ("To", "Cc", "Bcc")
OTHERS = ("From", "Sender", "Reply-To")


@dataclass(frozen=True)
class Named:
    """The addresses in a mail: From, Sender, who gets it (each once), and others in JSON that must have a form."""

    authors: list[str]
    senders: list[str]
    recipients: list[str]
    others: tuple[str, ...] = ()

    @classmethod
    def by_parts(cls, content: Content) -> "Named":
        """Those that JSON wrote, as they stand there: no header is made of them and read again."""
        people = content.people
        authors = people["From"] or people["Sender"]
        recipients = {each.address.casefold(): each.address for name in RECIPIENTS for each in people[name]}
        others = tuple(each.address for name in OTHERS for each in people[name])
        return cls(_addresses(authors), _addresses(people["Sender"]), list(recipients.values()), others)

    @classmethod
    def by_headers(cls, headers: mime.Headers) -> "Named":
        """Those in MIME."""
        recipients = mime.addresses(headers, *map(str.lower, RECIPIENTS))
        return cls(mime.addresses(headers, "from"), mime.addresses(headers, "sender"), recipients)


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
    ident = draft.internet_message_id if draft else ""
    leaving: bytes | Content
    if isinstance(mail, Content):
        named = Named.by_parts(mail)
        _check_forms(named)
        leaving = _signed(request, mail, ident)
        content = compose(leaving)
        headers = mime.headers_of(content)
    else:
        headers = mime.headers_of(mail)
        named = Named.by_headers(headers)
        _check_forms(named)
        leaving = content = _completed(request, mail, headers, named, ident)
        headers = headers if content is mail else mime.headers_of(content)
    if len(content) > mailbox.max_send_size:
        raise GraphError("ErrorMessageSizeExceeded")
    if mailbox.full and draft is None:
        raise GraphError("ErrorQuotaExceeded")
    _check(request, named)
    if draft and leaving is not mail:
        mailbox.edit(draft, call.now, leaving)
    submission = Submission(
        tenant=request.caller.tenant,
        sender=request.owner,
        mime=content,
        headers=headers,
        recipients=named.recipients,
        app_id=request.caller.app_id,
        request_id=call.request_id,
        client_request_id=call.client_request_id,
        save=save,
        draft=draft,
        marks=marks or {},
    )
    deliver(request.world, request.ledger, submission, call.now)


def _check_forms(named: Named) -> None:
    """Refuse a mail to nobody, and addresses that are none; they are never repaired into somebody else's."""
    if not named.recipients or not all(map(has_form, (*named.recipients, *named.others))):
        raise GraphError("ErrorInvalidRecipients")


def _check(request: Request, named: Named) -> None:
    """Refuse what Exchange does not send: too many recipients, a From or Sender that is another's."""
    if len(named.recipients) > MAX_RECIPIENTS:
        raise GraphError("ErrorInvalidRecipients", f"The message has more than {MAX_RECIPIENTS} recipients.")
    if request.world.checks_from:
        if not all(right(request, each) for each in named.authors):
            raise GraphError("ErrorSendAsDenied")
        if not all(_may_hand_in(request, each, named) for each in named.senders):
            raise GraphError("ErrorSendAsDenied")
    if not request.world.limits.may_send(request.owner.id, len(named.recipients), request.call.now):
        raise GraphError("ErrorExceededMessageLimit")


def _may_hand_in(request: Request, address: str, named: Named) -> bool:
    """Whether the mail may name that Sender: an author, the mailbox or who is signed in; Graph sets it itself."""
    user = request.caller.user
    known = address.casefold() in map(str.casefold, named.authors)
    return known or request.owner.owns(address) or (user is not None and user.owns(address))


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


def _signed(request: Request, content: Content, ident: str) -> Content:
    """The parts as they leave: with From, Sender where it is another, Date, and a Message-ID, that of the draft."""
    from_ = content.from_ or content.sender or _own(request)
    ident = content.message_id or ident or new_message_id(request.world, request.caller.tenant)
    sender = _sender(request, from_.address)
    return replace(content, from_=from_, sender=sender, date=request.call.now, message_id=ident)


def _completed(request: Request, mail: bytes, headers: mime.Headers, named: Named, ident: str) -> bytes:
    """The MIME with the From, Date and Message-ID that it lacks (facts 3.3), and with a Sender where From is another's
    on whose behalf it is sent; else byte for byte."""
    own = _own(request)
    if not named.authors:  # There may be a From that names nobody.
        mail, headers = mime.without(mail, b"from"), tuple(each for each in headers if each[0].lower() != "from")
    date, ident = formatdate(request.call.now), ident or new_message_id(request.world, request.caller.tenant)
    lines = people_line("From", [own]), f"Date: {date}", f"Message-ID: {ident}"
    mail = mime.completed(mail, headers, *lines)
    sender = _sender(request, (*named.authors, own.address)[0])
    if sender is None:
        return mail
    return f"{people_line('Sender', [sender])}\r\n".encode() + mime.without(mail, b"sender")


def _own(request: Request) -> Person:
    return Person(request.owner.name, request.owner.upn)


def _sender(request: Request, address: str) -> Person | None:
    """Who is named as Sender beside that From, None if nobody is: Exchange hides who may send as another."""
    owner, user = request.owner, request.caller.user or request.owner
    if owner.owns(address):
        on_behalf = user is not owner and user.id not in request.mailbox.send_as
    else:
        on_behalf = right(request, address) == "behalf"
    return Person(user.name, user.upn) if on_behalf else None


def _addresses(people: Iterable[Person]) -> list[str]:
    return [each.address for each in people]
