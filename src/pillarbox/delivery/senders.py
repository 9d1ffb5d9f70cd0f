"""The one sender policy: which mailbox a message leaves from. Pure.

The mailbox in Graph's URL comes from here, from who the submitter is, never from a header alone.
"""

from collections.abc import Sequence

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.headers import Entry, address_key


def mailbox_for(submitter: Submitter, sender: str) -> Mailbox:
    """The mailbox that mail from the envelope sender `sender` leaves from.

    The null sender leaves from the submitter's first mailbox; its From header is checked like any other.
    Raises Forbidden `mail.sender_not_allowed`.
    """
    mailbox = submitter.senders.get(address_key(sender)) if sender else next(iter(submitter.senders.values()), None)
    if mailbox is None:
        raise Forbidden("mail.sender_not_allowed", submitter=submitter.name, sender=sender)
    return mailbox


def check_from(submitter: Submitter, entries: Sequence[Entry]) -> None:
    """Whether the entries of all From headers are one address that the submitter may use.

    Raises InvalidInput `mail.too_many_from`, Forbidden `mail.from_not_allowed`. No From at all is no offence here.
    """
    if len(entries) > 1:
        raise InvalidInput("mail.too_many_from")
    for entry in entries:
        # An entry that cannot be understood has no addresses: whatever Exchange reads in it was not allowed.
        for address in entry.addresses or (entry.text.decode("utf-8", "replace"),):
            if address_key(address) not in submitter.senders:
                raise Forbidden("mail.from_not_allowed", submitter=submitter.name, sender=address)
