"""Who asks at the HTTP API, and what they may do there: scopes, roles of people, and the mailboxes that count.

A scope names what may be done; `admin` holds all others but the text of messages, which nobody sees by being in charge
of the rest. A caller with a list of mailboxes knows of no others: what is outside of it is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from pillarbox.core.errors import Forbidden


class Scope(StrEnum):
    """What a caller may do."""

    SEND = "send"
    """Hand in messages, and upload what is attached to them."""
    OUTBOX_READ = "outbox.read"
    """See messages of the outbox: where they are and what was tried, never their text."""
    OUTBOX_DECIDE = "outbox.decide"
    """Retry, cancel, resolve, approve, reject; test, pause and resume mailboxes."""
    CONTENT_READ = "content.read"
    """Read the messages themselves."""
    MAILBOXES_READ = "mailboxes.read"
    """See mailboxes and how they are."""
    MAILBOXES_CONNECT = "mailboxes.connect"
    """Make links by which people connect their mailboxes."""
    EVENTS_READ = "events.read"
    """Read what happened."""
    AUDIT_READ = "audit.read"
    """Read who did what."""
    DOCTOR_RUN = "doctor.run"
    """Examine the installation, and see whom the SMTP door refused."""
    METRICS_READ = "metrics.read"
    """Read the metrics, and the overview."""
    ADMIN = "admin"
    """Everything else, and all of the above but the text of messages."""


EVERYTHING: Final = frozenset(Scope)
OF_ADMIN: Final = EVERYTHING - {Scope.CONTENT_READ}
WHOLE: Final = frozenset({Scope.ADMIN, Scope.AUDIT_READ, Scope.DOCTOR_RUN, Scope.METRICS_READ})
"""What is about the whole installation: a caller with a list of mailboxes can have none of it."""

USUAL_SCOPES: Final = frozenset({Scope.SEND, Scope.OUTBOX_READ, Scope.EVENTS_READ})
"""What a key may do of which nothing else is said: send, and see what became of it."""


class Role(StrEnum):
    """What a person is; a person may be several."""

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"


_SEES: Final = frozenset({Scope.OUTBOX_READ, Scope.MAILBOXES_READ, Scope.EVENTS_READ})
SCOPES_OF: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.ADMIN: OF_ADMIN,
    Role.OPERATOR: _SEES | {Scope.OUTBOX_DECIDE, Scope.DOCTOR_RUN, Scope.METRICS_READ},
    Role.AUDITOR: _SEES | {Scope.CONTENT_READ, Scope.AUDIT_READ, Scope.METRICS_READ},
}
"""What each role may do: operators see no text of messages, auditors change nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: whoever may open the local socket, an API key, or a person who is signed in.

    `name` is what people call it by, `id` is its own for ever. `mailboxes` are the ids of those it knows of; None: all.
    """

    kind: Literal["local", "key", "person"]
    id: str
    name: str
    scopes: frozenset[Scope]
    mailboxes: frozenset[int] | None = None

    @property
    def account(self) -> str:
        """By what it is told from all others: whose idempotency keys and uploads they are."""
        return f"{self.kind}/{self.id}"

    @property
    def sender(self) -> str:
        """As whom it hands in mail. No submitter can have a name like it."""
        return f"{self.kind}:{self.name}"

    def may(self, scope: Scope) -> bool:
        """Whether it has this scope."""
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope in OF_ADMIN)

    def need(self, scope: Scope) -> None:
        """Raises Forbidden `access.no_scope` where it has not."""
        if not self.may(scope):
            raise Forbidden("access.no_scope", scope=scope.value)

    def need_all(self) -> None:
        """Raises Forbidden `access.not_all` where it does not know of all mailboxes."""
        if self.mailboxes is not None:
            raise Forbidden("access.not_all")

    def knows(self, mailbox_id: int) -> bool:
        """Whether a mailbox is there for it."""
        return self.mailboxes is None or mailbox_id in self.mailboxes


OtherRecipients = Literal["refuse", "hold"]
"""What becomes of a message to those whom its sender may not write to: refused, or kept until a person lets it go."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key by which a program comes in at the API, and what it may do there.

    `mailboxes` are ids and addresses of those that it knows of; None: all. It comes in from `networks` (CIDR) alone;
    none: from anywhere. `recipients` (addresses, `*@domain`) are all that it may send to; none: everybody. `rate` is
    requests a minute; 0: as the settings say. Times are seconds since 1970.
    """

    id: str
    name: str
    scopes: frozenset[Scope] = USUAL_SCOPES
    mailboxes: Mapping[int, str] | None = None
    networks: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    on_other_recipients: OtherRecipients = "refuse"
    rate: int = 0
    enabled: bool = True
    expires_at: float | None = None
    created_at: float = 0.0
    last_used_at: float | None = None

    @property
    def caller(self) -> Caller:
        """Whoever comes in by it."""
        mailboxes = None if self.mailboxes is None else frozenset(self.mailboxes)
        return Caller("key", self.id, self.name, self.scopes, mailboxes)


LOCAL: Final = Caller("local", "local", "local", EVERYTHING)
"""Whoever may open the local socket: owner and root, who can read the store anyway."""
