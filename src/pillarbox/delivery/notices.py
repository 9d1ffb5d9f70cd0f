"""Notices: whether a sender is told what became of a message, by which mailbox, and who is told besides.

The rules are in delivery/notice_rules.py, the text is made by delivery/bounce.py. A notice is an ordinary message of
the outbox, written in the transaction of the state that it tells of: there is one or there is none, also after a
crash. A warning of a delay tells of no state and is written by itself (delivery/delays.py). None is ever written about
a notice, as it has the null sender.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.errors import Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome, Priority, State
from pillarbox.delivery import bounce
from pillarbox.delivery.bounce import Action, Report
from pillarbox.delivery.notice_rules import (
    Case,
    action_of,
    is_whole_wanted,
    may_be_told,
    origin_of,
    reasons_of,
    silent,
    status_of,
)
from pillarbox.delivery.queue_id import queue_id
from pillarbox.store.accounts import Accounts
from pillarbox.store.messages import Claimed, Next, Notice
from pillarbox.store.outbox import Outbox

MOST_AN_HOUR: Final = 60
"""Notices that one recipient gets within an hour, and a few more where several messages fail at the same moment."""
_HOUR: Final = 3600.0

_PURPOSE: Final = {Action.FAILED: "bounce", Action.DELAYED: "delayed", Action.RELAYED: "relayed"}
_POSTMASTER: Final = "postmaster"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings say of notices: see `settings.Delivery`. `hostname` is our own name in them.

    A notice is tried for `max_age` seconds, however few its message was: what held that up may hold up its bounce.
    """

    hostname: str
    max_age: float
    bounce_mailbox: str = ""
    bounce_domains: Sequence[str] = ()
    postmaster: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What follows an attempt now: the state says too whether the sender is told; `notes` why not."""

    following: Next
    notices: tuple[Notice, ...] = ()
    notes: tuple[str, ...] = ()


class Notices:
    """Makes notices. `wake` is called with the mailbox of each one that was written."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Accounts,
        clock: Clock,
        random: Callable[[int], bytes],
        log: Logger,
        wake: Callable[[int], None],
        wishes: Wishes,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._clock = clock
        self._random = random
        self._log = log
        self._wake = wake
        self._wishes = wishes

    async def about(self, message: Claimed, outcome: Outcome, following: Next) -> Told:
        """The notices about a message that an attempt or a look-up brings to another state.

        A mistake of ours costs the notice, never the state. Raises Unavailable where the store cannot be read.
        """
        action = action_of(message, following)
        if action is None or (action is Action.RELAYED and outcome.reports):
            return Told(following)
        try:
            return await self._about(action, message, outcome, following)
        except Unavailable:
            raise
        except Exception:
            self._log.exception("unexpected", where="notice", id=message.id)
            return Told(following, notes=(catalogue.sentence("notice.mistake"),))

    async def delayed(self, message: Claimed, outcome: Outcome | None, *, can_send: bool) -> Notice | None:
        """The warning that a message still waits, if its sender is to be told so.

        `outcome` is that of its last attempt; None: there was none. `can_send`: its own mailbox sends now, so that a
        warning from there would not come behind what it warns of. Raises Unavailable where the store cannot be read.
        """
        case = Case(Action.DELAYED, message, await self._outbox.beginning(message), outcome)
        notice, _ = await self._to_sender(case, can_send=can_send)
        return notice

    def written(self, message: Claimed, notices: Sequence[Notice]) -> None:
        """The notices are committed."""
        for notice in notices:
            self._log.info("mail.notice", id=notice.id, about=message.id, purpose=notice.purpose)
            self._wake(notice.mailbox_id)

    async def _about(self, action: Action, message: Claimed, outcome: Outcome, following: Next) -> Told:
        case = Case(action, message, await self._outbox.beginning(message), outcome, following.error)
        rows = await self._outbox.notices(message.seq)
        former = {row["purpose"] for row in rows if row["state"] not in (State.FAILED, State.CANCELED)}
        notices, notes = [], []
        purpose = _PURPOSE[action]
        if purpose in former:
            is_told = True
        else:
            notice, why_not = await self._to_sender(case)
            notices += [notice] if notice else []
            # Of a success that nobody asked for, nothing is missed.
            notes += [why_not] if why_not and action is Action.FAILED else []
            is_told = notice is not None
        if action is Action.FAILED and _POSTMASTER not in former:
            copy, why_not = await self._to_postmaster(case)
            notices += [copy] if copy else []
            notes += [why_not] if why_not else []
        if action is Action.FAILED and is_told:
            following = replace(following, state=State.BOUNCED)
        return Told(following, tuple(notices), tuple(notes))

    async def _to_sender(self, case: Case, *, can_send: bool = True) -> tuple[Notice | None, str]:
        """The notice, or the sentence why there is none."""
        message = case.message
        code = silent(case.action, message, case.beginning)
        if code:
            return None, catalogue.sentence(code)
        keeper = await self._keeper()
        to = message.envelope.sender
        if not may_be_told(to, message.mailbox, self._wishes.bounce_domains):
            if keeper is None:
                return None, catalogue.sentence("notice.stranger", sender=to)
            to = keeper.address
        origin = origin_of(case.action, message.mailbox, case.outcome, keeper, can_send=can_send)
        return await self._notice(_PURPOSE[case.action], case, origin, to, case.wanting)

    async def _to_postmaster(self, case: Case) -> tuple[Notice | None, str]:
        """A copy for who runs the house, also about a message of the null sender, such as a bounce."""
        to, message = self._wishes.postmaster, case.message
        if not to or message.purpose in (_POSTMASTER, "test"):
            return None, ""
        origin = origin_of(case.action, message.mailbox, case.outcome, await self._keeper())
        return await self._notice(_POSTMASTER, case, origin, to, message.envelope.recipients)

    async def _notice(
        self, purpose: str, case: Case, origin: Mailbox | None, to: str, recipients: Sequence[str]
    ) -> tuple[Notice | None, str]:
        action, message, beginning, outcome, _ = case
        if origin is None:
            return None, catalogue.sentence("notice.mailbox_cannot", recipient=to, mailbox=message.mailbox.address)
        now = self._clock()
        if await self._outbox.told_since(to, now - _HOUR) >= MOST_AN_HOUR:
            return None, catalogue.sentence("notice.too_many", recipient=to, most=MOST_AN_HOUR)
        report = Report(
            id=queue_id(now, self._random),
            action=action,
            mailbox=origin.address,
            to=to,
            recipients=recipients,
            status=status_of(case),
            diagnostic=bounce.diagnostic(outcome) if outcome and action is not Action.RELAYED else "",
            reasons=reasons_of(case),
            hostname=self._wishes.hostname,
            refused=outcome.recipient if outcome and action is Action.FAILED else "",
        )
        original = bounce.original(message, beginning, report, whole=is_whole_wanted(case, to))
        late = action is Action.DELAYED
        notice = Notice(
            id=report.id,
            about=message.seq,
            purpose=purpose,
            mailbox_id=origin.id,
            recipient=to,
            message_id=bounce.message_id(report),
            mime=bounce.compose(report, message, original, now),
            # A warning, while there is something to warn of.
            expires_at=message.expires_at if late else now + self._wishes.max_age,
            # What waits behind others would hold up its own warning.
            priority=Priority.HIGH if late else Priority.NORMAL,
        )
        return notice, ""

    async def _keeper(self) -> Mailbox | None:
        """The mailbox that sends and gets what the message's own cannot."""
        address = self._wishes.bounce_mailbox
        return await self._accounts.mailbox(address) if address else None
