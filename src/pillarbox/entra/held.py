"""What is remembered of one owner of tokens: what may be used, and until when nobody asks. Time is a parameter."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from pillarbox.core.bearer import Challenge
from pillarbox.core.errors import PillarboxError
from pillarbox.core.scopes import Resource
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenUnavailable

_DOUBT_AFTER: Final = 60
"""Seconds that a token with which a right was missing is still used, so that refusals make no storm of requests."""
_LAST_USE: Final = 60
"""Seconds before its end until which an old token is used while no new one is to be had."""
_BETWEEN_CHALLENGES: Final = 300
"""Seconds between two tokens that are asked for because Microsoft refused the last one."""
_FIRST_PAUSE: Final = 5
_LONGEST_PAUSE: Final = 60


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An access token, and when it is renewed and ends, in seconds since 1970 by our clock."""

    value: str
    fetched_at: float
    renew_at: float
    ends_at: float

    def lives(self, now: float) -> bool:
        """Whether it can still be used. One from the future is from before the clock went back: who knows."""
        return self.fetched_at <= now < self.ends_at - _LAST_USE


@dataclass(frozen=True, slots=True)
class Pause:
    """The last failure: the answer, without asking, to all who waited for it, and to everybody until it is over."""

    number: int
    since: float
    until: float
    error: PillarboxError
    asked_to: bool
    """Whether Microsoft asked for it (Retry-After)."""

    def runs(self, now: float) -> bool:
        """Whether it still counts. A clock that went back ends it."""
        return self.since <= now < self.until

    def answer(self, now: float) -> PillarboxError:
        """What is answered meanwhile: the error, with the seconds that are left where Microsoft named some."""
        if isinstance(self.error, TokenUnavailable) and self.asked_to:
            return TokenUnavailable(self.error.code, retry_after=max(self.until - now, 1.0), **self.error.params)
        return self.error.with_traceback(None)


@dataclass(slots=True)
class Held:
    """One owner's tokens, MSAL's memory, pauses, and the lock that makes requests one at a time."""

    owner: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    memory: Memory = field(default_factory=Memory)
    tokens: dict[Resource, Token] = field(default_factory=dict)
    doubted: bool = False
    failures: int = 0
    pauses: dict[Resource, Pause] = field(default_factory=dict)
    challenged_at: dict[Resource, float] = field(default_factory=dict)
    claims: dict[Resource, str] = field(default_factory=dict)
    """What the last challenge demanded."""
    anew: dict[Resource, asyncio.Task[str]] = field(default_factory=dict)
    """A request for a test that is on its way."""
    generation: int = 0
    """Counts the times that everything was forgotten: what was asked for before is not kept."""
    in_vain: dict[Resource, int] = field(default_factory=dict)
    """How many times running Entra ID could not be asked."""

    def good(self, resource: Resource, challenge: Challenge, now: float) -> str | None:
        """The token to use without asking."""
        token = self.tokens.get(resource)
        if token is None or not token.fetched_at <= now < token.renew_at or token.value == challenge.rejected:
            return None
        if self.doubted and token.fetched_at + _DOUBT_AFTER <= now:
            return None
        return token.value

    def last_resort(self, resource: Resource, challenge: Challenge, now: float) -> str | None:
        """The token to use where no new one is to be had: it still lives, and nobody refused it."""
        token = self.tokens.get(resource)
        usable = token is not None and token.lives(now) and token.value != challenge.rejected
        return token.value if token is not None and usable else None

    def pause(self, resource: Resource, seen: int, now: float) -> Pause | None:
        """The pause that answers whoever came when there had been `seen` failures."""
        last = self.pauses.get(resource)
        return last if last is not None and (last.number > seen or last.runs(now)) else None

    def begin_pause(
        self, resource: Resource, error: PillarboxError, now: float, seconds: float, *, asked_to: bool = False
    ) -> None:
        """Nobody asks for some seconds."""
        self.failures += 1
        self.pauses[resource] = Pause(self.failures, now, now + seconds, error, asked_to)

    def growing_pause(self, resource: Resource) -> float:
        """Seconds to leave Entra ID alone that could not be asked: more with each time running."""
        self.in_vain[resource] = self.in_vain.get(resource, 0) + 1
        return float(min(_FIRST_PAUSE * 2 ** min(self.in_vain[resource] - 1, 10), _LONGEST_PAUSE))

    def challenged_again(self, resource: Resource, challenge: Challenge, now: float) -> bool:
        """Whether a token that was asked for because of a refusal is refused too, so that another will be as well."""
        if not challenge.rejected or challenge.claims not in ("", self.claims.get(resource)):
            return False
        last = self.challenged_at.get(resource)
        token = self.tokens.get(resource)
        current = token is not None and token.value == challenge.rejected
        return current and last is not None and last <= now < last + _BETWEEN_CHALLENGES

    def keep(self, resource: Resource, token: Token, challenge: Challenge, now: float) -> None:
        """A new token has come."""
        self.tokens[resource] = token
        self.pauses.pop(resource, None)
        self.in_vain.pop(resource, None)
        self.doubted = False
        if challenge.rejected:
            self.challenged_at[resource] = now
            self.claims[resource] = challenge.claims

    def begin_anew(self) -> None:
        """Forget everything but the lock."""
        self.memory, self.doubted = Memory(), False
        self.generation += 1
        for each in (self.tokens, self.pauses, self.challenged_at, self.claims, self.in_vain):
            each.clear()
