"""What a listener allows: its words, its limits, and what it asks the house about who may send what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pillarbox.core.accounts import Submitter
from pillarbox.endpoints.smtp.spool import Spool


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what hands in no mail one connection may say."""

    line: int = 1536
    """Bytes of the longest command with its newline (RFC 5321 section 4.5.3.1.4: 512, and more with parameters)."""
    sasl_line: int = 12288
    """The same of AUTH and its responses (RFC 4954 section 4)."""
    endless: int = 64 * 1024
    """Bytes of a line after which its end is not waited for."""
    login_failures: int = 3
    """Failed logins of the whole connection, with those that were put off: else trying on would cost nothing."""
    errors: int = 20
    """Replies of 5xx since the last message that was taken."""
    deferrals: int = 1000
    """Replies of 4xx since then. Many, as a relay with a long list of recipients hears 452 of all that are too many."""
    idle_commands: int = 100
    """NOOP, RSET, VRFY, EHLO and the like since the last message that was taken."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a listener allows. What is asked for by a function raises a PillarboxError, which is the reply."""

    hostname: str
    banner: str
    max_size: int
    max_recipients: int
    offers_tls: bool
    """Whether there is STARTTLS."""
    auth: Literal["encrypted", "clear", "none"]
    """Whether AUTH is taken behind TLS only, or without too, or never."""
    newlines: Literal["normalize", "reject"]
    current: Callable[[Submitter], Submitter]
    """The submitter as it is now; raises Forbidden where it was removed or disabled."""
    check_mail: Callable[[Submitter, str, int], None]
    """Judges sender (empty: the null sender) and declared size (0: none) for this submitter, its rate, the backlog."""
    check_recipient: Callable[[Submitter, str], None]
    """Judges a recipient for this submitter."""
    spool: Callable[[], Spool]
    """Makes the place for one message."""
    limits: Limits = Limits()

    @property
    def endless_message(self) -> int:
        """Bytes of a message that is refused after which its end is not waited for.

        Twice the largest, and more: a client that did not look at SIZE hears at its end that its scan was too large.
        """
        return 2 * self.max_size + 1024 * 1024
