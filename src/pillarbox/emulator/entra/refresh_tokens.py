"""The refresh tokens that were given out: opaque, bound to user and app, and good for every resource (facts 2.4)."""

from dataclasses import dataclass, field, replace
from typing import Literal

from pillarbox.emulator.entra.scopes import Scopes
from pillarbox.emulator.ids import Entropy, encode

UNUSED_LIFE = 90 * 86400.0
"""Seconds after which a refresh token that was not used is dead."""
SPA_LIFE = 86400.0
"""Seconds from the sign-in in which refresh tokens of a single-page app are good, used or not."""
MAX_TOKENS = 100_000

Platform = Literal["web", "public", "spa"]
"""Which kind of redirect URI the sign-in came back to; `public` for those without any."""


@dataclass(frozen=True)
class RefreshToken:
    """What a refresh token stands for; times in seconds since 1970, `signed_in` is when the user did."""

    value: str = field(repr=False)
    client_id: str
    tenant_id: str
    user_id: str
    scopes: Scopes
    platform: Platform
    signed_in: float
    issued: float

    def unused_too_long(self, now: float) -> bool:
        """Whether 90 days have passed. Each refresh gives a new token, so the age counts from the last use."""
        return now >= self.issued + UNUSED_LIFE

    def spa_ended(self, now: float) -> bool:
        """Whether it belongs to a single-page app and its day is over."""
        return self.platform == "spa" and now >= self.signed_in + SPA_LIFE


class RefreshTokens:
    """All of them, the newest MAX_TOKENS. A used one stays good, as Entra does not revoke it at once."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._tokens: dict[str, RefreshToken] = {}

    def add(
        self,
        *,
        client_id: str,
        tenant_id: str,
        user_id: str,
        scopes: Scopes,
        platform: Platform,
        signed_in: float,
        now: float,
    ) -> RefreshToken:
        """Give one out after a sign-in."""
        value = self._value()
        return self._keep(RefreshToken(value, client_id, tenant_id, user_id, scopes, platform, signed_in, now))

    def rotate(self, token: RefreshToken, scopes: Scopes, now: float) -> RefreshToken:
        """Give out the next one of the same sign-in."""
        return self._keep(replace(token, value=self._value(), scopes=scopes, issued=now))

    def find(self, value: str) -> RefreshToken | None:
        """The refresh token with that value, dead ones too."""
        return self._tokens.get(value)

    def _keep(self, token: RefreshToken) -> RefreshToken:
        if len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token.value] = token
        return token

    def _value(self) -> str:
        return f"1.A{encode(self._entropy(60))}.AgABAwEAAAB{encode(self._entropy(690))}"
