"""Users and groups of this machine as submitters, by what its user database says of them."""

import grp
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from pillarbox.core.accounts import UnixRule
from pillarbox.core.errors import InvalidInput

_T = TypeVar("_T")
REFRESHED: Final = 10.0
"""Seconds after which all of it is looked up anew."""
_MOST_SEEN: Final = 1000
_NAME: Final = re.compile(r"[^\s:,/=\x00-\x1f\x7f][^\s:,/=\x00-\x1f\x7f]{0,255}")


def checked(rule: UnixRule) -> UnixRule:
    """A rule as it is kept; whether there is such a user or group shows when one comes. Raises InvalidInput."""
    if not _NAME.fullmatch(rule.name) or rule.name.startswith("-"):
        raise InvalidInput("submitter.bad_unix", kind=rule.kind, name=rule.name)
    return UnixRule(rule.kind, str(int(rule.name))) if _is_number(rule.name) else rule


def is_known(rule: UnixRule) -> bool:
    """Whether this machine has such a user or group; a number is one in any case."""
    return _number(rule) is not None


class UnixTable(Generic[_T]):
    """What belongs to which user of this machine. Made in a thread, as user databases may be far away (LDAP, sssd).

    `find` itself asks them only about a user that it has not seen, and only where there are rules for groups; all else
    is as it was when the table was made. `again` makes one that is up to date.
    """

    def __init__(self, rules: Mapping[UnixRule, _T], seen: Iterable[int] = ()) -> None:
        self._rules = rules
        numbered = [
            (rule.kind, number, value) for rule, value in rules.items() if (number := _number(rule)) is not None
        ]
        self._users = {number: value for kind, number, value in numbered if kind == "user"}
        self._groups = {number: value for kind, number, value in numbered if kind == "group"}
        self._seen = {uid: _groups(uid) for uid in seen} if self._groups else {}

    def again(self) -> "UnixTable[_T]":
        """The same rules, with the users and groups as they are now.

        Numbers that are nobody's are forgotten: whoever has many (subuid) must not make us look for them for ever.
        """
        return UnixTable(self._rules, [uid for uid, groups in list(self._seen.items()) if groups])

    def holder(self, rule: UnixRule) -> _T | None:
        """What belongs to the user or group of this rule, which another rule may call otherwise (`www-data`, `33`)."""
        number = _number(rule)
        return None if number is None else (self._users if rule.kind == "user" else self._groups).get(number)

    def find(self, uid: int) -> _T | None:
        """What belongs to this user: by a rule for the user, else by one for its groups, the primary group first."""
        if uid in self._users:
            return self._users[uid]
        if not self._groups:
            return None
        if uid not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[uid] = _groups(uid)
        return next((self._groups[gid] for gid in self._seen[uid] if gid in self._groups), None)


def _groups(uid: int) -> list[int]:
    """The groups of a user, the primary one first; none of one that this machine does not know.

    They are those of the database, not of the process that calls: that may have given some up, or run under `newgrp`.
    """
    try:
        user = pwd.getpwuid(uid)
        found = os.getgrouplist(user.pw_name, user.pw_gid)
    except (KeyError, OSError):
        return []
    return [user.pw_gid, *(gid for gid in found if gid != user.pw_gid)]


def _is_number(name: str) -> bool:
    # Other scripts have digits too, and some that are no number: "²".
    return name.isascii() and name.isdigit()


def _number(rule: UnixRule) -> int | None:
    """The number of a user or group; None where this machine does not know it."""
    if _is_number(rule.name):
        return int(rule.name)
    try:
        return pwd.getpwnam(rule.name).pw_uid if rule.kind == "user" else grp.getgrnam(rule.name).gr_gid
    except (KeyError, ValueError):
        return None
