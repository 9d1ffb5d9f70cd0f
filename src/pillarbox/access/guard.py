"""The guard against guessing: failed logins are answered late, cost few hashes, and end in a ban. Pure.

Only failures count, and a success takes none back. They are counted by site (an IPv4 address, or the /64 of an IPv6
address), by name (whether there is such a submitter or not) and in all; a count falls by one at a steady pace.

- A site that failed too often is banned for a while; one more failure after it bans again.
- A name, and all names together, have a budget of failed hashes for sites that nobody knows. Where it is used up they
  are told to come again later, before anything is hashed: many addresses cost no more than one, and learn nothing.
  That counts against the site too, so that who goes on is banned.
- A part of each budget is for sites that have not failed in the last day. A site can take of it once a day: so a few
  addresses cannot hold it spent, and a new device comes in while they guess.
- A site from which a name logged in rightly in the last days is known: neither a ban nor a budget keeps that name out
  there, until it fails there too often itself. So nobody locks the right user out from elsewhere. Only a right password
  shows it: whoever fails there is judged as a stranger, and learns by no reply and no count which names are known.
- An administrator may pardon a site: what failed there is forgotten.

Time is a parameter, in seconds.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from pillarbox.core.errors import Unavailable

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Patience:
    """How much failing is borne. Times are seconds.

    An answer to a failed login waits `least_delay`, with each further failure of the site longer, up to `most_delay`.
    `of_site` failures ban a site for `ban` seconds; one is forgotten in as many. `of_name` and `of_all` are the
    budgets of failed hashes of a name and of all, one more every `name_pace` and `all_pace` seconds; the last
    `name_reserve` and `all_reserve` of them are for sites that have not failed for `blamed_for` seconds. `waiting`
    logins may wait for a hash. A site is known for `known_for` seconds after a login, and as one in `noted_every`
    seconds is noted, for so much longer. `remembered` sites and names are kept, the least recent forgotten first.
    """

    least_delay: float = 1.0
    most_delay: float = 5.0
    of_site: int = 10
    ban: float = 600.0
    of_name: int = 15
    name_reserve: int = 5
    name_pace: float = 60.0
    of_all: int = 18
    all_reserve: int = 8
    all_pace: float = 5.0
    blamed_for: float = 86400.0
    waiting: int = 200
    known_for: float = 7 * 86400.0
    noted_every: float = 86400.0
    remembered: int = 10_000

    @property
    def lasting(self) -> float:
        """Seconds for which a login that was noted makes a site known."""
        return self.known_for + self.noted_every


DEFAULT_PATIENCE: Final = Patience()


class Failure(NamedTuple):
    """What a failed login has for a consequence: seconds until it is answered, and whether it began a ban."""

    delay: float
    banned: bool


class Guard:
    """Counts failed logins and says who may try."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._sites = _Counts(patience.ban, patience.remembered)
        self._names = _Counts(patience.name_pace, patience.remembered)
        self._all = _Counts(patience.all_pace, 1)
        self._pairs = _Counts(patience.ban, patience.remembered)
        self._failed_at: OrderedDict[str, float] = OrderedDict()
        self._bans: OrderedDict[str, float] = OrderedDict()
        self._known: OrderedDict[str, dict[str, float]] = OrderedDict()

    def is_banned(self, site: str, now: float) -> bool:
        """Whether a client of this site need not even connect. Where a name is known, it may."""
        if self._bans.get(site, now) <= now:
            return False
        return not any(now - last <= self._patience.lasting for last in self._known.get(site, {}).values())

    def knows(self, site: str, name: str, now: float) -> bool:
        """Whether this name logged in rightly from this site in the last days, and was not `mistaken` too often."""
        last = self._known.get(site, {}).get(_short(name))
        if last is None or now - last > self._patience.lasting:
            return False
        return self._pairs.level((site, _short(name)), now) < self._patience.of_site

    def mistaken(self, site: str, name: str, now: float) -> None:
        """A name was tried with a wrong password where it is known. What a stranger's failure has for a consequence it
        has besides.

        The site stays in the table: else a ban would begin to keep all others from connecting, and so tell of the name.
        """
        self._pairs.add((site, _short(name)), now)

    def check(self, site: str, name: str, now: float) -> None:
        """Whether a stranger may try this name from this site.

        Raises Unavailable `submitter.banned`, `submitter.busy`; changes nothing.
        """
        self.check_ban(site, now)
        of_name, of_all = self._patience.of_name, self._patience.of_all
        if self._is_blamed(site, now):
            of_name -= self._patience.name_reserve
            of_all -= self._patience.all_reserve
        if self._names.level(_short(name), now) >= of_name or self._all.level("", now) >= of_all:
            raise Unavailable("submitter.busy")

    def _is_blamed(self, site: str, now: float) -> bool:
        failed_at = self._failed_at.get(site)
        return failed_at is not None and now - failed_at < self._patience.blamed_for

    def check_ban(self, site: str, now: float) -> None:
        """Raises Unavailable `submitter.banned`."""
        if self._bans.get(site, now) > now:
            raise Unavailable("submitter.banned")

    def banned_for(self, site: str, now: float) -> float:
        """Seconds until the ban of this site ends; 0 where there is none."""
        return max(0.0, self._bans.get(site, now) - now)

    def pardon(self, site: str) -> bool:
        """Forget what failed at this site; whether it was banned.

        Also that it is to blame: what is left of a budget is for others, and its next login would still be refused.
        """
        self._failed_at.pop(site, None)
        self._sites.forget(site)
        for name in self._known.get(site, {}):
            self._pairs.forget((site, name))
        return self._bans.pop(site, None) is not None

    def failed(self, site: str, name: str, now: float, *, hashed: bool = True) -> Failure:
        """A login failed; with `hashed` it cost a hash."""
        if hashed:
            self._names.add(_short(name), now)
            self._all.add("", now)
        self._failed_at[site] = now
        self._failed_at.move_to_end(site)
        _shrink(self._failed_at, self._patience.remembered)
        return self._count(site, now)

    def turned_away(self, site: str, now: float) -> Failure:
        """A login was told to come again later, without a look at it: who comes again all the time is banned.

        It is no proof of guessing: the site keeps its share of what is reserved.
        """
        return self._count(site, now)

    def _count(self, site: str, now: float) -> Failure:
        failures = self._sites.add(site, now)
        banned = failures >= self._patience.of_site and self._bans.get(site, now) <= now
        if banned:
            self._bans[site] = now + self._patience.ban
            self._bans.move_to_end(site)
            _shrink(self._bans, self._patience.remembered)
        return Failure(min(self._patience.least_delay * failures, self._patience.most_delay), banned)

    def succeeded(self, site: str, name: str, now: float) -> bool:
        """A login was right: from now on the site is known for this name. Whether that is worth keeping."""
        noted = self._known.get(site, {}).get(_short(name))
        if noted is not None and 0 <= now - noted < self._patience.noted_every:
            self._known.move_to_end(site)
            return False
        self.learn(site, name, now)
        return True

    def learn(self, site: str, name: str, at: float) -> None:
        """A login was right at this time, perhaps in another process."""
        self._known.setdefault(site, {})[_short(name)] = at
        self._known.move_to_end(site)
        _shrink(self._known, self._patience.remembered)

    def forget(self, name: str) -> None:
        """A submitter is no more: no site is known for its name."""
        for site, names in list(self._known.items()):
            names.pop(_short(name), None)
            if not names:
                del self._known[site]

    def next_end(self) -> float | None:
        """When the first of the bans ends; None where there is none."""
        return next(iter(self._bans.values()), None)

    def take_ended(self, now: float) -> list[str]:
        """The sites whose bans have ended since this was asked last."""
        ended = []
        # They stand in the order in which they end.
        while self._bans and next(iter(self._bans.values())) <= now:
            ended.append(self._bans.popitem(last=False)[0])
        return ended


class _Counts:
    """Counts that fall by one every `pace` seconds; at most `most` of them, the least recently raised are forgotten."""

    def __init__(self, pace: float, most: int) -> None:
        self._pace = pace
        self._most = most
        self._levels: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def level(self, key: object, now: float) -> int:
        """The count; one that has begun to fall still counts whole."""
        return math.ceil(self._exact(key, now))

    def add(self, key: object, now: float) -> int:
        """Raise a count by one; what it is then."""
        self._levels[key] = (self._exact(key, now) + 1, now)
        self._levels.move_to_end(key)
        _shrink(self._levels, self._most)
        return self.level(key, now)

    def forget(self, key: object) -> None:
        """Count this one from the beginning."""
        self._levels.pop(key, None)

    def _exact(self, key: object, now: float) -> float:
        level, at = self._levels.get(key, (0.0, now))
        return max(0.0, level - max(0.0, now - at) / self._pace)


def _short(name: str) -> str:
    """A name that can be kept: longer ones are nobody's."""
    return name[: _LONGEST_NAME + 1]


def _shrink(table: OrderedDict[_Key, _Value], most: int) -> None:
    while len(table) > most:
        table.popitem(last=False)
