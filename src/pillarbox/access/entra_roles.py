"""What somebody may do here by what Microsoft's id token says of them: app roles and groups become our roles. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pillarbox.core.caller import Role
from pillarbox.core.errors import Forbidden

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def roles_of(claims: Mapping[str, Any], holders: Mapping[Role, Collection[str]], name: str) -> frozenset[Role]:
    """The roles of whoever has one of these app roles or groups. `name` is whose token it is.

    Raises Forbidden `person.too_many_groups` where the token does not name the groups, as they are too many,
    `person.no_mapped_role` for who has none of them.
    """
    held = {*_texts(claims, "roles"), *filter(_ID.fullmatch, map(str.lower, _texts(claims, "groups")))}
    found = frozenset(role for role, wanted in holders.items() if not held.isdisjoint(wanted))
    if not found:
        raise Forbidden("person.too_many_groups" if _are_left_out(claims) else "person.no_mapped_role", name=name)
    return found


def _texts(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """Of groups those by their IDs alone count: an app may have them named, and people name groups as they like."""
    listed = claims.get(name)
    return (one for one in listed if isinstance(one, str)) if isinstance(listed, list) else iter(())


def _are_left_out(claims: Mapping[str, Any]) -> bool:
    """Whether the groups were too many for the token ("groups overage claim")."""
    elsewhere = claims.get("_claim_names")
    return claims.get("hasgroups") in (True, "true") or (isinstance(elsewhere, dict) and "groups" in elsewhere)
