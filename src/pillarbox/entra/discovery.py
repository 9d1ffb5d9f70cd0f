"""What Entra ID publishes of a tenant: its issuer, and the keys that sign its id tokens.

Keys change without notice, so an unknown one is looked for anew; but at most once in five minutes, so that a flood of
made-up key ids makes no flood of requests.
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import requests

from pillarbox.core import catalogue
from pillarbox.core.mail import Clock
from pillarbox.entra.authority import Authority, TokenUnavailable, refusal

_LOOK_AGAIN: Final = 300
"""Seconds between two requests for the keys of a tenant, whatever is asked for."""
_STALE: Final = 86400
"""Seconds after which keys are asked for anew, as one may have been withdrawn."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and the only issuer whose tokens it may sign (it may hold `{tenantid}`; empty: not said)."""

    key: jwt.PyJWK
    issuer: str


@dataclass(frozen=True, slots=True)
class _KeySet:
    keys: Mapping[str, SigningKey]
    fetched_at: float


class Discovery:
    """Asks for issuers, and remembers keys."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self._authority = authority
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sets: dict[str, _KeySet] = {}

    async def issuer(self, tenant: str) -> str:
        """The issuer of a tenant's id tokens; with `{tenantid}` in it where `tenant` stands for many.

        Raises TokenRefused for an unknown tenant, TokenUnavailable.
        """
        document = await self._get(f"{tenant}/v2.0/.well-known/openid-configuration")
        issuer = document.get("issuer")
        if not isinstance(issuer, str) or not issuer:
            raise TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("identity.no_issuer"))
        return issuer

    async def key(self, tenant: str, kid: str) -> SigningKey | None:
        """The key of this id, or None if the tenant has none. Raises TokenUnavailable."""
        async with self._lock:
            held = self._sets.get(tenant)
            age = self._clock() - held.fetched_at if held else _STALE
            if held is None or age >= _STALE or (kid not in held.keys and age >= _LOOK_AGAIN):
                held = self._sets[tenant] = await self._fetch(tenant)
        return held.keys.get(kid)

    async def _fetch(self, tenant: str) -> _KeySet:
        document = await self._get(f"{tenant}/discovery/v2.0/keys")
        listed = document.get("keys")
        found = [_read_key(one) for one in listed] if isinstance(listed, list) else []
        return _KeySet(dict(filter(None, found)), self._clock())

    async def _get(self, path: str) -> Mapping[str, Any]:
        url = f"{self._authority.cloud.authority_url}/{path}"
        return await self._authority.run(lambda: _document(self._authority.session.get(url, allow_redirects=False)))


def _document(answer: requests.Response) -> Mapping[str, Any]:
    if answer.status_code >= 500:
        raise TokenUnavailable("microsoft.token_unavailable", text=f"HTTP {answer.status_code}.")
    read = answer.json()
    document = read if isinstance(read, dict) else {}
    if answer.status_code != 200:
        raise refusal(document)
    return document


def _read_key(jwk: Any) -> tuple[str, SigningKey] | None:
    """A key of a JSON Web Key Set (RFC 7517); None for one of another kind, which signs no id token."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig":
        return None
    try:
        return str(jwk["kid"]), SigningKey(jwt.PyJWK(jwk, "RS256"), str(jwk.get("issuer", "")))
    except (KeyError, ValueError, jwt.PyJWTError):
        return None
