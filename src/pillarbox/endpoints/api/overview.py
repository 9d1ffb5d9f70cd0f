"""The overview at the API: whether all is well, in one call that stays quick however much was sent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

from pillarbox.core.caller import Scope
from pillarbox.core.cause import Cause
from pillarbox.endpoints.api.access import needs
from pillarbox.endpoints.api.doctor import FindingOut
from pillarbox.endpoints.api.models import Model, PauseOut, UsedOut

if TYPE_CHECKING:
    from pillarbox.admin.overview import Ending, Seen, Strained
    from pillarbox.endpoints.api.app import Services
    from pillarbox.store.measures import Waiting

_MOST: Final = 20
"""Mailboxes, and credentials, that are named: the lists of each have all of them."""
_CAUSES: Final = frozenset(Cause)


class UnsentOut(Model):
    """How many attempts of the last 24 hours did not end in a sent message for this cause; `text` says it."""

    cause: str
    text: str
    attempts: int


class WaitingOut(Model):
    """Messages that wait in one state, and since when the oldest does (seconds since 1970).

    Those `for_approval` are held until a person lets them go.
    """

    state: str
    for_approval: bool
    messages: int
    oldest: float

    @classmethod
    def of(cls, waiting: "Waiting") -> "WaitingOut":
        """From our word."""
        return cls(**waiting._asdict())


class StrainedOut(Model):
    """A mailbox that does not send as it could: its `state`, why it is paused, and the limits that it is near."""

    address: str
    state: str
    paused: list[PauseOut]
    near: list[UsedOut]

    @classmethod
    def of(cls, strained: "Strained") -> "StrainedOut":
        """From our word."""
        return cls(
            address=strained.mailbox.address,
            state=strained.mailbox.state.value,
            paused=list(map(PauseOut.of, strained.pauses)),
            near=list(map(UsedOut.of, strained.near)),
        )


class EndingOut(Model):
    """What ends within 30 days, or has ended: a credential (`kind`, as secret) of an app registration, the `owner`.

    Of kind `listener` it is the certificate of the listeners that `owner` names, of kind `console` the one by which
    people sign in by Microsoft; `id` is its file then.
    """

    kind: str
    owner: str
    id: str
    ends_at: float

    @classmethod
    def of(cls, ending: "Ending") -> "EndingOut":
        """From our word."""
        return cls(kind=ending.kind, owner=ending.owner, id=ending.id, ends_at=ending.ends_at)


class OverviewOut(Model):
    """How the installation is at the moment `at`.

    `worries` are findings of the kind that the doctor has, worst first; none: all is well. `sent_by_minute` and
    `sent_by_hour` are messages sent in each of the last 60 minutes and 24 hours of the clock, oldest first; the last
    one is under way. `strained` are at most 20 mailboxes of `strained_count` that do not send as they could, `ending`
    at most 20 credentials.
    """

    at: float
    worries: list[FindingOut]
    mailboxes: int
    sent_by_minute: list[int]
    sent_by_hour: list[int]
    unsent: list[UnsentOut]
    waiting: list[WaitingOut]
    strained: list[StrainedOut]
    strained_count: int
    ending: list[EndingOut]

    @classmethod
    def of(cls, seen: "Seen") -> "OverviewOut":
        """From our word."""
        return cls(
            at=seen.at,
            worries=list(map(FindingOut.of, seen.worries)),
            mailboxes=seen.mailboxes,
            sent_by_minute=list(seen.sent_by_minute),
            sent_by_hour=list(seen.sent_by_hour),
            unsent=_unsent(seen.unsent),
            waiting=list(map(WaitingOut.of, seen.waiting)),
            strained=list(map(StrainedOut.of, seen.strained[:_MOST])),
            strained_count=len(seen.strained),
            ending=list(map(EndingOut.of, seen.ending[:_MOST])),
        )


def _unsent(counts: Mapping[str, int]) -> list[UnsentOut]:
    return [
        UnsentOut(cause=cause, text=Cause(cause).entry.sentence if cause in _CAUSES else "", attempts=count)
        for cause, count in counts.items()
    ]


def add(app: FastAPI, services: "Services") -> None:
    """Add the route."""

    @app.get("/api/v1/overview", dependencies=[needs(Scope.METRICS_READ)])
    async def show_overview() -> OverviewOut:
        """Show whether all is well: what is wrong, what waits, what was sent of late, and what ends soon."""
        return OverviewOut.of(await services.overview().look())
