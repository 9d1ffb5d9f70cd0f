"""The ledger: what was accepted, in order, and how often what was asked. It only grows, until it is cleared."""

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pillarbox.emulator.mail.headers import Headers


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted mail.

    `time` in seconds since 1970, `size` in bytes; `raw` is None when bytes are not kept, `app_id` None when a person
    signed in by password. `protocol` is "graph" or "smtp".
    """

    sequence: int
    time: float
    tenant: str
    user_id: str
    mailbox: str
    request_id: str
    client_request_id: str | None
    app_id: str | None
    recipients: list[str]
    message_id: str | None
    size: int
    sha256: str
    headers: Headers = field(repr=False)
    raw: bytes | None = field(repr=False)
    protocol: str = "graph"

    def as_json(self, *, with_bytes: bool = False) -> dict[str, Any]:
        """The entry for JSON; the bytes only on demand, in base64."""
        shown = {name: getattr(self, name) for name in self.__slots__ if name != "raw"}
        if with_bytes:
            shown["raw"] = None if self.raw is None else base64.b64encode(self.raw).decode()
        return shown


@dataclass(frozen=True, slots=True)
class EarlyReturn:
    """A request that came `early` seconds before the moment that a Retry-After had named to this app, for this mailbox
    (by one of its names) or, where there is none, this path."""

    time: float
    app_id: str | None
    mailbox: str | None
    method: str
    path: str
    early: float

    def as_json(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


MAX_EARLY = 10_000


class Ledger:
    """Entries of all accepted mails, who came back too early (the first MAX_EARLY times), and counters.

    `requests` counts by method and template ("POST /v1.0/users/{user}/sendMail"), `answers` by status, `tokens` by
    outcome ("issued", or an AADSTS code). Answers that a fault rule made count like others. `done` counts the commands
    of SMTP and IMAP that were obeyed ("SMTP DATA").
    """

    def __init__(self, *, keep_bytes: bool = True) -> None:
        self.keep_bytes = keep_bytes
        self.clear()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def token_requests(self) -> int:
        """How many requests the token endpoints got."""
        return self.tokens.total()

    def add(self, mime: bytes, *, time: float, **facts: Any) -> Entry:
        """Note an accepted mail; `facts` are the other fields of Entry."""
        digest = hashlib.sha256(mime).hexdigest()
        raw = mime if self.keep_bytes else None
        entry = Entry(len(self.entries) + 1, time, size=len(mime), sha256=digest, raw=raw, **facts)
        self.entries.append(entry)
        return entry

    def note_early(self, early: EarlyReturn) -> None:
        """Note who came back before Retry-After."""
        if len(self.too_early) < MAX_EARLY:
            self.too_early.append(early)

    def entry(self, sequence: int) -> Entry:
        """The entry with that sequence number; a KeyError if there is none."""
        if not 1 <= sequence <= len(self.entries):
            raise KeyError(sequence)
        return self.entries[sequence - 1]

    def after(self, sequence: int) -> list[Entry]:
        """The entries with a higher sequence number."""
        return self.entries[max(sequence, 0) :]

    def clear(self) -> None:
        """Forget everything, counters too."""
        self.entries: list[Entry] = []
        self.too_early: list[EarlyReturn] = []
        self.requests: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.tokens: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    def stats(self) -> dict[str, Any]:
        """The counters for JSON."""
        return {
            "accepted": len(self.entries),
            "too_early": len(self.too_early),
            "requests": dict(self.requests),
            "answers": {str(status): count for status, count in self.answers.items()},
            "tokens": dict(self.tokens),
            "done": dict(self.done),
            "token_requests": self.token_requests,
        }
