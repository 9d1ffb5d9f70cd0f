"""What the tokens say: the claims of app-only, delegated and id tokens (facts 2.8)."""

import hashlib
import json
from collections.abc import Iterable, Set
from typing import Any, Literal

from pillarbox.emulator.ids import Entropy, encode, token_id
from pillarbox.emulator.world import App, ServicePrincipal, Tenant, User

Proof = Literal["none", "secret", "certificate"]
"""How the client proved itself: `appidacr` 0, 1 or 2. A federated assertion counts as a certificate."""
PROOFS = {"none": "0", "secret": "1", "certificate": "2"}
MOST_GROUPS = 200
"""That a JWT names."""
MOST_GROUPS_IN_ADDRESS = 5
"""The same of one that travels in the fragment of an address."""


def app_claims(tenant: Tenant, principal: ServicePrincipal, roles: list[str], proof: Proof) -> dict[str, Any]:
    """The claims of an app-only token; without roles there is no such claim."""
    claims = _common(tenant, principal, proof) | {
        "idtyp": "app",
        "oid": principal.id,
        "sub": principal.id,
        # The template id that Entra puts into tokens of app-only clients.
        "wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
    }
    return claims | ({"roles": list(roles)} if roles else {})


def user_claims(
    tenant: Tenant, principal: ServicePrincipal, user: User, scopes: Iterable[str], proof: Proof
) -> dict[str, Any]:
    """The claims of a delegated token; `scopes` without the resource's address."""
    return _common(tenant, principal, proof) | {
        "acr": "1",
        "amr": _methods(user),
        "idtyp": "user",
        "name": user.name,
        "oid": user.id,
        "scp": " ".join(sorted(scopes)),
        "sub": pairwise(user, principal.client_id),
        "unique_name": user.upn,
        "upn": user.upn,
        "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
    }


def id_frame(tenant: Tenant, app: App, user: User, nonce: str | None, entropy: Entropy) -> dict[str, Any]:
    """What every id token for the app says, beside its version, its issuer and its times."""
    claims = {
        "aud": app.client_id,
        "sub": pairwise(user, app.client_id),
        "tid": tenant.id,
        "uti": token_id(entropy),
        "rh": f"1.{encode(entropy(48))}.",
    }
    return claims | ({"nonce": nonce} if nonce else {})


def id_claims(base: str, tenant: Tenant, user: User, scopes: Set[str]) -> dict[str, Any]:
    """What an id token of version 2.0 says of the user: the scopes decide (page id-token-claims-reference)."""
    claims = {"ver": "2.0", "iss": f"{base}/{tenant.id}/v2.0"}
    if "profile" in scopes:
        claims |= {"name": user.name, "oid": user.id, "preferred_username": user.upn}
    if "email" in scopes:
        claims["email"] = user.upn
    return claims


def id_claims_v1(tenant: Tenant, user: User) -> dict[str, Any]:
    """The same of version 1.0, whose endpoints know no such scopes."""
    return {
        "ver": "1.0",
        "iss": f"https://sts.windows.net/{tenant.id}/",
        "amr": _methods(user),
        "name": user.name,
        "oid": user.id,
        "unique_name": user.upn,
        "upn": user.upn,
    }


def membership(tenant: Tenant, app: App, user: User, most: int) -> dict[str, Any]:
    """What a user is for an app: its roles, and their groups where it wants to know (page id-token-claims-reference).

    More than `most` groups are not named: the token says where Graph tells them ("groups overage claim"), or, in the
    fragment of an address, only that there are some.
    """
    groups = sorted(tenant.groups_of(user))
    roles = sorted(value for value, holders in app.app_roles.items() if not holders.isdisjoint((user.id, *groups)))
    claims: dict[str, Any] = {"roles": roles} if roles else {}
    if not app.names_groups or not groups:
        return claims
    if len(groups) <= most:
        return claims | {"groups": groups}
    if most == MOST_GROUPS_IN_ADDRESS:
        return claims | {"hasgroups": True}
    endpoint = f"https://graph.windows.net/{tenant.id}/users/{user.id}/getMemberObjects"
    return claims | {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": endpoint}}}


def pairwise(user: User, client_id: str) -> str:
    """The `sub` of a user: the same for one app, different for each (OpenID Connect Core section 8.1)."""
    return encode(hashlib.sha256(f"{user.id} {client_id}".encode()).digest())


def client_info(tenant: Tenant, user: User) -> str:
    """What MSAL asks for by `client_info=1`: base64url of the ids by which it tells accounts apart."""
    return encode(json.dumps({"uid": user.id, "utid": tenant.id}).encode())


def filler(now: int, entropy: Entropy) -> dict[str, Any]:
    """The claims that nobody reads and that make a token as long as real ones, 1.5 to 2.5 kB (emulator facts 3.4)."""
    return {
        "aio": encode(entropy(36)),
        "rh": f"1.{encode(entropy(48))}.",
        "xms_acd": now - 86400,
        "xms_act_fct": "3 9",
        "xms_ftd": encode(entropy(48)),
        "xms_idrel": "7 20",
        "xms_rd": encode(entropy(96)),
        "xms_sub_fct": "3 9",
        "xms_tcdt": now - 31536000,
        "xms_tdbr": "EU",
        "xms_tnt_fct": "3 12",
    }


def _methods(user: User) -> list[str]:
    """How the user signed in (`amr`)."""
    return ["pwd"] if user.second_factor == "none" else ["pwd", "mfa"]


def _common(tenant: Tenant, principal: ServicePrincipal, proof: Proof) -> dict[str, Any]:
    return {
        "iss": f"https://sts.windows.net/{tenant.id}/",
        "app_displayname": principal.name,
        "appid": principal.client_id,
        "appidacr": PROOFS[proof],
        "idp": f"https://sts.windows.net/{tenant.id}/",
        "tenant_region_scope": "EU",
        "tid": tenant.id,
        "ver": "1.0",
    }
