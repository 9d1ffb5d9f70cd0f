"""What bounds the connections of the SMTP door: how many, how long, and how often the log tells of it."""

import resource
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import Unavailable
from pillarbox.endpoints.smtp.peer import Peer

SLOW_START: Final = 30.0
"""Seconds of DATA in which no rate is asked for."""

LOGIN_TIME: Final = 5.0
"""Times the silence that is borne, in which a client must have logged in: one that says NOOP for ever keeps a place."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients are borne, in seconds: silent before a login (`greeting`) and after it (`idle`), and in a TLS
    handshake. `min_rate` is bytes a second of DATA after SLOW_START; 0: any.
    """

    greeting: float = 60.0
    idle: float = 300.0
    handshake: float = 10.0
    min_rate: int = 0

    @property
    def look_every(self) -> float:
        """How often clients must be looked at, so that none is borne much longer than it should be."""
        return min(1.0, self.greeting / 4, self.idle / 4)

    def is_over(self, seconds: float) -> bool:
        """Whether a client that still has not logged in was there long enough, whatever it says meanwhile."""
        return seconds >= self.greeting * LOGIN_TIME

    def is_too_slow(self, received: int, seconds: float) -> bool:
        """Whether a message of which so much came in this time is handed in too slowly."""
        return seconds > SLOW_START and received < self.min_rate * seconds


class Census:
    """How many connections there are: in all, of one site (`Peer.site`), of one submitter. All listeners share one.

    Users of this machine count for their submitter alone: who fills the door from the network must not keep out cron.
    """

    def __init__(self, most: int, most_of_site: int, most_of_submitter: int) -> None:
        self._most = most
        self._most_of_site = most_of_site
        self._most_of_submitter = most_of_submitter
        self._all = 0
        self._sites: dict[str, int] = {}
        self._submitters: dict[str, int] = {}

    def enter(self, peer: Peer) -> None:
        """One more connection. Raises Unavailable, and counts nothing, where it is one too many."""
        if peer.uid is not None:
            return
        if self._all >= self._most:
            raise Unavailable("smtp.too_many_connections")
        if not _add(self._sites, peer.site, self._most_of_site):
            raise Unavailable("smtp.too_many_from_address")
        self._all += 1

    def leave(self, peer: Peer) -> None:
        """A connection that had entered is over."""
        if peer.uid is None:
            self._all -= 1
            _remove(self._sites, peer.site)

    def log_in(self, submitter: str) -> None:
        """One more connection of this submitter. Raises Unavailable, and counts nothing, where it is one too many."""
        if not _add(self._submitters, submitter, self._most_of_submitter):
            raise Unavailable("smtp.too_many_of_submitter")

    def log_out(self, submitter: str) -> None:
        """A connection of this submitter is over, or is not its any more."""
        _remove(self._submitters, submitter)


def _add(counts: dict[str, int], key: str, most: int) -> bool:
    count = counts.get(key, 0)
    if count < most:
        counts[key] = count + 1
    return count < most


def _remove(counts: dict[str, int], key: str) -> None:
    if counts[key] > 1:
        counts[key] -= 1
    else:
        del counts[key]


class Discretion:
    """The log hears once a minute why a site is turned away, not each time: strangers must not fill the disk."""

    _PAUSE: Final = 60.0
    _MOST: Final = 1000

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}

    def is_news(self, peer: Peer, code: str, now: float) -> bool:
        """Whether this is to be told, for the first time in a minute."""
        key = (peer.site, code)
        told = self._told.get(key)
        if told is not None and now - told < self._PAUSE:
            return False
        if len(self._told) >= self._MOST:
            self._told = {key: told for key, told in self._told.items() if now - told < self._PAUSE}
            if len(self._told) >= self._MOST:
                return False
        self._told[key] = now
        return True


def allow_open_files(needed: int) -> bool:
    """Let this process have so many files and sockets open, as far as the system lets it; whether it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft == resource.RLIM_INFINITY or soft >= needed
