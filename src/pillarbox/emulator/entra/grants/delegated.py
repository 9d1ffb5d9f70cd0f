"""What a token request on behalf of a user is answered: access token, refresh token and id token (facts 2.3, 2.4)."""

from dataclasses import dataclass
from typing import Any

from pillarbox.emulator.entra import capabilities
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.claims import Proof, client_info
from pillarbox.emulator.entra.grants.granted import check_requested, consented, find_consented_principal
from pillarbox.emulator.entra.refresh_tokens import Platform, RefreshToken
from pillarbox.emulator.entra.scopes import Scopes, audience
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import GRAPH, App, Resource, Tenant, User

OPENID_IN_TOKEN = ("openid", "profile", "email")
"""The scopes of OpenID Connect that a token shows; `offline_access` is not among them."""


@dataclass(frozen=True)
class SignIn:
    """A user who signed in to an app, and how that app proved itself; `signed_in` in seconds since 1970."""

    tenant: Tenant
    app: App
    user: User
    proof: Proof
    platform: Platform
    signed_in: float
    nonce: str | None = None
    refreshed: RefreshToken | None = None
    """The refresh token by which the sign-in is continued."""


def granted(call: EntraCall, sign_in: SignIn, scopes: Scopes) -> Answer:
    """The answer with all tokens, for the first resource of the scopes; Graph is meant by `openid` alone."""
    wanted = next(iter(scopes.resources), GRAPH)
    if call.v1:
        check_requested(sign_in.app, wanted)
    principal = find_consented_principal(sign_in.tenant, sign_in.app)
    names = consented(sign_in.tenant, principal, sign_in.user, scopes, wanted)
    shown = _shown(names, scopes, wanted)
    token = call.authority.tokens.user_token(
        sign_in.tenant,
        principal,
        sign_in.user,
        shown,
        audience(scopes.identifier(wanted), wanted),
        call.token_time,
        sign_in.proof,
        capabilities.asked(call),
    )
    body = times(call, scopes.identifier(wanted)) | {
        "scope": " ".join(sorted(shown) if call.v1 else _scope_words(shown, scopes, wanted)),
        "access_token": token,
    }
    return Answer.json(body | _refresh_token(call, sign_in, scopes) | _id_token(call, sign_in, scopes))


def times(call: EntraCall, resource: str) -> dict[str, Any]:
    """The first fields of every answer; the v1 endpoints send numbers as strings (facts 2.7)."""
    lifetime = call.authority.tokens.lifetime
    answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
    if call.v1:
        start = int(call.token_time)
        answer |= {"expires_on": start + lifetime, "not_before": start}
        answer = {name: str(value) for name, value in answer.items()} | {"resource": resource}
    return answer


def _shown(names: set[str], scopes: Scopes, resource: Resource) -> set[str]:
    """The words of `scp`; those of OpenID Connect belong to Graph."""
    openid = scopes.openid if resource is GRAPH else set[str]()
    return (names | openid) - {"offline_access"}


def _scope_words(shown: set[str], scopes: Scopes, resource: Resource) -> list[str]:
    """The `scope` of the answer: full names where the client gave full names, short ones of Graph where it did not."""
    named = any("/" in word and word.rpartition("/")[0] == scopes.identifier(resource) for word in scopes.texts)
    prefix = f"{scopes.identifier(resource)}/" if named or resource is not GRAPH else ""
    words = [word if word in OPENID_IN_TOKEN else f"{prefix}{word}" for word in sorted(shown)]
    return words + ([f"{prefix}.default"] if resource in scopes.defaults else [])


def _refresh_token(call: EntraCall, sign_in: SignIn, scopes: Scopes) -> dict[str, Any]:
    store, before = call.authority.refresh_tokens, sign_in.refreshed
    if before:
        token = store.rotate(before, scopes, call.now)
    elif "offline_access" in scopes.openid:
        token = store.add(
            client_id=sign_in.app.client_id,
            tenant_id=sign_in.tenant.id,
            user_id=sign_in.user.id,
            scopes=scopes,
            platform=sign_in.platform,
            signed_in=sign_in.signed_in,
            now=call.now,
        )
    else:
        return {}
    return {"refresh_token": token.value}


def _id_token(call: EntraCall, sign_in: SignIn, scopes: Scopes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "openid" in scopes.openid:
        tokens, tenant, user = call.authority.tokens, sign_in.tenant, sign_in.user
        found["id_token"] = tokens.id_token(
            call.base, tenant, sign_in.app, user, scopes.openid, sign_in.nonce, call.token_time, v1=call.v1
        )
    if call.form.get("client_info") == "1":
        found["client_info"] = client_info(sign_in.tenant, sign_in.user)
    return found
