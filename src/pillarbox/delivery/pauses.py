"""Who is not sent for at the moment, and why: asked by Microsoft, by a person, or because an account is broken.

A pause has a scope (a mailbox, an app registration, a host, everything) and ends by time or by a person. Where an
account is broken, or a host out of order, it ends by a probe: at its time one message goes and says whether all may.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Final

from pillarbox.core.cause import Cause, Verdict
from pillarbox.core.mail import Outcome
from pillarbox.store.limits import Pause

PROBED: Final[Mapping[str, float]] = MappingProxyType(
    {
        Cause.ACCOUNT_BROKEN: 300.0,
        Cause.ACCESS_DENIED: 900.0,
        Cause.BLOCKED: 3600.0,
        Cause.UNTRUSTED: 300.0,
        Cause.UNREACHABLE: 30.0,
        Cause.UNKNOWN_HOST: 30.0,
        Cause.TOKEN_UNAVAILABLE: 30.0,
        Cause.UNCLEAR: 30.0,
    }
)
"""Causes whose pause ends by a probe, and seconds between two of them."""
OF_THE_HOST: Final = (Cause.UNTRUSTED, Cause.UNREACHABLE, Cause.UNKNOWN_HOST)
SOON: Final = 30.0
"""Seconds until the next probe after one that has told nothing of what it was for."""
_OUTAGE: Final = (30.0, 60.0, 120.0, 300.0)
"""Seconds between two probes of an outage: each may be a message more that is uncertain."""
_HAD_TOKEN: Final = (Cause.UNREACHABLE, Cause.UNCLEAR)
_LETS_IN: Final = (400, 413)
"""Statuses of what is refused for what it is: by then Graph has looked at the token and at the rights."""
LOOK_FAILED: Final = "look.failed"
"""Code of an attempt that sent nothing, as it could not be told whether the one before it did. It proves nothing."""


@dataclass(frozen=True, slots=True)
class Gate:
    """When something may go (0: now), and the pauses of which it would be the probe."""

    opens_at: float
    probes: tuple[Pause, ...] = ()


def is_outage(outcome: Outcome) -> bool:
    """Whether an answer, or its loss, says no more than that Graph is out of order."""
    if outcome.http_status is None:
        return outcome.cause is Cause.UNCLEAR and outcome.code != LOOK_FAILED
    return outcome.cause in (Cause.UNCLEAR, Cause.BUSY) and (outcome.http_status == 408 or outcome.http_status >= 500)


def shows_over(outcome: Outcome, cause: str, *, of_app: bool = False) -> bool:
    """Whether an attempt shows that what a pause is for is over, of the host, app registration or mailbox that it used.

    Most is shown by any answer: waiting for a mail that is taken would hold up all for one mailbox that is broken.
    """
    if cause in OF_THE_HOST:
        return outcome.is_answer
    if cause == Cause.TOKEN_UNAVAILABLE or (cause == Cause.ACCOUNT_BROKEN and of_app):
        return outcome.is_answer or (outcome.cause in _HAD_TOKEN and outcome.code != LOOK_FAILED)
    if cause == Cause.UNCLEAR:
        return outcome.is_answer and not is_outage(outcome)
    if cause in (Cause.ACCOUNT_BROKEN, Cause.ACCESS_DENIED) and outcome.verdict is Verdict.REFUSED:
        return outcome.http_status in _LETS_IN
    return outcome.verdict is Verdict.SENT


def probed_again(pause: Pause, now: float, outcome: Outcome, *, is_used: bool) -> Pause:
    """The pause after a probe that has not shown it to be over, and perhaps has not even used what it is for.

    What has left the queue, as it was refused for what it is, lets the next one be tried at once.
    """
    if outcome.verdict in (Verdict.SENT, Verdict.REFUSED):
        return replace(pause, until=now, at=now)
    span = PROBED[pause.cause]
    if not is_used or (outcome.verdict is Verdict.RETRY and outcome.is_answer and pause.cause != Cause.UNCLEAR):
        span = SOON
    elif pause.cause == Cause.UNCLEAR:
        span = next((longer for longer in _OUTAGE if longer > _end(pause) - pause.at), _OUTAGE[-1])
    return replace(pause, until=now + span, at=now)


def lasts(pause: Pause, now: float) -> bool:
    """Whether it has not ended. One that begins later than it is long is over: the clock went back, maybe by years."""
    return pause.until is None or 2 * pause.at - pause.until <= now < pause.until


class Pauses:
    """The pauses that there are, in memory; the store has the same (store/limits.py)."""

    def __init__(self) -> None:
        self._pauses: dict[str, dict[str, Pause]] = {}
        """By scope and cause."""
        self._probing: dict[tuple[str, str], int] = {}
        """The number of the probe that is under way."""
        self._numbers = count(1)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any(self._pauses.values())

    def __iter__(self) -> Iterator[Pause]:
        """All of them, also those that have ended by time."""
        return iter([one for causes in self._pauses.values() for one in causes.values()])

    def of(self, scope: str, cause: str) -> Pause | None:
        """The pause of a scope for a cause."""
        return self._pauses.get(scope, {}).get(cause)

    def put(self, pause: Pause) -> Pause:
        """Add a pause, which takes the place of one of the same cause; the one that ends last counts."""
        old = self.of(pause.scope, pause.cause)
        if old is not None and lasts(old, pause.at) and pause.cause not in PROBED and _end(old) > _end(pause):
            pause = old
        self._pauses.setdefault(pause.scope, {})[pause.cause] = pause
        return pause

    def is_there(self, pause: Pause) -> bool:
        """Whether it has neither ended nor begun again."""
        return self.of(pause.scope, pause.cause) == pause

    def drop(self, scope: str, cause: str) -> None:
        """End the pause of a scope for a cause."""
        if self._pauses.get(scope, {}).pop(cause, None) is not None:
            self._probing.pop((scope, cause), None)

    def gate(self, pauses: Iterable[Pause], now: float, causes: Collection[str] | None = None) -> Gate:
        """When something may go that all these pauses are for; by those of `causes` alone where they are given."""
        opens_at, probes = 0.0, []
        for pause in pauses:
            if causes is not None and pause.cause not in causes:
                continue
            if lasts(pause, now):
                opens_at = max(opens_at, _end(pause))
            elif pause.cause not in PROBED:
                self.drop(pause.scope, pause.cause)
            elif _key(pause) in self._probing:
                opens_at = math.inf  # its end says what follows
            else:
                probes.append(pause)
        return Gate(opens_at) if opens_at > now else Gate(0.0, tuple(probes))

    def within(self, scopes: Iterable[str]) -> list[Pause]:
        """The pauses of these scopes, also those that have ended by time."""
        return [one for scope in scopes for one in self._pauses.get(scope, {}).values()]

    def shown(self, pauses: Iterable[Pause], now: float) -> list[Pause]:
        """Those of these pauses that people are to see; the one that ends last comes first."""
        there = (one for one in pauses if one.cause in PROBED or lasts(one, now))
        return sorted(there, key=_end, reverse=True)

    def probe_now(self, scopes: Iterable[str] | None, now: float) -> list[Pause]:
        """Something was mended: the next probes of these scopes (None: of all) may go at once. The changed pauses."""
        found = (one for one in (self if scopes is None else self.within(scopes)) if one.cause in PROBED)
        changed = [replace(one, until=min(now, _end(one)), at=min(now, one.at)) for one in found]
        for one in changed:
            self._pauses[one.scope][one.cause] = one
        return changed

    def begin_probe(self, probes: Iterable[Pause]) -> int:
        """One message goes for these pauses, and nothing else until it has come to something; the probe's number."""
        number = next(self._numbers)
        self._probing.update(dict.fromkeys(map(_key, probes), number))
        return number

    def end_probe(self, number: int) -> None:
        """It has come to something, or did not go."""
        self._probing = {key: other for key, other in self._probing.items() if other != number}


def _key(pause: Pause) -> tuple[str, str]:
    return pause.scope, pause.cause


def _end(pause: Pause) -> float:
    return math.inf if pause.until is None else pause.until
