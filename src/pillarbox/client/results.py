"""What the API gives, as frozen dataclasses. What a newer service says beyond them is left out; times are seconds since
1970."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

_Kind = TypeVar("_Kind")
ENDED: Final = frozenset({"sent", "failed", "bounced", "canceled", "held", "over"})
"""States in which nothing more happens by itself."""


@dataclass(frozen=True, slots=True)
class Send:
    """A message in the outbox; the API's page says what each word means. What was not told is empty.

    `replayed`: it was handed in before, with this idempotency key.
    """

    id: str
    state: str
    mailbox: str = ""
    submitter: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    size: int = 0
    message_id: str = ""
    created_at: float = 0.0
    due_at: float = 0.0
    finished_at: float | None = None
    attempts: int = 0
    code: str = ""
    reason: str = ""
    cure: str = ""
    request_id: str = ""
    cause: str = ""
    checks: int = 0
    maybe_duplicate: bool = False
    priority: str = "normal"
    send_at: float = 0.0
    expires_at: float | None = None
    approval: str = ""
    transport: str = ""
    kept: str = ""
    delivery: str = ""
    delivery_text: str = ""
    replayed: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a message, with Microsoft's own code, words and request id."""

    number: int
    started_at: float = 0.0
    ended_at: float = 0.0
    verdict: str = ""
    cause: str = ""
    http_status: int | None = None
    code: str = ""
    reason: str = ""
    request_id: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """A message and everything that was tried; `raw` is the whole answer."""

    message: Send
    attempts: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `cursor`: where to go on behind it."""

    id: int
    type: str
    at: float = 0.0
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in; `received` bytes of it are there."""

    id: str
    size: int = 0
    received: int = 0
    name: str = ""
    media_type: str = ""
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ConnectLink:
    """A link by which a person connects a mailbox; `url` is told only when it is made.

    `state` is pending, completed (by `account`), failed, expired or canceled; `code` and `reason` tell of the last of
    `tries` that were refused. `opened_at` is when somebody last went on to Microsoft by it.
    """

    id: str
    state: str = "pending"
    url: str | None = None
    app: str = ""
    mailbox: str = ""
    user: str = ""
    shared: bool = False
    permissions: tuple[str, ...] = ()
    created_at: float = 0.0
    expires_at: float = 0.0
    ended_at: float | None = None
    opened_at: float | None = None
    account: str = ""
    tries: int = 0
    code: str = ""
    reason: str = ""
    return_url: str = ""
    note: str = ""


def read(kind: type[_Kind], given: Mapping[str, Any], **more: Any) -> _Kind:
    """A dataclass of the members that it knows, lists as tuples."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known}
    return kind(**found, **more)


def read_trace(given: Mapping[str, Any]) -> Trace:
    """A trace."""
    attempts = tuple(read(Attempt, one) for one in given.get("attempts", ()))
    return Trace(read(Send, given["message"]), attempts, tuple(given.get("notes", ())), given)
