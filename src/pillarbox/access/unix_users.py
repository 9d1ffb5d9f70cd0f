"""Users and groups of this machine as submitters: names are looked up at the moment they are asked for."""

import grp
import os
import pwd
import re
from collections.abc import Mapping
from typing import Final, TypeVar

from pillarbox.core.accounts import UnixRule
from pillarbox.core.errors import InvalidInput

_T = TypeVar("_T")
_NAME: Final = re.compile(r"[^\s:,/=\x00-\x1f\x7f][^\s:,/=\x00-\x1f\x7f]{0,255}")


def checked(rule: UnixRule) -> UnixRule:
    """A rule as it is kept; whether there is such a user or group shows when one comes. Raises InvalidInput."""
    if not _NAME.fullmatch(rule.name) or rule.name.startswith("-"):
        raise InvalidInput("submitter.bad_unix", kind=rule.kind, name=rule.name)
    number = rule.name.isascii() and rule.name.isdigit()
    return UnixRule(rule.kind, str(int(rule.name))) if number else rule


def of_uid(rules: Mapping[UnixRule, _T], uid: int) -> _T | None:
    """What belongs to this user: by a rule for the user, else by one for its groups, the primary group first."""
    for rule, value in rules.items():
        if rule.kind == "user" and _number_of_user(rule.name) == uid:
            return value
    groups = {_number_of_group(rule.name): value for rule, value in rules.items() if rule.kind == "group"}
    return next((groups[gid] for gid in _groups(uid) if gid in groups), None) if groups else None


def _groups(uid: int) -> list[int]:
    """The groups of a user, the primary one first; none of one that this machine does not know."""
    try:
        user = pwd.getpwuid(uid)
        found = os.getgrouplist(user.pw_name, user.pw_gid)
    except (KeyError, OSError):
        return []
    return [user.pw_gid, *(gid for gid in found if gid != user.pw_gid)]


def _number_of_user(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def _number_of_group(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None
