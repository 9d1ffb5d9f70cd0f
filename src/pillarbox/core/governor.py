"""How much may go at once and in a while: token buckets, and a number at the same time. Pure; time is a parameter.

`Bucket` refills evenly, for what clients hand in. What Microsoft counts "in any minute" is an `Allowance`: its tokens
come back one by one when the span since they were taken is over. One that refills evenly would let through nearly
twice as much in the first span.
"""

import math
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Final


@dataclass(slots=True)
class Bucket:
    """Holds up to `size` tokens, and gets `rate` of them a second. `at` is when it was last looked at, with `tokens`.

    Times are seconds of any clock. One that goes back gives nothing and takes nothing.
    """

    rate: float
    size: float
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: float, size: float, now: float) -> "Bucket":
        """One that nothing was taken from yet."""
        return cls(rate, size, size, now)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 where there is one."""
        self._fill(now)
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def put_back(self) -> None:
        """What a token was taken for did not happen."""
        self.tokens = min(self.size, self.tokens + 1)

    def _fill(self, now: float) -> None:
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now


_SLOTS: Final = 60
"""Parts of a span that an allowance tells apart: what it remembers at the most."""


@dataclass(slots=True)
class Allowance:
    """At most `most` tokens in any `span` seconds; 0: as many as one likes.

    What was taken counts from the beginning of its slot, of which a span has 60, until that slot is wholly over. More
    tokens at once than there are go where nothing else does: a message that no span has room for is for Microsoft to
    refuse. A clock that goes back lengthens nothing by more than a span.
    """

    most: int
    span: float
    _taken: deque[tuple[float, int]] = field(default_factory=deque)
    """Beginning of the slot, and how many: oldest first."""
    _sum: int = 0

    def left(self, now: float) -> int:
        """Tokens that there are now."""
        self._forget(now)
        return max(0, self.most - self._sum) if self.most else _PLENTY

    def wait(self, now: float, count: int = 1) -> float:
        """Seconds until `count` tokens can be taken; 0 where they can."""
        self._forget(now)
        over = self._sum + min(count, self.most) - self.most
        if not self.most or over <= 0:
            return 0.0
        for at, taken in self._taken:
            over -= taken
            if over <= 0:
                return at + self._slot + self.span - now
        return self.span

    def take(self, now: float, count: int = 1) -> None:
        """Take `count` tokens, whether they are there or not."""
        self._forget(now)
        self._sum += count
        self._add(now, count)

    def give_back(self, now: float, count: int) -> None:
        """What `count` tokens were taken for did not happen."""
        self._forget(now)
        while count > 0 and self._taken:
            at, taken = self._taken.pop()
            given = min(count, taken)
            count -= given
            self._sum -= given
            if taken > given:
                self._taken.append((at, taken - given))

    @property
    def _slot(self) -> float:
        return self.span / _SLOTS

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] + self._slot + self.span <= now:
            self._sum -= self._taken.popleft()[1]
        # The clock went back: what was taken later than now counts as taken now.
        later = 0
        while self._taken and self._taken[-1][0] > now:
            later += self._taken.pop()[1]
        if later:
            self._add(now, later)

    def _add(self, now: float, count: int) -> None:
        at = now - math.fmod(now, self._slot)
        if self._taken and self._taken[-1][0] >= at:
            at, before = self._taken.pop()
            count += before
        self._taken.append((at, count))


_PLENTY: Final = 1_000_000_000


@dataclass(slots=True)
class Concurrency:
    """How many at the same time: halved when Microsoft says that it is too many, and back again by and by.

    Each `recovery` seconds an eighth of what went before is added, at least one, until it goes again. `most` 0: as many
    as one likes, but while it recovers.
    """

    most: int
    recovery: float = 300.0
    busy: int = 0
    _allowed: int = 0
    """At `_halved_at`; 0: it is not halved."""
    _before: int = 0
    _halved_at: float = -math.inf

    def allowed(self, now: float) -> int:
        """How many there may be now."""
        if not self._allowed:
            return self.most or _PLENTY
        if now < self._halved_at:  # the clock went back
            self._halved_at = now
        grown = self._allowed + int((now - self._halved_at) / self.recovery) * max(1, self._before // 8)
        if grown < self._before:
            return grown
        self._allowed = 0
        return self.most or _PLENTY

    def free(self, now: float) -> int:
        """How many more may begin now."""
        return max(0, self.allowed(now) - self.busy)

    def halve(self, now: float, began: float) -> None:
        """Microsoft found what began at `began` too many. What began before the last halving tells nothing new."""
        if began < self._halved_at <= now:
            return
        allowed, busy = self.allowed(now), max(self.busy, 2)
        if not self._allowed:
            self._before = self.most or busy
        self._allowed = max(1, min(allowed, busy) // 2)
        self._halved_at = now

    def grows_in(self, now: float) -> float:
        """Seconds until more may begin than now; infinite where there is nothing to recover."""
        self.allowed(now)
        if not self._allowed:
            return math.inf
        return self.recovery - math.fmod(max(0.0, now - self._halved_at), self.recovery)


@dataclass(frozen=True, slots=True)
class Limits:
    """What Microsoft allows of a mailbox, or of an app registration; 0: it is not limited here.

    Sources: Exchange Online limits (30 messages a minute, 10,000 recipients a day) and Graph's throttling limits for
    Outlook (10,000 requests in 10 minutes, 150 MB uploaded in 5 minutes, 4 at once), learn.microsoft.com.
    """

    concurrency: int = 0
    messages: int = 0
    """A minute."""
    recipients: int = 0
    """A day."""
    bytes: int = 0
    """In 5 minutes."""
    requests: int = 0
    """In 10 minutes."""


MINUTE: Final = 60.0
BYTES_SPAN: Final = 300.0
REQUESTS_SPAN: Final = 600.0
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is taken of the limits."""

    messages: int = 0
    recipients: int = 0
    bytes: int = 0
    requests: int = 1


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a limit is used now: `used` of `most` in any `span` seconds. `name` is that of Load."""

    name: str
    used: int
    most: int
    span: float


class Governor:
    """What a mailbox, or an app registration, may do now."""

    def __init__(self, limits: Limits) -> None:
        self.concurrency = Concurrency(limits.concurrency)
        self._messages = Allowance(limits.messages, MINUTE)
        self._recipients = Allowance(limits.recipients, DAY)
        self._bytes = Allowance(limits.bytes, BYTES_SPAN)
        self._requests = Allowance(limits.requests, REQUESTS_SPAN)

    def most(self, now: float) -> int:
        """Messages of one recipient and one byte that may begin now, by all limits."""
        return min(
            self.concurrency.free(now),
            self._messages.left(now),
            self._requests.left(now),
            self._recipients.left(now),
            self._bytes.left(now),
        )

    def wait(self, now: float, load: Load) -> float:
        """Seconds until this much may go, but for the number at the same time; 0: now."""
        return max(
            allowance.wait(now, count) if count else 0.0
            for allowance, count in zip(self._all, _counts(load), strict=True)
        )

    def take(self, now: float, load: Load) -> None:
        """This much goes."""
        for allowance, count in zip(self._all, _counts(load), strict=True):
            if count and allowance.most:
                allowance.take(now, count)

    def give_back(self, now: float, load: Load) -> None:
        """This much was taken and did not happen."""
        for allowance, count in zip(self._all, _counts(load), strict=True):
            allowance.give_back(now, count)

    def used(self, now: float) -> list[Used]:
        """How much of each limit is used; what is not limited here is left out."""
        names = (each.name for each in fields(Load))
        return [
            Used(name, allowance.most - allowance.left(now), allowance.most, allowance.span)
            for name, allowance in zip(names, self._all, strict=True)
            if allowance.most
        ]

    @property
    def _all(self) -> tuple[Allowance, ...]:
        return self._messages, self._recipients, self._bytes, self._requests


def _counts(load: Load) -> tuple[int, ...]:
    return load.messages, load.recipients, load.bytes, load.requests
