"""The limits that Microsoft documents, as a limiter without a clock of its own: `now` is a parameter (facts 3.9, 3.10).

Sums over sliding windows are kept in slices of a sixtieth of the window, each until its last moment has left: memory
is bounded, and nothing is let through that an exact count would refuse.
"""

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field, fields

MINUTE = 60.0
SLICES = 60
MAX_KEYS = 10_000
"""So many apps with mailboxes are remembered; then those without a request in progress are forgotten."""
SUBMISSION_QUOTA = "The message can't be submitted because the sender's submission quota was exceeded."
"""What Exchange says when `may_send` is False, in Graph's error and in SMTP's reply `554 5.2.0` alike."""


class Window:
    """What happened in the last `length` seconds, as a sum."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._slices: deque[list[float]] = deque()  # first and last moment, amount
        self._total = 0.0

    def add(self, amount: float, now: float) -> None:
        """Count an amount."""
        if self._slices and 0 <= now - self._slices[-1][0] < self._length / SLICES:
            self._slices[-1][1] = max(now, self._slices[-1][1])
            self._slices[-1][2] += amount
        else:
            self._slices.append([now, now, amount])
        self._total += amount

    def wait(self, amount: float, limit: float, now: float) -> float:
        """Seconds until an amount more stays within the limit; one above the limit waits for an empty window."""
        while self._slices and self._slices[0][1] + self._length <= now:
            self._total -= self._slices.popleft()[2]
        surplus, wait = self._total + amount - limit, 0.0
        for _, last, each in self._slices:
            if surplus <= 0:
                break
            surplus -= each
            wait = last + self._length - now
        return wait


@dataclass(slots=True)
class _Use:
    running: int = 0
    requests: Window = field(default_factory=lambda: Window(10 * MINUTE))
    uploads: Window = field(default_factory=lambda: Window(5 * MINUTE))


@dataclass(slots=True)
class _Sender:
    recipients: Window = field(default_factory=lambda: Window(24 * 60 * MINUTE))
    minute: float = -math.inf
    messages: int = 0


@dataclass(frozen=True)
class Overrun:
    """A limit that is used up: its name in Microsoft's text, and the whole seconds until there is room."""

    name: str
    retry_after: int

    @property
    def text(self) -> str:
        """Microsoft's text for it."""
        return f"Application is over its {self.name} limit."


@dataclass
class Limits:
    """The numbers, each None for no limit, and what was used of them.

    Per app and mailbox: requests at once, requests in 10 minutes (those that were refused count: "all requests accrue
    against your usage limits", Graph's throttling guidance), bytes of request bodies in 5 minutes. Per mailbox, with
    whatever protocol: recipients in 24 hours, and messages in a minute, above which mail is only delivered later.
    """

    concurrent_requests: int | None = 4
    requests_per_10_minutes: int | None = 10_000
    upload_bytes_per_5_minutes: int | None = 150_000_000
    recipients_per_day: int | None = 10_000
    messages_per_minute: int | None = 30

    def __post_init__(self) -> None:
        self.reset()

    def __reduce__(self) -> tuple[object, ...]:
        """A saved world has none of it: which limits hold is decided by each run."""
        return Limits, ()

    def reset(self) -> None:
        """Forget what was used; requests in progress end as if they had never begun."""
        self._uses: dict[tuple[Hashable, Hashable], _Use] = {}
        self._senders: dict[Hashable, _Sender] = {}

    def switch_off(self) -> None:
        """No limit any more."""
        self.set(dict.fromkeys(self.numbers()))

    def numbers(self) -> dict[str, int | None]:
        """The limits by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def of_requests(self) -> bool:
        """Whether `enter` has anything to watch over."""
        limits = (self.concurrent_requests, self.requests_per_10_minutes, self.upload_bytes_per_5_minutes)
        return any(limit is not None for limit in limits)

    def set(self, numbers: object) -> None:
        """Take these limits over, 1 or more or None; an unknown name or another value is a ValueError."""
        if not isinstance(numbers, dict):
            raise ValueError("limits are an object of numbers by name")
        for name, number in numbers.items():
            if name not in self.numbers():
                raise ValueError(f"unknown limit: {name}; there are {', '.join(self.numbers())}")
            if number is not None and (type(number) is not int or number < 1):
                raise ValueError(f"{name} is a whole number from 1, or null for no limit")
        for name, number in numbers.items():
            setattr(self, name, number)

    def enter(self, app: Hashable, mailbox: Hashable, size: int, now: float) -> Overrun | None:
        """Begin a request with `size` bytes to upload; who gets None back calls `leave` at its end."""
        use = self._use(app, mailbox)
        too_many = _over(use.requests, "RequestCount", 1, self.requests_per_10_minutes, now)
        use.requests.add(1, now)
        # Asked again, since the refused request itself takes room.
        overrun = too_many and _over(use.requests, "RequestCount", 1, self.requests_per_10_minutes, now)
        overrun = overrun or _over(use.uploads, "IncomingBytes", size, self.upload_bytes_per_5_minutes, now)
        if overrun is None and self.concurrent_requests is not None and use.running >= self.concurrent_requests:
            overrun = Overrun("MailboxConcurrency", 1)
        if overrun is None:
            use.uploads.add(size, now)
            use.running += 1
        return overrun

    def leave(self, app: Hashable, mailbox: Hashable) -> None:
        """End a request that was let in."""
        use = self._uses.get((app, mailbox))
        if use and use.running:
            use.running -= 1

    def may_send(self, mailbox: Hashable, recipients: int, now: float) -> bool:
        """Whether the mailbox may write to so many more recipients today."""
        limit, sender = self.recipients_per_day, self._senders.get(mailbox)
        if limit is None:
            return True
        used = sender.recipients if sender else Window(1)
        return recipients <= limit and not used.wait(recipients, limit, now)

    def sent(self, mailbox: Hashable, recipients: int, now: float) -> float:
        """Count an accepted message, and tell in how many seconds it is delivered.

        The minute begins with a message; what does not fit into it waits for the next one that has room.
        """
        if mailbox not in self._senders and len(self._senders) >= MAX_KEYS:
            self._senders.clear()
        sender = self._senders.setdefault(mailbox, _Sender())
        sender.recipients.add(recipients, now)
        if self.messages_per_minute is None:
            return 0.0
        if now >= sender.minute + MINUTE:
            sender.minute, sender.messages = now, 0
        elif sender.messages >= self.messages_per_minute:
            sender.minute, sender.messages = sender.minute + MINUTE, 0
        sender.messages += 1
        return max(0.0, sender.minute - now)

    def _use(self, app: Hashable, mailbox: Hashable) -> _Use:
        use = self._uses.get((app, mailbox))
        if use is None:
            if len(self._uses) >= MAX_KEYS:
                self._uses = {key: each for key, each in self._uses.items() if each.running}
            use = self._uses[app, mailbox] = _Use()
        return use


def _over(window: Window, name: str, amount: int, limit: int | None, now: float) -> Overrun | None:
    if limit is None:
        return None
    wait = window.wait(amount, limit, now)
    return Overrun(name, max(1, math.ceil(wait))) if wait else None
