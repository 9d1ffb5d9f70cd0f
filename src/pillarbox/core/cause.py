"""Why an attempt ended as it did: the rows of the table in docs/explanation/flow.md, for every transport the same.

A transport says the cause; delivery/policy.py says what follows it; the catalogue has its words (`cause.throttled`).
"""

from enum import StrEnum
from typing import Final

from pillarbox.core import catalogue


class Verdict(StrEnum):
    """What an attempt came to, in five words; a cause has one."""

    SENT = "sent"
    RETRY = "retry"
    REFUSED = "refused"
    BROKEN = "broken"
    """The account, not the message, is refused: somebody must act."""
    UNCERTAIN = "uncertain"
    """Microsoft may or may not have taken it."""


class Cause(StrEnum):
    """Why an attempt ended as it did."""

    ACCEPTED = "accepted"

    THROTTLED = "throttled"
    CONCURRENCY = "concurrency"
    """More requests at once than the mailbox is allowed."""
    QUOTA = "quota"
    """Messages or recipients of a day, of the mailbox or the tenant."""
    MAILBOX_FULL = "mailbox_full"
    BUSY = "busy"
    """Not now, for a reason of its own: any refusal for a time that is none of the above."""
    UNREACHABLE = "unreachable"
    UNKNOWN_HOST = "unknown_host"
    """DNS says that there is no such name: a mistake in the settings or the network, which no time mends."""
    TOKEN_UNAVAILABLE = "token_unavailable"
    STORE = "store"
    NO_MAILBOX = "no_mailbox"
    """Perhaps not replicated yet, or never there."""
    UNKNOWN = "unknown"
    """A refusal that no table of ours knows."""

    UNTRUSTED = "untrusted"
    """What answered in Microsoft's place has no certificate that we trust."""
    ACCOUNT_BROKEN = "account_broken"
    ACCESS_DENIED = "access_denied"
    BLOCKED = "blocked"
    """Microsoft takes no mail from this mailbox any more: an outbound spam verdict, which a person can lift."""

    SEND_AS_DENIED = "send_as_denied"
    BAD_RECIPIENT = "bad_recipient"
    BAD_CONTENT = "bad_content"
    TOO_LARGE = "too_large"

    UNCLEAR = "unclear"
    DOUBTED = "doubted"
    """A refusal with which mail was seen to leave all the same, and no look has told yet whether this one did."""
    INTERRUPTED = "interrupted"
    """Our process ended in the middle."""
    DRAFT_GONE = "draft_gone"
    INTERNAL = "internal"
    """A mistake of ours in the middle."""

    @property
    def verdict(self) -> Verdict:
        """What an attempt that ended so came to."""
        return _VERDICTS[self]

    @property
    def entry(self) -> catalogue.Entry:
        """Its words, and its status in SMTP and in a bounce."""
        return catalogue.entry(f"cause.{self}")


_VERDICTS = {
    Cause.ACCEPTED: Verdict.SENT,
    **dict.fromkeys(
        (
            Cause.THROTTLED,
            Cause.CONCURRENCY,
            Cause.QUOTA,
            Cause.MAILBOX_FULL,
            Cause.BUSY,
            Cause.UNREACHABLE,
            Cause.UNKNOWN_HOST,
            Cause.TOKEN_UNAVAILABLE,
            Cause.STORE,
            Cause.NO_MAILBOX,
            Cause.UNKNOWN,
        ),
        Verdict.RETRY,
    ),
    **dict.fromkeys((Cause.UNTRUSTED, Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED, Cause.BLOCKED), Verdict.BROKEN),
    **dict.fromkeys((Cause.SEND_AS_DENIED, Cause.BAD_RECIPIENT, Cause.BAD_CONTENT, Cause.TOO_LARGE), Verdict.REFUSED),
    **dict.fromkeys(
        (Cause.UNCLEAR, Cause.DOUBTED, Cause.INTERRUPTED, Cause.DRAFT_GONE, Cause.INTERNAL), Verdict.UNCERTAIN
    ),
}

SOMETIMES_SENT: Final = (Cause.THROTTLED, Cause.CONCURRENCY, Cause.QUOTA)
"""Refusals with which mail was seen to leave all the same: https://learn.microsoft.com/answers/questions/5629476"""

DOUBTS: Final = tuple(cause for cause in Cause if cause.verdict is Verdict.UNCERTAIN)
"""The causes after which Microsoft may have the message."""
