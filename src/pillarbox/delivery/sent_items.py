"""Looking for a message in Sent Items by its Message-ID: all that the mode `verify` has.

Exchange mostly does not show the header of what a mailbox sent, and so not our queue id
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/18761): copies are told from each other by their number
then. What cannot be told is `undecided`: taking another message's copy for this one would lose this one, and
overlooking its own would double it. No clock decides that alone: it may have been wrong when the message came, and be
right now.
"""

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.bearer import TokenSource
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock, Found
from pillarbox.delivery.transports import Look
from pillarbox.graph import mail
from pillarbox.graph.client import Answer, GraphClient
from pillarbox.store.messages import Claimed

_SKEW: Final = 60.0
"""Seconds that a copy may be older than its message by the two clocks: a whole second, and what an answer takes."""
LONG_BEFORE: Final = 86_400.0
"""Seconds by which a copy that is older than the message is of another one, whatever the clocks did."""
_MESSAGE_ID: Final = re.compile(r"<[^<>()\s@]+@[^<>()\s@]+>", re.ASCII)
"""The form by which Exchange finds a message: one msg-id (RFC 5322 section 3.6.4), and nothing beside it."""

Twins = Callable[[Claimed], Awaitable[int]]
"""How many copies other messages with the same Message-ID may have left (`Outbox.twins`)."""


async def look(
    client: GraphClient,
    message: Claimed,
    token: TokenSource,
    clock: Clock,
    twins: Twins,
    jumped_at: float = -math.inf,
) -> Look:
    """Whether Sent Items holds a message. What Microsoft or the network does is `unknown`, not an exception.

    `jumped_at` is when the clock was set last, as far as that was seen.
    """
    try:
        answer = await mail.sent_copies(client, message.mailbox.address, message.message_id, token)
        copies = mail.copies_in(answer)
        if copies is None:
            return failed(said(answer))
        # Asked for after the copies: what was sent meanwhile counts too.
        others = await twins(message)
    except PillarboxError as error:
        return failed(error.sentence)
    match found := judge(copies, message, clock(), others, jumped_at):
        case Found.SENT:
            return Look(found, catalogue.sentence("look.sent"))
        case Found.ABSENT if _MESSAGE_ID.fullmatch(message.message_id):
            return Look(found, catalogue.sentence("look.absent"))
        case Found.ABSENT:
            return Look(Found.UNDECIDED, catalogue.sentence("look.message_id"))
    return Look(found, catalogue.sentence("look.twins"))


def judge(copies: Sequence[mail.Copy], message: Claimed, now: float, twins: int, jumped_at: float = -math.inf) -> Found:
    """What the copies with its Message-ID say of a message, of which others may have left so many. Pure.

    One that bears a queue id is of that message. Of the others those count that are no older than the message, by
    Microsoft's own reckoning: are there more than the twins can have left, one is its own. Where the clock jumped since
    the message came, ahead or back, its age is not known: then those of a day count, for as long as every twin is known
    (retention).
    """
    if any(copy.queue_id == message.id for copy in copies):
        return Found.SENT
    # Devices use one Message-ID for all that they send.
    ages = [copy.age for copy in copies if not copy.queue_id]
    # A clock that went back shows less than it did when the message came; when its attempt began was set back with it,
    # which is a while after its copy came.
    its = now - min(message.created_at, message.started_at)
    has_jumped = jumped_at > message.created_at or message.started_at < message.created_at
    oldest = LONG_BEFORE if has_jumped else its + _SKEW
    if sum(age is not None and age <= oldest for age in ages) > twins:
        return Found.SENT
    if all(age is not None and age > its + LONG_BEFORE for age in ages):
        return Found.ABSENT
    return Found.UNDECIDED


def failed(reason: str) -> Look:
    """It could not be looked for, for this reason: nothing is sent again for that."""
    return Look(Found.UNKNOWN, catalogue.sentence("look.failed", reason=reason))


def said(answer: Answer) -> str:
    """What an answer that refuses says, on one line."""
    return " ".join(filter(None, (str(answer.status), *answer.error())))
