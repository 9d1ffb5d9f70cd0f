"""What the access tokens say, and what that means for who tests. Nothing is decided by it."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pillarbox.admin.check.steps import Found, doubtful, found
from pillarbox.core.scopes import Resource
from pillarbox.core.token_claims import read_claims

Claims = Mapping[str, Any]
_TOLD: Final = ("aud", "tid", "appid", "azp", "idtyp", "roles", "scp", "upn", "oid", "ver", "exp")
"""The claims that are shown: whom the token is for and of, and what it allows."""
_OF_IDENTITY: Final = frozenset({"openid", "profile", "email", "offline_access"})
TO_SEND: Final = frozenset({"Mail.Send"})
"""What an app needs, and nothing more."""
_USED_TO_SEND: Final = TO_SEND | {"Mail.ReadBasic.All", "Mail.ReadWrite"}
"""What one of the modes uses (decision 10): Sent Items, drafts and large mail."""
_YEAR_10000: Final = 253_402_300_800
"""The first moment that has no date."""


def claims_of(token: str) -> Claims:
    """The claims in a token that are worth showing; none of one that is opaque."""
    claims = read_claims(token) or {}
    return {name: claims[name] for name in _TOLD if name in claims}


def rights(claims: Claims) -> tuple[str, ...]:
    """The permissions that a token names: roles of an app, scopes of a person. None of them proves that it suffices."""
    roles = claims.get("roles")
    named = str(claims.get("scp") or "").split() or (roles if isinstance(roles, list) else [])
    return tuple(str(name) for name in named if name not in _OF_IDENTITY)


def judge(of: Mapping[Resource, Claims], needed: Collection[str] = TO_SEND) -> Found:
    """What the tokens say of whom they are and what they allow, beside what is `needed`. Pure."""
    evidence = {resource.value: _shown(claims) for resource, claims in of.items()}
    graph, exchange = of.get(Resource.GRAPH, {}), of.get(Resource.EXCHANGE, {})
    if not graph and not exchange:
        return found("check.rights_opaque", evidence)
    on_exchange = _listed(rights(exchange))
    both = "; for Exchange ".join(filter(None, [_listed(rights(graph)), on_exchange]))
    for claims in (graph, exchange):
        if "scp" in claims:
            who = claims.get("upn") or "a person"
            if surplus := _listed([right for right in (*rights(graph), *rights(exchange)) if right not in needed]):
                return found("check.rights_delegated_wide", evidence, who=who, rights=both, surplus=surplus)
            return found("check.rights_delegated", evidence, who=who, rights=both)
    if not rights(graph):
        if on_exchange:
            return found("check.rights_exchange", evidence, rights=on_exchange)
        return doubtful("check.rights_none", evidence)
    if not set(rights(graph)) & set(needed):
        return found("check.rights_other", evidence, rights=both, missing=_listed(sorted(needed)))
    if surplus := _listed([right for right in rights(graph) if right not in {*needed, *_USED_TO_SEND}]):
        return found("check.rights_wide", evidence, rights=both, surplus=surplus)
    return found("check.rights_app", evidence, rights=both)


def _shown(claims: Claims) -> Claims:
    ends_at = claims.get("exp")
    if not (isinstance(ends_at, int | float) and 0 <= ends_at < _YEAR_10000):
        return claims
    return {**claims, "exp": datetime.fromtimestamp(ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _listed(names: "tuple[str, ...] | list[str]") -> str:
    return ", ".join(names)
