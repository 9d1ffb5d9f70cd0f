"""What Entra ID publishes of a tenant: its issuer, and the keys that sign its id tokens.

Keys change without notice, so an unknown one is looked for anew; but at most once in five minutes, so that a flood of
made-up key ids makes no flood of requests.
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import requests

from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError
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


@dataclass(slots=True)
class _KeySet:
    """What is known of a tenant's keys. Times are seconds since 1970; `failure` is what the last try came to."""

    keys: Mapping[str, SigningKey] = field(default_factory=dict)
    fetched_at: float = -math.inf
    tried_at: float = -math.inf
    failure: PillarboxError | None = None


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
        """The key of this id, or None if the tenant has none. Raises TokenUnavailable, TokenRefused.

        A key that is known does while no new ones are to be had.
        """
        async with self._lock:
            held = self._sets.setdefault(tenant, _KeySet())
            wanted = kid not in held.keys or not self._within(_STALE, held.fetched_at)
            if wanted and not self._within(_LOOK_AGAIN, held.tried_at):
                await self._look(tenant, held)
            if kid not in held.keys and held.failure is not None:
                raise held.failure.with_traceback(None)
        return held.keys.get(kid)

    def _within(self, seconds: float, moment: float) -> bool:
        """Whether it is less than that long since a moment; a moment ahead was told by a clock that has gone back."""
        return 0 <= self._clock() - moment < seconds

    async def _look(self, tenant: str, held: _KeySet) -> None:
        # Tries count, not answers: an endpoint that is down is left alone too.
        held.tried_at = self._clock()
        try:
            held.keys, held.fetched_at, held.failure = await self._fetch(tenant), held.tried_at, None
        except PillarboxError as error:
            held.failure = error

    async def _fetch(self, tenant: str) -> Mapping[str, SigningKey]:
        document = await self._get(f"{tenant}/discovery/v2.0/keys")
        listed = document.get("keys")
        found = dict(filter(None, map(_read_key, listed))) if isinstance(listed, list) else {}
        if not found:
            raise TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("identity.no_keys"))
        return found

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
