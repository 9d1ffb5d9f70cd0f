"""What the SMTP door refused, to whom and why: for whoever looks after a device that says no more than "error".

Counts in memory, since the start: the log has every line. Of those who are no submitter the address is kept, the last
MOST_STRANGERS of them, so that a crowd of strangers takes no room and hides nothing of what submitters were refused.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.core import ip
from pillarbox.core.errors import PillarboxError
from pillarbox.core.mail import Clock

MOST_STRANGERS: Final = 200
BANNED: Final = frozenset({"submitter.banned", "submitter.banned_until", "submitter.banned_beside"})
"""Refusals of an address at which too many logins failed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason for which one submitter was refused, and how often.

    `submitter` is empty for a stranger, who is known by address alone. `proved`: it came in; else somebody gave its
    name, and did not prove to be it. `peer` is the last address. `works_since` is when the submitter handed in a
    message after it, of a stranger when somebody logged in at that address; None: not yet. Times are seconds since
    1970.
    """

    submitter: str
    proved: bool
    code: str
    params: Mapping[str, object]
    peer: str
    count: int
    first_at: float
    last_at: float
    works_since: float | None = None


class Refusals:
    """Counts what was refused. It must be told names of submitters that there are: else strangers could fill it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.since = clock()
        self._of_submitters: dict[tuple[str, bool, str], Refusal] = {}
        self._of_strangers: OrderedDict[tuple[str, str], Refusal] = OrderedDict()
        self._open: set[str] = set()
        """Submitters that handed in nothing since they were refused something: each message asks."""

    def note(self, submitter: str, error: PillarboxError, peer: str, *, proved: bool) -> None:
        """Something was refused; `submitter` is empty for a stranger."""
        now = self._clock()
        said = Refusal(submitter, proved, error.code, _no_command(error.params), peer, 1, now, now)
        if submitter:
            key = (submitter, proved, error.code)
            self._of_submitters[key] = _counted(self._of_submitters.get(key), said)
            self._open.add(submitter)
            return
        whence = (peer, error.code)
        self._of_strangers[whence] = _counted(self._of_strangers.pop(whence, None), said)
        if len(self._of_strangers) > MOST_STRANGERS:
            self._of_strangers.popitem(last=False)

    def works(self, submitter: str) -> None:
        """A submitter has handed in a message: what it was refused before is over."""
        if submitter not in self._open:
            return
        self._open.discard(submitter)
        now = self._clock()
        for key, one in self._of_submitters.items():
            if one.submitter == submitter and one.works_since is None:
                self._of_submitters[key] = replace(one, works_since=now)

    def came_in(self, peer: str) -> None:
        """Somebody has logged in at this address: what a stranger was refused there is over."""
        now = self._clock()
        for key, one in self._of_strangers.items():
            if one.peer == peer and one.works_since is None:
                self._of_strangers[key] = replace(one, works_since=now)

    def let_in(self, peer: str) -> None:
        """An address is kept out no more: nobody need be told that it is."""
        site = ip.site(peer)

        def is_over(one: Refusal) -> bool:
            return one.code in BANNED and ip.site(one.peer) == site

        self._of_submitters = {key: one for key, one in self._of_submitters.items() if not is_over(one)}
        self._of_strangers = OrderedDict((key, one) for key, one in self._of_strangers.items() if not is_over(one))

    def failed_last(self, peer: str) -> str:
        """The submitter whose password was wrong last where this address is; empty for none."""
        site = ip.site(peer)
        failed = [one for one in self._of_submitters.values() if one.code == "submitter.password_refused"]
        near = [one for one in failed if ip.site(one.peer) == site]
        return max(near, key=lambda one: one.last_at).submitter if near else ""

    def forget(self, submitter: str) -> None:
        """A submitter is no more: another one of its name has nothing to do with what it was refused."""
        self._open.discard(submitter)
        self._of_submitters = {key: one for key, one in self._of_submitters.items() if one.submitter != submitter}

    def __iter__(self) -> Iterator[Refusal]:
        yield from list(self._of_submitters.values())
        yield from list(self._of_strangers.values())


def _no_command(params: Mapping[str, object]) -> Mapping[str, object]:
    """Values of a refusal, most of them a client's words: between backticks they would pass for a command of ours."""
    return {name: value.replace("`", "'") if isinstance(value, str) else value for name, value in params.items()}


def _counted(before: Refusal | None, said: Refusal) -> Refusal:
    return said if before is None else replace(said, count=before.count + 1, first_at=before.first_at)
