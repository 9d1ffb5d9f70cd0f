"""What bounds the connections of the SMTP door: how many, how long, and how often the log tells of it."""

import resource
from dataclasses import dataclass
from typing import Final

from pillarbox.core.errors import Unavailable
from pillarbox.endpoints.smtp.peer import Peer

SLOW_START: Final = 30.0
"""Seconds of DATA in which no rate is asked for."""

PACE: Final = 8192
"""Bytes that buy one more second of DATA: a modem's 64 kbit/s. So the largest message has its time on any line, and a
trickle that is just above the least rate is over after little more than the time that every message has."""

LOGIN_TIME: Final = 5.0
"""Times the silence that is borne, in which a client must have logged in: one that says NOOP for ever keeps a place."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients are borne, in seconds: silent before a login (`greeting`) and after it (`idle`), in a TLS
    handshake or PROXY header, and in the DATA of one message, where each PACE bytes give a second more. `min_rate` is
    bytes a second of DATA after SLOW_START; 0: any.
    """

    greeting: float = 60.0
    idle: float = 300.0
    handshake: float = 10.0
    data: float = 600.0
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
        is_behind = seconds > SLOW_START and received < self.min_rate * seconds
        return is_behind or seconds > self.data + received / PACE


class Census:
    """How many connections there are: in all, of one site (`Peer.site`), of one submitter. All listeners share one.

    Users of this machine count for their submitter alone: who fills the door from the network must not keep out cron.
    Who is known by a network counts for its site alone: else one machine could keep out all others of the network.
    """

    def __init__(self, most: int, most_of_site: int, most_of_submitter: int) -> None:
        self._most = most
        self._most_of_site = most_of_site
        self._most_of_submitter = most_of_submitter
        self._all = 0
        self._sites: dict[str, int] = {}
        self._submitters: dict[str, int] = {}

    def arrive(self) -> None:
        """One more connection that has not said yet whom it is from. Raises Unavailable where it is one too many."""
        if self._all >= self._most:
            raise Unavailable("smtp.too_many_connections")
        self._all += 1

    def arrived(self) -> None:
        """It has said so: now it may enter, or is over."""
        self._all -= 1

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
    """How often the log hears that somebody was refused: strangers, and devices gone mad, must not fill the disk.

    Of strangers it hears once a minute for each site and code. What a submitter is refused is told each time, as an
    administrator is asked about it, up to OF_SUBMITTER times a minute for each code.
    """

    OF_SUBMITTER: Final = 20

    def __init__(self) -> None:
        self._strangers = _Ration(1)
        # A table of their own: no crowd of strangers takes away what is told of them.
        self._submitters = _Ration(self.OF_SUBMITTER)

    def left_out(self, peer: Peer, submitter: str, code: str, now: float) -> int | None:
        """None: this is not told. Else it is, with how many of its like were left out since the last that was told.

        `submitter`: who the client has proved to be; empty for a stranger.
        """
        ration, who = (self._submitters, submitter) if submitter else (self._strangers, peer.site)
        return ration.take((who, code), now)


@dataclass(slots=True)
class _Told:
    """What was told in the minute that began at `since`, and what was not."""

    since: float
    told: int = 1
    left_out: int = 0


class _Ration:
    """Lets each key through so many times a minute. Keys beyond MOST at once are one: the crowd."""

    _PAUSE: Final = 60.0
    _MOST: Final = 1000
    _CROWD: Final = ("", "")

    def __init__(self, times: int) -> None:
        self._times = times
        self._told: dict[tuple[str, str], _Told] = {}

    def take(self, key: tuple[str, str], now: float) -> int | None:
        """How many were left out before; None where this one is too."""
        if key not in self._told and len(self._told) >= self._MOST:
            self._told = {key: told for key, told in self._told.items() if now - told.since < self._PAUSE}
            if len(self._told) >= self._MOST:
                key = self._CROWD
        told = self._told.get(key)
        if told is None or now - told.since >= self._PAUSE:
            self._told[key] = _Told(now)
            return told.left_out if told else 0
        if told.told < self._times:
            told.told += 1
            return 0
        told.left_out += 1
        return None


def allow_open_files(needed: int) -> bool:
    """Let this process have so many files and sockets open, as far as the system lets it; whether it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft == resource.RLIM_INFINITY or soft >= needed
