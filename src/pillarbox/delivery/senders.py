"""The one sender policy: which mailbox a message leaves from. Pure.

The mailbox in Graph's URL comes from here, from who the submitter is, never from a header alone.
"""

import re
from collections.abc import Sequence
from typing import Final

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.headers import address_key


def mailbox_for(submitter: Submitter, sender: str) -> Mailbox:
    """The mailbox that mail from the envelope sender `sender` leaves from.

    The null sender leaves from the submitter's first mailbox; its From header is checked like any other.
    Raises Forbidden `mail.sender_not_allowed`.
    """
    mailbox = submitter.senders.get(address_key(sender)) if sender else next(iter(submitter.senders.values()), None)
    if mailbox is None:
        raise Forbidden("mail.sender_not_allowed", submitter=submitter.name, sender=sender)
    return mailbox


def check_from(submitter: Submitter, values: Sequence[bytes]) -> None:
    """Whether the values of all From fields name one address, which the submitter may use. No From is no offence.

    Display names are as programs write them, in quotes also with somebody's address, as contact forms do. Whatever else
    looks like an address, anywhere in the field, counts as one.
    Raises InvalidInput `mail.too_many_from`, Forbidden `mail.from_not_allowed`.
    """
    if len(values) > 1:
        raise InvalidInput("mail.too_many_from")
    for value in values:
        outside = _QUOTED_NAME.sub(b" ", value)
        found = [word.decode("utf-8", "replace") for word in _ADDRESS_LIKE.findall(outside)]
        if not found or len(found) != outside.count(b"@") or _CONTROL.search(value):
            raise Forbidden("mail.from_not_allowed", submitter=submitter.name, sender=value.decode("utf-8", "replace"))
        for address in found:
            if address_key(address) not in submitter.senders:
                raise Forbidden("mail.from_not_allowed", submitter=submitter.name, sender=address)
        if len({address_key(address) for address in found}) > 1:
            raise InvalidInput("mail.too_many_from")


_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTED_NAME: Final = re.compile(rb'"[^"\\\r\n]*+"(?!@)')
_ADDRESS_LIKE: Final = re.compile(rb'[^\x00-\x20\x7f<>()\[\],;:"\\@]++@[^\x00-\x20\x7f<>()\[\],;:"\\@]++')
