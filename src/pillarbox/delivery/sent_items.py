"""Looking for a message in Sent Items by its Message-ID: all that the mode `verify` has."""

from pillarbox.core import catalogue
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock, Found
from pillarbox.delivery.transports import Look
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, GraphClient
from pillarbox.store.outbox import Claimed

_SKEW = 60.0
"""Seconds that a copy may be older than its message by the two clocks: a whole second, and what an answer takes."""


async def look(client: GraphClient, message: Claimed, token: TokenSource, clock: Clock) -> Look:
    """Whether Sent Items holds a message. What Microsoft or the network does is `unknown`, not an exception."""
    try:
        answer = await mail.sent_copies(client, message.mailbox.address, message.message_id, token)
    except PillarboxError as error:
        return failed(error.sentence)
    copies = mail.copies_in(answer)
    if copies is None:
        return failed(said(answer))
    age = clock() - message.created_at
    if any(is_its_copy(copy, message, age) for copy in copies):
        return Look(Found.SENT, catalogue.sentence("look.sent"))
    return Look(Found.ABSENT, catalogue.sentence("look.absent"))


def is_its_copy(copy: mail.Copy, message: Claimed, age: float) -> bool:
    """Whether a copy in the mailbox is of this message, `age` seconds after it was accepted. Pure.

    Devices use one Message-ID for all that they send: a copy that is older than the message is of another one, and so
    is one that bears another queue id. The copy's age is Microsoft's own reckoning, so that no clock need be right.
    """
    if copy.queue_id and copy.queue_id != message.id:
        return False
    return copy.age is None or copy.age <= age + _SKEW


def failed(reason: str) -> Look:
    """It could not be looked for, for this reason: nothing is sent again for that."""
    return Look(Found.UNKNOWN, catalogue.sentence("look.failed", reason=reason))


def said(answer: Answer) -> str:
    """What an answer that refuses says, on one line."""
    return " ".join(filter(None, (str(answer.status), *answer.error())))
