"""Access tokens: RS256-signed JWTs of version 1.0, as Entra issues for its resources, and their check (facts 2.8).

Written against RFC 7515 and 7519 with `cryptography` alone, so that PyJWT can be the judge in the tests.
"""

import base64
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pillarbox.emulator.entra.claims import (
    MOST_GROUPS,
    Proof,
    app_claims,
    filler,
    id_claims,
    id_claims_v1,
    id_frame,
    membership,
    user_claims,
)
from pillarbox.emulator.ids import Entropy, encode, token_id
from pillarbox.emulator.world import App, Resource, ServicePrincipal, Tenant, User

MAX_TOKEN = 32 * 1024
MAX_VERIFIED = 10_000
NONE: Mapping[str, Any] = {}


class SigningKey:
    """An RSA key of 2048 bits and its public half as JWK (RFC 7517); `pem` is one that was kept."""

    def __init__(self, pem: bytes | None = None) -> None:
        self._key = _load(pem) if pem else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._key.public_key()
        numbers = self._public.public_numbers()
        self._n, self._e = _number(numbers.n), _number(numbers.e)
        thumb = f'{{"e":"{self._e}","kty":"RSA","n":"{self._n}"}}'.encode()
        self.kid = encode(hashlib.sha256(thumb).digest())

    @property
    def pem(self) -> bytes:
        """The private key, to keep it (PKCS #8, not encrypted)."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def jwk(self, issuer: str) -> dict[str, Any]:
        """The public key as Entra lists it; `issuer` may hold `{tenantid}`."""
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": self._n,
            "e": self._e,
            "issuer": issuer,
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """A compact JWT with these claims, signed with RS256; only the header of version 1.0 has `x5t`."""
        header = {"typ": "JWT", "alg": "RS256"} | ({"x5t": self.kid} if claims.get("ver") == "1.0" else {})
        header["kid"] = self.kid
        signed = f"{_part(header)}.{_part(claims)}"
        return f"{signed}.{encode(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def verify(self, signed: bytes, signature: bytes) -> bool:
        """Whether this key signed these bytes with RS256."""
        try:
            self._public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def _load(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


class TokenRefused(Exception):
    """A bearer token is not good; the text is the one that Graph gives."""


class TokenRevoked(TokenRefused):
    """The token was good, and was revoked since."""


class Tokens:
    """Issues tokens and tells whether a presented one is good.

    `lifetime` in seconds; `padding` tells by how many bytes access tokens are longer now, for clients that should cope
    with long ones.
    """

    def __init__(
        self, key: SigningKey, entropy: Entropy, *, lifetime: int = 3599, padding: Callable[[], int] = lambda: 0
    ) -> None:
        self.key = key
        self.lifetime = lifetime
        self._padding = padding
        self._entropy = entropy
        self._verified: dict[str, dict[str, Any]] = {}
        self._alive: deque[tuple[float, str]] = deque()
        self._revoked: set[str] = set()

    def app_token(
        self,
        tenant: Tenant,
        principal: ServicePrincipal,
        resource: Resource,
        audience: str,
        now: float,
        proof: Proof,
        more: Mapping[str, Any] = NONE,
    ) -> str:
        """An app-only access token for that resource; without consent it has no `roles` (facts 2.2)."""
        roles = principal.roles_for(resource)
        return self._issue(app_claims(tenant, principal, roles, proof) | dict(more), audience, now)

    def user_token(
        self,
        tenant: Tenant,
        principal: ServicePrincipal,
        user: User,
        scopes: Iterable[str],
        audience: str,
        now: float,
        proof: Proof,
        more: Mapping[str, Any] = NONE,
    ) -> str:
        """A delegated access token with these permissions, without the resource's address before them."""
        return self._issue(user_claims(tenant, principal, user, scopes, proof) | dict(more), audience, now)

    def id_token(
        self,
        base: str,
        tenant: Tenant,
        app: App,
        user: User,
        scopes: Set[str],
        nonce: str | None,
        now: float,
        *,
        v1: bool = False,
        code: str | None = None,
        most_groups: int = MOST_GROUPS,
    ) -> str:
        """An id token (OpenID Connect Core section 2); the issuer of version 2.0 follows `base`, its claims the scopes.

        `code` is the authorization code that is given beside it: its hash goes in as `c_hash` (section 3.3.2.11).
        """
        claims = id_claims_v1(tenant, user) if v1 else id_claims(base, tenant, user, scopes)
        claims |= id_frame(tenant, app, user, nonce, self._entropy) | membership(tenant, app, user, most_groups)
        if code:
            claims["c_hash"] = encode(hashlib.sha256(code.encode()).digest()[:16])
        return self.key.sign(claims | self._times(now))

    def revoke_all(self) -> None:
        """Make every token issued so far useless."""
        self._revoked.update(uti for _, uti in self._alive)
        self._verified.clear()

    def verify(self, token: str, resource: Resource, now: float) -> dict[str, Any]:
        """The claims of a good token for that resource, else TokenRefused; checked in full only the first time."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._checked(token)
            if len(self._verified) >= MAX_VERIFIED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.get("aud") not in resource.audiences:
            raise TokenRefused("Access token validation failure. Invalid audience.")
        if now >= claims["exp"]:
            raise TokenRefused("Lifetime validation failed, the token is expired.")
        if now < claims["nbf"]:
            raise TokenRefused("Access token has expired or is not yet valid.")
        return claims

    def _checked(self, token: str) -> dict[str, Any]:
        if not token:
            raise TokenRefused("Access token is empty.")
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            raise TokenRefused("IDX14100: JWT is not well formed, there are no dots (.).")
        header, claims, signed, signature = _parsed(token)
        # The algorithm is fixed here and never taken from the token (RFC 8725 section 3.1).
        known = header.get("alg") == "RS256" and header.get("kid") == self.key.kid
        if not known or not self.key.verify(signed, signature):
            raise TokenRefused("Access token validation failure. Invalid signature.")
        if claims.get("uti") in self._revoked:
            raise TokenRevoked(
                "Continuous access evaluation resulted in challenge with result: InteractionRequired"
                " and code: TokenIssuedBeforeRevocationTimestamp"
            )
        return claims

    def _issue(self, claims: dict[str, Any], audience: str, now: float) -> str:
        claims = {"aud": audience} | self._times(now) | claims | filler(int(now), self._entropy)
        claims["uti"] = token_id(self._entropy)
        added = self._padding()
        if added:
            claims["xms_padding"] = "x" * added
        while self._alive and self._alive[0][0] <= now:
            self._revoked.discard(self._alive.popleft()[1])
        self._alive.append((claims["exp"], claims["uti"]))
        return self.key.sign(claims)

    def _times(self, now: float) -> dict[str, int]:
        return {"iat": int(now), "nbf": int(now), "exp": int(now) + self.lifetime}


def _parsed(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    first, second, third = token.split(".")
    try:
        header, claims = json.loads(_decode(first)), json.loads(_decode(second))
        numbers = all(type(claims[name]) in (int, float) for name in ("exp", "nbf"))
        if isinstance(header, dict) and numbers:
            return header, claims, f"{first}.{second}".encode(), _decode(third)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise TokenRefused("IDX14100: JWT is not well formed, there are no dots (.).")


def _decode(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _part(value: dict[str, Any]) -> str:
    return encode(json.dumps(value, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
