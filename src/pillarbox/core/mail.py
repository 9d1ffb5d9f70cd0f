"""Words of a message's way: envelope, message, outcome, states. No behaviour beyond what the words mean."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

from pillarbox.core.cause import Cause, Verdict

Clock = Callable[[], float]
"""Seconds since 1970, UTC. Handed in, so that tests own the time."""

# A Mailbox of RFC 5321 section 4.1.2 with the international letters of RFC 6531; source routes are not taken.
_LOCAL: Final = r"(?:[^\s<>()\[\],;:\"\\@\x00-\x1f\x7f]++|\"(?:[^\"\\\x00-\x1f\x7f]++|\\[^\x00-\x1f\x7f])*\")"
_LABEL: Final = r"[^\s<>()\[\],;:\"\\@.\x00-\x1f\x7f!#$%&'*+/=?^`{|}~]++"
_DOMAIN: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z:.\-]++\])"
_MAILBOX: Final = re.compile(rf"({_LOCAL})@({_DOMAIN})")


_LONGEST_ADDRESS: Final = 254
_LONGEST_LOCAL: Final = 64
_LONGEST_LABEL: Final = 63
_LONGEST_INTERNATIONAL: Final = _LONGEST_LABEL - len("xn--")


def is_address(text: str) -> bool:
    """Whether this is a mail address within the lengths of RFC 5321 section 4.5.3.1 and of DNS (octets).

    A path may have 256 with its brackets, which is less than 64 and 255 together.
    """
    match = _MAILBOX.fullmatch(text)
    try:
        short = (
            match is not None and len(match[1].encode()) <= _LONGEST_LOCAL and len(text.encode()) <= _LONGEST_ADDRESS
        )
    except UnicodeEncodeError:
        return False  # Python's stand-ins for bytes that are no UTF-8
    return short and match is not None and (match[2][0] == "[" or all(map(_is_label, match[2].split("."))))


def _is_label(text: str) -> bool:
    # An international one goes into DNS as `xn--` and Punycode (RFC 5890 section 2.3.2.1), which needs one octet or
    # more for each letter (RFC 3492). How many, IDNA 2003 and 2008 tell differently: only what never fits is refused.
    return len(text) <= (_LONGEST_LABEL if text.isascii() else _LONGEST_INTERNATIONAL)


class State(StrEnum):
    """Where a message in the outbox is (docs/explanation/flow.md)."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    UNCERTAIN = "uncertain"
    HELD = "held"
    SENT = "sent"
    FAILED = "failed"
    BOUNCED = "bounced"
    CANCELED = "canceled"


class Priority(IntEnum):
    """Which of two messages of a mailbox goes first. There are these three: a claim looks at each."""

    LOW = -1
    NORMAL = 0
    HIGH = 1


class Approval(StrEnum):
    """Whether a person must let a message go."""

    NEEDLESS = ""
    WANTED = "wanted"
    GIVEN = "given"
    REFUSED = "refused"


UNASKED: Final = "FAILURE,DELAY"
"""What a client that gives no NOTIFY wants to hear (RFC 3461 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """What the client asked for in delivery status notifications (RFC 3461), each as it was written after `=`.

    `ret` is FULL, HDRS or empty, `envid` the xtext of ENVID. `notify` (such as `SUCCESS,FAILURE`, or `NEVER`) and
    `orcpt` (`rfc822;xtext`) are by the recipient's address, and lack those that nothing was said of.
    """

    ret: str = ""
    envid: str = ""
    notify: Mapping[str, str] = field(default_factory=dict)
    orcpt: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.ret or self.envid or self.notify or self.orcpt)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom in the SMTP transaction, whatever the headers say (RFC 5321 section 2.3.1).

    `sender` is the reverse-path, empty for the null sender; addresses are as the client wrote them.
    """

    sender: str
    recipients: tuple[str, ...]
    dsn: Dsn = Dsn()


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came in, for the trace and for `Received`.

    `door` is `smtp`, `sendmail` or `api`; `hello` is the name that the client gave itself, `protocol` as RFC 3848 calls
    it (ESMTPSA). `notes` are sentences on what was taken although it is not by the book. With `by`, our own name, a
    `Received` field is added. `trace` is the traceparent of the request (W3C Trace Context), where it came with one.
    """

    door: str = ""
    listener: str = ""
    peer: str = ""
    hello: str = ""
    protocol: str = ""
    notes: tuple[str, ...] = ()
    by: str = ""
    trace: str = ""


UNTOLD: Final = Arrival()
"""Nothing is known of how it came."""


class Found(StrEnum):
    """What a look-up of an uncertain message found."""

    SENT = "sent"
    ABSENT = "absent"
    """It is not there: not sent, or not to be seen yet."""
    UNDECIDED = "undecided"
    """It was looked up, and what is there may be of this message or not."""
    UNKNOWN = "unknown"
    """It could not be looked up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt, with Microsoft's own words. `retry_after` is seconds that it asked us to wait.

    `app_wide`: all mailboxes of the app registration are to wait. `reports`: who took the message was told what the
    client asked of delivery status, and reports so itself (RFC 3461 section 5.2.1). `recipient` is whom a refusal means
    alone, where that was said. `nothing_sent`: what was refused was no request of Graph to send, as it takes some of
    those that it refuses.
    """

    cause: Cause
    code: str = ""
    text: str = ""
    cure: str = ""
    http_status: int | None = None
    request_id: str = ""
    retry_after: float | None = None
    app_wide: bool = False
    reports: bool = False
    recipient: str = ""
    nothing_sent: bool = False

    @property
    def verdict(self) -> Verdict:
        """What the attempt came to."""
        return self.cause.verdict

    @property
    def is_answer(self) -> bool:
        """Whether the host said it: by HTTP, or by SMTP, whose replies begin with a number (RFC 5321 section 4.2)."""
        return self.http_status is not None or self.verdict is Verdict.SENT or self.code[:3].isdigit()
