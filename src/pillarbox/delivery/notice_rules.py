"""What is told in a notice: whether there is one, from which mailbox it leaves, its status and its sentences. Pure.

The table stands in docs/explanation/bounces.md.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.errors import PillarboxError
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Outcome, State
from pillarbox.delivery import bounce
from pillarbox.delivery.bounce import Action
from pillarbox.store.messages import Claimed, Next

_CANNOT_SEND: Final = frozenset(
    (Cause.NO_MAILBOX, Cause.MAILBOX_FULL, Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED)
)
"""Causes after which the message's own mailbox would not send a notice either."""
_BUSY: Final = (Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA)
"""Causes that a notice would wait for as the message did, in the same mailbox."""
_OF_THE_BYTES: Final = (Cause.BAD_CONTENT, Cause.TOO_LARGE)
"""Causes that a notice would meet too which gives the message back whole."""


class Case(NamedTuple):
    """What a notice tells: of which message, which begins so, and what its last attempt came to (None: it had none).

    `ended`: why it is not tried again, where that is not what the attempt came to.
    """

    action: Action
    message: Claimed
    beginning: bytes
    outcome: Outcome | None
    ended: PillarboxError | None = None

    @property
    def wanting(self) -> Sequence[str]:
        """The recipients of whom the client wants to hear it."""
        envelope = self.message.envelope
        return [one for one in envelope.recipients if bounce.wants(envelope.dsn, one, self.action)]


def action_of(message: Claimed, following: Next) -> Action | None:
    """What of a message that goes on so is to be told, if anything; of a delay tells delivery/delays.py."""
    match following.state:
        case State.FAILED:
            return Action.FAILED
        case State.SENT:
            return Action.RELAYED if _is_success_wanted(message) else None
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


def origin_of(
    action: Action, mailbox: Mailbox, outcome: Outcome | None, keeper: Mailbox | None, *, can_send: bool = True
) -> Mailbox | None:
    """The mailbox that a notice leaves from: the message's own, unless that is what is wrong."""
    if not can_send or (outcome and outcome.cause in _CANNOT_SEND):
        return keeper if keeper and keeper.id != mailbox.id else None
    is_busy = action is Action.DELAYED or (outcome is not None and outcome.cause in _BUSY)
    return keeper if keeper and is_busy else mailbox


def is_whole_wanted(case: Case, to: str) -> bool:
    """Whether the message is to be given back whole (RFC 3461 section 4.3): to its sender alone, as others' eyes are
    not meant, and where what was refused are not its bytes."""
    envelope, outcome = case.message.envelope, case.outcome
    wanted = case.action is Action.FAILED and envelope.dsn.ret.upper() == "FULL"
    return wanted and to == envelope.sender and not (outcome and outcome.cause in _OF_THE_BYTES)


def status_of(case: Case) -> str:
    """The enhanced status code (RFC 3463) of a notice."""
    if case.action is Action.RELAYED:
        return "2.0.0"
    words = case.outcome.cause.entry if case.outcome else None
    if case.action is Action.FAILED and words:
        own = case.outcome.code.partition(" ")[2] if case.outcome and case.outcome.recipient else ""
        return own if own.startswith("5.") else words.dsn
    status = words.smtp.partition(" ")[2] if words else ""
    return status if status.startswith("4.") else "4.4.7"


def reasons_of(case: Case) -> Sequence[str]:
    """Sentences for people. What the cause says of further attempts is no cure where there are none."""
    message, outcome, ended = case.message, case.outcome, case.ended
    if case.action is Action.RELAYED:
        return ()
    if outcome is None:
        return (catalogue.sentence("notice.not_begun", mailbox=message.mailbox.address),)
    words = outcome.cause.entry
    is_many = len(message.envelope.recipients) > 1
    is_one_of_many = outcome.cause is Cause.BAD_RECIPIENT and is_many and not outcome.recipient
    for_others = outcome.recipient if is_many else ""
    said = (
        ended.sentence if ended else "",
        # Of what was unclear it was found out.
        words.sentence if not ended or outcome.verdict is Verdict.RETRY else "",
        catalogue.sentence("notice.one_of_them") if is_one_of_many else "",
        catalogue.sentence("notice.for_another", recipient=for_others) if for_others else "",
        catalogue.sentence("notice.said", text=outcome.text) if outcome.text else "",
        ended.cure if ended else outcome.cure or words.cure,
    )
    return [text for text in said if text]
