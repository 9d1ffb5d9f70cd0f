"""The one sender policy: whether a submitter may send so, and which mailbox the message leaves from. Pure.

It looks at MAIL FROM and at every From, Sender, Resent-From and Resent-Sender; Reply-To is free. The mailbox in Graph's
URL comes from here, from who the submitter is, never from a header without a rule of the submitter's.
"""

import email.errors
import email.header
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pillarbox.core import headers
from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.headers import address_key
from pillarbox.core.mail import is_address

ORIGINATORS: Final = (b"from", b"sender", b"resent-from", b"resent-sender", b"reply-to")
"""Fields that say who wrote and sent a message (RFC 5322 sections 3.6.2 and 3.6.6), in lower case."""
_CHECKED: Final = (b"sender", b"resent-from", b"resent-sender")


@dataclass(frozen=True, slots=True)
class Leave:
    """How a message may leave: its mailbox, and what is written into its header for that.

    `sender` is the new value of From, empty where it stays as it came; `reply_to` is that of a Reply-To to add.
    A mailbox with the id 0 is one of a domain's, which is not kept yet.
    """

    mailbox: Mailbox
    sender: str = ""
    reply_to: str = ""


def mailbox_for(submitter: Submitter, sender: str) -> Mailbox:
    """The mailbox that mail from the envelope sender `sender` leaves from; of the null sender, the first one.

    Raises Forbidden `mail.sender_not_allowed`.
    """
    found = _of_rule(submitter, sender) if sender else None
    if found is None and (not sender or submitter.force_from):
        found = _first(submitter)
    if found is None:
        raise Forbidden("mail.sender_not_allowed", submitter=submitter.name, sender=sender[:_MOST_SHOWN])
    return found


def check_sender(submitter: Submitter, sender: str) -> Mailbox | None:
    """As `mailbox_for`, but None where only From will tell: of the null sender, where no rule names a mailbox."""
    if not sender and submitter.domains and _first(submitter) is None:
        return None
    return mailbox_for(submitter, sender)


def leave(submitter: Submitter, sender: str, originators: Mapping[bytes, Sequence[bytes]]) -> Leave:
    """Whether a message with this envelope sender and these values of ORIGINATORS may leave, and how.

    Display names are as programs write them, in quotes also with somebody's address, as contact forms do. The mailbox
    is that of From's rule, as Exchange looks at From: an alias in it needs a rule of its own, also where MAIL FROM is
    the mailbox itself.
    Raises InvalidInput `mail.no_from`, `mail.too_many_from`, `mail.not_one_address`, Forbidden
    `mail.sender_not_allowed`, `mail.from_not_allowed`.
    """
    check_sender(submitter, sender)
    for field in _CHECKED:
        for value in originators.get(field, ()):
            if value:
                _mailbox_in(submitter, field, value)
    given = originators.get(b"from", ())
    if submitter.force_from:
        return _forced(mailbox_for(submitter, sender), given, originators.get(b"reply-to", ()))
    if len(given) > 1:
        raise InvalidInput("mail.too_many_from")
    if not any(given):
        if not submitter.fix_from:
            raise InvalidInput("mail.no_from")
        mailbox = mailbox_for(submitter, sender)
        return Leave(mailbox, sender or mailbox.address)
    return Leave(_mailbox_in(submitter, b"from", given[0]))


def check_recipient(submitter: Submitter, address: str) -> None:
    """Whether it may send to this address, if only with an approval. Raises Forbidden `mail.recipient_not_allowed`."""
    if submitter.on_other_recipients == "hold" or is_recipient_of(submitter, address):
        return
    raise Forbidden("mail.recipient_not_allowed", submitter=submitter.name, recipient=address)


def is_recipient_of(submitter: Submitter, address: str) -> bool:
    """Whether it may send to this address without anybody's approval."""
    if not submitter.recipients:
        return True
    key = address_key(address)
    allowed = _keys(submitter.recipients)
    return key in allowed or (f"*@{key.rpartition('@')[2]}" in allowed and not _hides_another(address))


def needs_approval(submitter: Submitter, recipients: Iterable[str]) -> bool:
    """Whether a message to these waits until a person lets it go."""
    return not all(is_recipient_of(submitter, each) for each in recipients)


@lru_cache(1024)
def _keys(rules: tuple[str, ...]) -> frozenset[str]:
    return frozenset(address_key(rule) for rule in rules)


# ---- rules


def _of_rule(submitter: Submitter, address: str) -> Mailbox | None:
    """The mailbox that mail from this address leaves from, if there is a rule for it."""
    key = address_key(address)
    if exact := submitter.senders.get(key):
        return exact
    if not submitter.domains:
        return None
    domain = key.rpartition("@")[2]
    of_domain = submitter.domains.get(domain)
    if of_domain is None or not is_address(address) or _hides_another(address):
        return None
    if isinstance(of_domain, Mailbox):
        return of_domain
    # It becomes a mailbox in Graph's URL.
    return Mailbox(0, address, of_domain) if _is_of_exchange(address, domain) else None


def _hides_another(address: str) -> bool:
    """Whether a mail program may read another address in it: an encoded word (RFC 2047), or an @ in quotes."""
    return "=?" in address or address.count("@") > 1


def _is_of_exchange(address: str, domain: str) -> bool:
    """Whether a mailbox can have it; `domain` is that of its key.

    A domain that is not ASCII is written as it is, not with letters and dots that merely become it (IDNA's mapping).
    https://learn.microsoft.com/en-us/microsoft-365/enterprise/prepare-for-directory-synchronization
    """
    local, _, written = address.rpartition("@")
    return bool(_LOCAL.fullmatch(local)) and (written.isascii() or written == _unicode(domain))


def _unicode(domain: str) -> str:
    return domain.encode("ascii", "replace").decode("idna")


_LOCAL: Final = re.compile(r"[A-Za-z0-9'_!#^~&+-]++(?:\.[A-Za-z0-9'_!#^~&+-]++)*")


def _first(submitter: Submitter) -> Mailbox | None:
    named = (*submitter.senders.values(), *submitter.domains.values())
    return next((one for one in named if isinstance(one, Mailbox)), None)


def _mailbox_in(submitter: Submitter, field: bytes, value: bytes) -> Mailbox:
    """The mailbox of the rule for the one address in a field. Raises InvalidInput, Forbidden."""
    name = field.decode().title()
    address = headers.mailbox(value)
    if not address:
        raise InvalidInput("mail.not_one_address", field=name, value=value[:_MOST_SHOWN].decode("utf-8", "replace"))
    mailbox = _of_rule(submitter, address)
    if mailbox is None:
        shown = address[:_MOST_SHOWN]
        raise Forbidden("mail.from_not_allowed", submitter=submitter.name, sender=shown, field=name)
    return mailbox


_MOST_SHOWN: Final = 200
"""Characters of what was refused that the error, and so the log, shows."""


# ---- From written anew

_LONGEST_NAME: Final = 256
"""Bytes of a display name that is kept."""
_LONGEST_ENTRY: Final = 900
"""Bytes of an entry that replies can go to; it stands on a line of its own (RFC 5322 section 2.1.1)."""


def _forced(mailbox: Mailbox, given: Sequence[bytes], reply_to: Sequence[bytes]) -> Leave:
    """From becomes the mailbox's address, with the display name that was there; replies go to who was there."""
    own = address_key(mailbox.address)
    if len(given) == 1 and _is_own(given[0], own):
        return Leave(mailbox)
    entries = [entry for value in given for entry in headers.entries(value)]
    single = [entry for entry in entries if len(entry.addresses) == 1 and len(entry.text) <= _LONGEST_ENTRY]
    strangers = [entry.text for entry in single if address_key(entry.addresses[0]) != own]
    old = b"" if any(reply_to) else b",\r\n ".join(strangers)
    name = _name(single[0].text) if len(single) == len(entries) == 1 else b""
    named = name + b" <" + mailbox.address.encode() + b">"
    return Leave(
        mailbox,
        named.decode("utf-8", "surrogateescape") if name and _is_own(named, own) else mailbox.address,
        old.decode("utf-8", "surrogateescape") if len(old) <= headers.MAX_VALUE else "",
    )


def _is_own(value: bytes, own: str) -> bool:
    """Whether every reader finds the address with this key in it, and nobody else."""
    return address_key(headers.mailbox(value)) == own


def _name(entry: bytes) -> bytes:
    """The display name of an entry, or nothing where it is long, or may be read as somebody's address."""
    name, _, address = entry.rpartition(b"<")
    name = name.strip()
    if not address or len(name) > _LONGEST_NAME:
        return b""
    return b"" if "@" in _decoded(name.decode("utf-8", "surrogateescape")) else name


def _decoded(name: str) -> str:
    """A display name as a mail program shows it (RFC 2047); what cannot be decoded may be anything, also an @."""
    try:
        return str(email.header.make_header(email.header.decode_header(name)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return "@"
