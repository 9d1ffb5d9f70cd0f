"""Who signed in: an id token verified.

OpenID Connect Core section 3.1.3.7; https://learn.microsoft.com/entra/identity-platform/claims-validation
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import jwt

from pillarbox.core.accounts import Account, AppRegistration
from pillarbox.core.errors import AuthenticationFailed
from pillarbox.core.mail import Clock
from pillarbox.entra.discovery import Discovery

_ALGORITHM: Final = "RS256"
_LEEWAY: Final = 300
"""Seconds that our clock and Microsoft's may differ."""
_TENANT: Final = "{tenantid}"
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class IdentityRefused(AuthenticationFailed):
    """An id token that does not prove who signed in."""


class IdTokens:
    """Verifies id tokens."""

    def __init__(self, discovery: Discovery, clock: Clock) -> None:
        self._discovery = discovery
        self._clock = clock

    async def issuer(self, app: AppRegistration) -> str:
        """Who must have issued the id tokens of an app's tenant. Raises TokenRefused, TokenUnavailable."""
        return await self._discovery.issuer(app.tenant_id)

    async def verify(self, token: str, app: AppRegistration, issuer: str, nonce: str | None) -> Account:
        """The account that an id token for `app` proves. `issuer` is the one that was known when the sign-in began.

        `nonce` is None for a sign-in that could send none (device code, password). Raises IdentityRefused,
        TokenUnavailable.
        """
        account, _ = await self.proven(token, app, issuer, nonce)
        return account

    async def proven(
        self, token: str, app: AppRegistration, issuer: str, nonce: str | None
    ) -> tuple[Account, Mapping[str, Any]]:
        """As `verify`, with all that the token claims."""
        kid = _kid(token)
        key = await self._discovery.key(app.tenant_id, kid)
        if key is None:
            raise IdentityRefused("identity.unknown_key")
        claims = _signed(token, key.key)
        account = account_of(claims, client_id=app.client_id, issuer=issuer, nonce=nonce, now=self._clock())
        # Consumers' tokens are signed by keys that stand in the same list.
        if key.issuer and claims["iss"] != key.issuer.replace(_TENANT, account.tenant_id):
            raise IdentityRefused("identity.issuer")
        return account, claims


def _kid(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise IdentityRefused("identity.malformed") from error
    # What the token says of itself must not choose how it is verified (RFC 8725 section 3.1).
    if header.get("alg") != _ALGORITHM:
        raise IdentityRefused("identity.algorithm")
    return str(header.get("kid", ""))


def _signed(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    """The claims under the signature. The claims are looked at below, as PyJWT knows no clock but its own."""
    try:
        claims = json.loads(jwt.PyJWS().decode(token, key, algorithms=[_ALGORITHM]))
    except jwt.PyJWTError as error:
        raise IdentityRefused("identity.signature") from error
    except (ValueError, RecursionError) as error:
        raise IdentityRefused("identity.malformed") from error
    if not isinstance(claims, dict):
        raise IdentityRefused("identity.malformed")
    return claims


def account_of(claims: Mapping[str, Any], *, client_id: str, issuer: str, nonce: str | None, now: float) -> Account:
    """The account in the claims of a signed id token. Raises IdentityRefused.

    `issuer` with `{tenantid}` takes people of any tenant, by the issuer of that tenant alone.
    """
    tenant = _text(claims, "tid").lower()
    if not _GUID.fullmatch(tenant):
        raise IdentityRefused("identity.tenant")
    if _text(claims, "iss") != issuer.replace(_TENANT, tenant):
        raise IdentityRefused("identity.issuer")
    # An issuer of one tenant names it.
    if (named := _GUID.search(issuer)) and named[0].lower() != tenant:
        raise IdentityRefused("identity.tenant")
    if _text(claims, "aud").lower() != client_id.lower():
        raise IdentityRefused("identity.audience")
    if nonce is not None and _text(claims, "nonce") != nonce:
        raise IdentityRefused("identity.nonce")
    if not _time(claims, "nbf") - _LEEWAY <= now < _time(claims, "exp") + _LEEWAY:
        raise IdentityRefused("identity.time")
    # Never `email`: whoever administers a tenant can write any address into it.
    return Account(tenant, _text(claims, "oid").lower(), _text(claims, "preferred_username"))


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise IdentityRefused("identity.missing", claim=name)
    return value


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IdentityRefused("identity.missing", claim=name)
    return value


def issued_by(issuer: str, told: str) -> bool:
    """Whether `told`, the `iss` of an authorization response (RFC 9207), is `issuer` or one that it stands for."""
    before, template, after = issuer.partition(_TENANT)
    if not template:
        return told == issuer
    tenant = told.removeprefix(before).removesuffix(after)
    return told == f"{before}{tenant}{after}" and _GUID.fullmatch(tenant) is not None
