"""What the tokens say: the claims of app-only, delegated and id tokens (facts 2.8)."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pillarbox.emulator.ids import Entropy, encode, token_id
from pillarbox.emulator.world import App, ServicePrincipal, Tenant, User

Proof = Literal["none", "secret", "certificate"]
"""How the client proved itself: `appidacr` 0, 1 or 2. A federated assertion counts as a certificate."""
PROOFS = {"none": "0", "secret": "1", "certificate": "2"}


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
        "amr": ["pwd"] if user.second_factor == "none" else ["pwd", "mfa"],
        "idtyp": "user",
        "name": user.name,
        "oid": user.id,
        "scp": " ".join(sorted(scopes)),
        "sub": pairwise(user, principal.client_id),
        "unique_name": user.upn,
        "upn": user.upn,
        "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
    }


def id_claims(base: str, tenant: Tenant, app: App, user: User, nonce: str | None, entropy: Entropy) -> dict[str, Any]:
    """The claims of an id token for the app, without its times."""
    claims = {
        "ver": "2.0",
        "iss": f"{base}/{tenant.id}/v2.0",
        "aud": app.client_id,
        "sub": pairwise(user, app.client_id),
        "oid": user.id,
        "tid": tenant.id,
        "name": user.name,
        "preferred_username": user.upn,
        "email": user.upn,
        "uti": token_id(entropy),
        "rh": f"1.{encode(entropy(48))}.",
    }
    return claims | ({"nonce": nonce} if nonce else {})


def id_claims_v1(tenant: Tenant, user: User) -> dict[str, Any]:
    """What differs in an id token of the v1 endpoints."""
    iss = f"https://sts.windows.net/{tenant.id}/"
    return {"ver": "1.0", "iss": iss, "upn": user.upn, "unique_name": user.upn}


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
