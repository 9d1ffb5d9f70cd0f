"""Notices: whether a sender is told what became of a message, by which mailbox, and who is told besides.

The table stands in docs/explanation/bounces.md, the text is made by delivery/bounce.py. A notice is an ordinary message
of the outbox, written in the transaction of the state that it tells of: there is one or there is none, also after a
crash. None is ever written about a notice, as it has the null sender.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.errors import Unavailable
from pillarbox.core.headers import address_key
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock, Outcome, State
from pillarbox.delivery import bounce
from pillarbox.delivery.bounce import Action, Report
from pillarbox.delivery.queue_id import queue_id
from pillarbox.store.accounts import Accounts
from pillarbox.store.outbox import Claimed, Next, Notice, Outbox

MOST_AN_HOUR: Final = 60
"""Notices that one recipient gets within an hour."""
_HOUR: Final = 3600.0
_MANY: Final = 10_000
"""Recipients of whom it is known when they were told; beyond that, those of more than an hour ago are forgotten."""

_PURPOSE: Final = {Action.FAILED: "bounce", Action.DELAYED: "delayed", Action.RELAYED: "relayed"}
_POSTMASTER: Final = "postmaster"

_CANNOT_SEND: Final = frozenset(
    (Cause.NO_MAILBOX, Cause.MAILBOX_FULL, Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED)
)
"""Causes after which the message's own mailbox would not send a notice either."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings say of notices: see `settings.Delivery`. `hostname` is our own name in them."""

    hostname: str
    bounce_mailbox: str = ""
    bounce_domains: Sequence[str] = ()
    postmaster: str = ""
    delay_warning: float = 0.0


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
        self._told: dict[str, list[float]] | None = None
        """When each recipient got notices of late."""

    async def about(self, message: Claimed, outcome: Outcome, following: Next) -> Told:
        """The notices about a message that an attempt or a look-up brings to another state.

        A mistake of ours costs the notice, never the state. Raises Unavailable where the store cannot be read.
        """
        action = action_of(message, following, self._wishes.delay_warning, self._clock())
        if action is None:
            return Told(following)
        try:
            return await self._about(action, message, outcome, following)
        except Unavailable:
            raise
        except Exception:
            self._log.exception("unexpected", where="notice", id=message.id)
            return Told(following, notes=(catalogue.sentence("notice.mistake"),))

    def written(self, message: Claimed, told: Told) -> None:
        """The notices are committed."""
        for notice in told.notices:
            self._log.info("mail.notice", id=notice.id, about=message.id, purpose=notice.purpose)
            self._wake(notice.mailbox_id)

    async def _about(self, action: Action, message: Claimed, outcome: Outcome, following: Next) -> Told:
        beginning = await self._outbox.beginning(message)
        former = {row["purpose"] for row in await self._outbox.notices(message.seq)}
        notices, notes = [], []
        purpose = _PURPOSE[action]
        if purpose in former:
            is_told = True
        else:
            notice, why_not = await self._to_sender(action, message, outcome, beginning)
            notices += [notice] if notice else []
            # Of what nobody asked for, nothing is missed.
            notes += [why_not] if why_not and action is Action.FAILED else []
            is_told = notice is not None
        if action is Action.FAILED and _POSTMASTER not in former:
            copy = await self._to_postmaster(message, outcome, beginning)
            notices += [copy] if copy else []
        if action is Action.FAILED and is_told:
            following = replace(following, state=State.BOUNCED)
        return Told(following, tuple(notices), tuple(notes))

    async def _to_sender(
        self, action: Action, message: Claimed, outcome: Outcome, beginning: bytes
    ) -> tuple[Notice | None, str]:
        """The notice, or the sentence why there is none."""
        code = silent(action, message, beginning)
        if code:
            return None, catalogue.sentence(code)
        keeper = await self._keeper()
        to = message.envelope.sender
        if not may_be_told(to, message.mailbox, self._wishes.bounce_domains):
            if keeper is None:
                return None, catalogue.sentence("notice.stranger", sender=to)
            to = keeper.address
        recipients = [one for one in message.envelope.recipients if bounce.wants(message.envelope.dsn, one, action)]
        return await self._notice(_PURPOSE[action], action, message, outcome, beginning, keeper, to, recipients)

    async def _to_postmaster(self, message: Claimed, outcome: Outcome, beginning: bytes) -> Notice | None:
        """A copy for who runs the house, also about a message of the null sender, such as a bounce."""
        to = self._wishes.postmaster
        if not to or message.purpose in (_POSTMASTER, "test"):
            return None
        recipients = message.envelope.recipients
        keeper = await self._keeper()
        notice, _ = await self._notice(_POSTMASTER, Action.FAILED, message, outcome, beginning, keeper, to, recipients)
        return notice

    async def _notice(
        self,
        purpose: str,
        action: Action,
        message: Claimed,
        outcome: Outcome,
        beginning: bytes,
        keeper: Mailbox | None,
        to: str,
        recipients: Sequence[str],
    ) -> tuple[Notice | None, str]:
        origin = _origin(action, message.mailbox, outcome.cause, keeper)
        if origin is None:
            return None, catalogue.sentence("notice.mailbox_cannot", mailbox=message.mailbox.address)
        now = self._clock()
        if not await self._counted(to, now):
            return None, catalogue.sentence("notice.too_many", recipient=to, most=MOST_AN_HOUR)
        report = Report(
            id=queue_id(now, self._random),
            action=action,
            mailbox=origin.address,
            to=to,
            recipients=recipients,
            status=_status(action, outcome.cause),
            diagnostic="" if action is Action.RELAYED else bounce.diagnostic(outcome),
            reasons=() if action is Action.RELAYED else _reasons(outcome),
            hostname=self._wishes.hostname,
        )
        notice = Notice(
            id=report.id,
            about=message.seq,
            purpose=purpose,
            mailbox_id=origin.id,
            recipient=to,
            message_id=bounce.message_id(report),
            mime=bounce.compose(report, message, bounce.header_of(beginning), now),
            # As long as the message itself was to be tried.
            expires_at=now + message.expires_at - message.created_at,
        )
        return notice, ""

    async def _keeper(self) -> Mailbox | None:
        """The mailbox that sends and gets what the message's own cannot."""
        address = self._wishes.bounce_mailbox
        return await self._accounts.mailbox(address) if address else None

    async def _counted(self, recipient: str, now: float) -> bool:
        """Count one more notice to a recipient; False where there were too many."""
        told = self._told
        if told is None:
            told = self._told = {}
            for one, at in await self._outbox.told_since(now - _HOUR):
                told.setdefault(address_key(one), []).append(at)
        key = address_key(recipient)
        late = [at for at in told.get(key, ()) if now - _HOUR < at <= now]
        if len(late) >= MOST_AN_HOUR:
            return False
        told[key] = [*late, now]
        if len(told) > _MANY:
            self._told = {one: times for one, times in told.items() if now - _HOUR < times[-1] <= now}
        return True


# ---- pure


def action_of(message: Claimed, following: Next, delay_warning: float, now: float) -> Action | None:
    """What of a message that goes on so is to be told, if anything.

    `delay_warning` is the age in seconds from which on a message that is not sent yet is told of; 0: none is.
    """
    match following.state:
        case State.FAILED:
            return Action.FAILED
        case State.SENT:
            return Action.RELAYED if _is_success_wanted(message) else None
        case State.DEFERRED | State.HELD:
            return Action.DELAYED if 0 < delay_warning <= now - message.created_at else None
        case _:
            return None


def _is_success_wanted(message: Claimed) -> bool:
    envelope = message.envelope
    return bool(envelope.dsn.notify) and any(
        bounce.wants(envelope.dsn, one, Action.RELAYED) for one in envelope.recipients
    )


def silent(action: Action, message: Claimed, beginning: bytes) -> str:
    """The catalogue's code of why the sender of a message is not told; empty where it is.

    RFC 5321 section 4.5.5 (null sender), RFC 3461 section 4.1 (NOTIFY), RFC 3464 section 2.
    """
    if message.purpose == "test":
        return "notice.of_test"
    if not message.envelope.sender:
        return "notice.null_sender"
    if message.purpose or bounce.is_notice(beginning):
        return "notice.of_notice"
    if not any(bounce.wants(message.envelope.dsn, one, action) for one in message.envelope.recipients):
        return "notice.not_wanted"
    return ""


def may_be_told(sender: str, mailbox: Mailbox, domains: Sequence[str]) -> bool:
    """Whether a notice goes to this sender: one of the mailbox's own domain, or of those that the settings name.

    A submitter with `force_from` may write anybody's address there, and they would get mail that they never caused.
    """
    own = {_domain(mailbox.address), *(_domain(f"@{one}") for one in domains)}
    return _domain(sender) in own


def _domain(address: str) -> str:
    return address_key(address).rpartition("@")[2]


def _origin(action: Action, mailbox: Mailbox, cause: Cause, keeper: Mailbox | None) -> Mailbox | None:
    """The mailbox that a notice leaves from: the message's own, unless that is what is wrong."""
    if cause in _CANNOT_SEND:
        return keeper if keeper and keeper.id != mailbox.id else None
    # What waits would hold up its own warning.
    return keeper if keeper and action is Action.DELAYED else mailbox


def _status(action: Action, cause: Cause) -> str:
    if action is not Action.DELAYED:
        return cause.entry.dsn if action is Action.FAILED else "2.0.0"
    status = cause.entry.smtp.partition(" ")[2]
    return status if status.startswith("4.") else "4.4.7"


def _reasons(outcome: Outcome) -> Sequence[str]:
    words = outcome.cause.entry
    said = catalogue.sentence("notice.said", text=outcome.text) if outcome.text else ""
    return [text for text in (words.sentence, said, outcome.cure or words.cure) if text]
