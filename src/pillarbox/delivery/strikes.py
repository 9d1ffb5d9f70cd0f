"""Attempts in succession that ended alike, so that more than their message is at fault: all the rest need not try it.

A host that is not reached, an app registration that gets no token, and Graph out of order: there each attempt is one
message more of which nobody knows whether it went.
"""

from dataclasses import dataclass, field
from typing import Final

from pillarbox.core.cause import Cause
from pillarbox.core.mail import Outcome
from pillarbox.delivery.pauses import is_outage, shows_over

COUNTED: Final = (Cause.UNREACHABLE, Cause.TOKEN_UNAVAILABLE, Cause.UNCLEAR)
_ENOUGH: Final = 5
_CROWD: Final = 3
"""Mailboxes of which they must be for the host to be out of order: one may be so by itself."""
_APART: Final = 60.0
"""Seconds between the end of one and the beginning of the next, at the most: what is rare is no succession."""


@dataclass(slots=True)
class _Run:
    """Attempts in succession, the last of which ended at `at`."""

    at: float
    count: int = 0
    mailboxes: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Tried:
    """The scopes that an attempt used, when it began and ended, and what it came to."""

    mailbox: str
    app: str
    host: str
    began: float
    ended: float
    outcome: Outcome


class Strikes:
    """Counts them, by scope and cause."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, Cause], _Run] = {}

    def struck(self, tried: Tried) -> list[str]:
        """Count an attempt; the scopes that had enough of its cause."""
        for scope in (tried.mailbox, tried.app, tried.host):
            for counted in COUNTED:
                if shows_over(tried.outcome, counted):
                    self._runs.pop((scope, counted), None)
        cause, blamed = _blamed(tried)
        return [scope for scope in blamed if self._is_enough(scope, cause, tried)]

    def _is_enough(self, scope: str, cause: Cause, tried: Tried) -> bool:
        run = self._runs.get((scope, cause))
        if run is None or tried.began - run.at > _APART:
            run = self._runs[scope, cause] = _Run(tried.ended)
        run.at = tried.ended
        run.count += 1
        run.mailboxes.add(tried.mailbox)
        crowd = _CROWD if cause is Cause.UNCLEAR and scope == tried.host else 1
        return run.count >= _ENOUGH and len(run.mailboxes) >= crowd


def _blamed(tried: Tried) -> tuple[Cause, list[str]]:
    """What may be at fault, and by which cause."""
    if is_outage(tried.outcome):
        return Cause.UNCLEAR, [tried.mailbox, tried.host]
    scopes = {Cause.UNREACHABLE: [tried.host], Cause.TOKEN_UNAVAILABLE: [tried.app]}
    return tried.outcome.cause, scopes.get(tried.outcome.cause, [])
