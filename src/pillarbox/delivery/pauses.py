"""Who is not sent for at the moment, and why: asked by Microsoft, by a person, or because an account is broken.

A pause has a scope (a mailbox, an app registration, a host, everything) and ends by time or by a person. Where an
account is broken it ends by a probe: at its time one message goes, and says whether all may.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pillarbox.core.cause import Cause
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
    }
)
"""Causes whose pause ends by a probe, and seconds between two of them."""


@dataclass(frozen=True, slots=True)
class Gate:
    """When something may go (0: now), and the pauses of which it would be the probe."""

    opens_at: float
    probes: tuple[Pause, ...] = ()


class Pauses:
    """The pauses that there are, in memory; the store has the same (store/limits.py)."""

    def __init__(self) -> None:
        self._pauses: dict[tuple[str, str], Pause] = {}
        self._probing: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[Pause]:
        """All of them, also those that have ended by time."""
        return iter(tuple(self._pauses.values()))

    def put(self, pause: Pause) -> Pause:
        """Add a pause, which takes the place of one of the same cause; the one that ends last counts."""
        old = self._pauses.get(_key(pause))
        if old is not None and old.at <= pause.at and pause.cause not in PROBED and _end(old) > _end(pause):
            pause = old
        self._pauses[_key(pause)] = pause
        return pause

    def drop(self, scope: str, cause: str | None = None) -> list[Pause]:
        """End the pauses of a scope: all, or that of one cause. What there was."""
        ended = [one for one in self if one.scope == scope and cause in (None, one.cause)]
        for one in ended:
            del self._pauses[_key(one)]
            self._probing.discard(_key(one))
        return ended

    def gate(self, scopes: Collection[str], now: float, causes: Collection[str] | None = None) -> Gate:
        """When something that is within all these scopes may go; of `causes` alone where they are given."""
        opens_at, probes = 0.0, []
        for scope, cause in tuple(self._pauses):
            if scope not in scopes or (causes is not None and cause not in causes):
                continue
            pause = self._pauses[scope, cause]
            # One that has not begun yet is over: the clock went back, perhaps by years.
            if pause.until is None or pause.at <= now < pause.until:
                opens_at = max(opens_at, _end(pause))
            elif cause not in PROBED:
                del self._pauses[scope, cause]
            elif (scope, cause) in self._probing:
                opens_at = math.inf  # its end says what follows
            else:
                probes.append(pause)
        return Gate(opens_at) if opens_at > now else Gate(0.0, tuple(probes))

    def shown(self, scopes: Collection[str], now: float) -> list[Pause]:
        """The pauses within these scopes, for people to see; the one that ends last comes first."""
        there = (one for one in self if one.scope in scopes)
        return sorted(
            (one for one in there if one.cause in PROBED or one.at <= now < _end(one) or one.until is None),
            key=_end,
            reverse=True,
        )

    def probe_now(self, scopes: Iterable[str] | None, now: float) -> list[Pause]:
        """Something was mended: the next probes of these scopes (None: of all) may go at once. The changed pauses."""
        wanted = None if scopes is None else set(scopes)
        found = [one for one in self if one.cause in PROBED and (wanted is None or one.scope in wanted)]
        changed = [Pause(one.scope, one.cause, min(now, _end(one)), one.reason, min(now, one.at)) for one in found]
        for one in changed:
            self._pauses[_key(one)] = one
        return changed

    def begin_probe(self, probes: Iterable[Pause]) -> None:
        """One message goes for these pauses, and nothing else until it has come to something."""
        self._probing.update(map(_key, probes))

    def end_probe(self, probes: Iterable[Pause]) -> None:
        """It has come to something, or did not go."""
        self._probing.difference_update(map(_key, probes))


def _key(pause: Pause) -> tuple[str, str]:
    return pause.scope, pause.cause


def _end(pause: Pause) -> float:
    return math.inf if pause.until is None else pause.until
