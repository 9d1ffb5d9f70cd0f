"""Looking for a message in Sent Items by its Message-ID: all that the mode `verify` has.

Exchange mostly does not show the header of what a mailbox sent, and so not our queue id
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/18761): copies are told from each other by their number
then. What cannot be told is `unknown`: taking another message's copy for this one would lose this one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock, Found
from pillarbox.delivery.transports import Look
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, GraphClient
from pillarbox.store.outbox import Claimed

_SKEW: Final = 60.0
"""Seconds that a copy may be older than its message by the two clocks: a whole second, and what an answer takes."""
_LATE: Final = 900.0
"""Seconds that a copy of another message may be younger than the attempt that made it."""

Twins = Callable[[Claimed, float], Awaitable[int]]
"""How many copies other messages with the same Message-ID may have left since then (`Outbox.twins`)."""


async def look(client: GraphClient, message: Claimed, token: TokenSource, clock: Clock, twins: Twins) -> Look:
    """Whether Sent Items holds a message. What Microsoft or the network does is `unknown`, not an exception."""
    try:
        answer = await mail.sent_copies(client, message.mailbox.address, message.message_id, token)
        copies = mail.copies_in(answer)
        if copies is None:
            return failed(said(answer))
        its = its_copies(copies, message, clock() - message.created_at)
        if not its:
            return Look(Found.ABSENT, catalogue.sentence("look.absent"))
        if any(copy.queue_id for copy in its) or len(its) > await twins(message, message.created_at - _LATE):
            return Look(Found.SENT, catalogue.sentence("look.sent"))
    except PillarboxError as error:
        return failed(error.sentence)
    return Look(Found.UNKNOWN, catalogue.sentence("look.twins"))


def its_copies(copies: Sequence[mail.Copy], message: Claimed, age: float) -> list[mail.Copy]:
    """The copies in the mailbox that can be of this message, `age` seconds after it was accepted. Pure.

    Devices use one Message-ID for all that they send: a copy that is older than the message is of another one, and so
    is one that bears another queue id; one that bears ours is ours. The copy's age is Microsoft's own reckoning, so
    that no clock need be right.
    """
    return [
        copy
        for copy in copies
        if copy.queue_id == message.id or (not copy.queue_id and (copy.age is None or copy.age <= age + _SKEW))
    ]


def failed(reason: str) -> Look:
    """It could not be looked for, for this reason: nothing is sent again for that."""
    return Look(Found.UNKNOWN, catalogue.sentence("look.failed", reason=reason))


def said(answer: Answer) -> str:
    """What an answer that refuses says, on one line."""
    return " ".join(filter(None, (str(answer.status), *answer.error())))
