"""A person signs in to Pillarbox itself: where their browser goes, and what the code proves that it brings back.

OpenID Connect by authorization code with PKCE and a secret or a certificate. Nothing of it is kept, and nothing but the
name is asked for: no refresh token, no permission.
https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msal

from pillarbox.core.accounts import Account, AppRegistration
from pillarbox.core.errors import ConfigError, Forbidden, InvalidInput, Unavailable
from pillarbox.entra.authority import Authority, TokenRefused, TokenUnavailable, refusal
from pillarbox.entra.identity import IdTokens, issued_by
from pillarbox.entra.sign_in import Proof, authorize_url, redeem, told

_SCOPES: Final = ("openid", "profile")
_CODE: Final = re.compile(r"[!-~]{1,16384}")
_PAUSE: Final = 60
"""Seconds to wait with the next try, where Microsoft does not say how long."""


@dataclass(frozen=True, slots=True)
class OpenId:
    """The app registration that people sign in to. `credential` gives its secret or certificate in MSAL's form, and
    may block."""

    authority: Authority
    id_tokens: IdTokens
    app: AppRegistration
    credential: Callable[[], Any]

    def begin(self, random: Callable[[int], bytes], redirect_uri: str, state: str) -> tuple[str, Proof]:
        """Where a browser goes, and what must be shown when it comes back. Asks nobody."""
        proof = Proof.make(random)
        url = authorize_url(
            self.authority.cloud, self.app, proof, redirect_uri=redirect_uri, scopes=_SCOPES, state=state
        )
        return url, proof

    def check(self, code: str, error: str, description: str) -> None:
        """Whether a browser brought a code back. Raises what Microsoft refused, InvalidInput `sign_in.bad_answer`."""
        if error:
            raise told(error, description)
        if not _CODE.fullmatch(code):
            raise InvalidInput("sign_in.bad_answer")

    async def finish(
        self, code: str, nonce: str, verifier: str, redirect_uri: str, iss: str
    ) -> tuple[Account, Mapping[str, Any]]:
        """Who signed in, and what Microsoft claims of them, for a code that `check` found good.

        Raises Forbidden, TokenRefused and IdentityRefused for what proves nobody, ConfigError for our own credential,
        Unavailable.
        """
        proof = Proof(nonce, verifier)
        try:
            issuer = await self.id_tokens.issuer(self.app)
            if iss and not issued_by(issuer, iss):
                raise Forbidden("sign_in.other_issuer")
            result = await self.authority.run(lambda: self._redeem(code, proof, redirect_uri))
            id_token = result.get("id_token")
            if not isinstance(id_token, str):
                raise refusal(result)
            return await self.id_tokens.proven(id_token, self.app, issuer, proof.sent_nonce)
        except TokenUnavailable as error:
            seconds = round(error.retry_after or _PAUSE)
            raise Unavailable("person.microsoft_silent", reason=error.sentence, seconds=seconds) from error
        except TokenRefused as error:
            if error.of_credential:
                raise ConfigError("console.entra_credential", text=error.params.get("text", "")) from error
            raise

    def _redeem(self, code: str, proof: Proof, redirect_uri: str) -> Mapping[str, Any]:
        # A client for this once: what MSAL would remember is of no use to anybody.
        client = self.authority.confidential(self.app, self.credential(), msal.TokenCache())
        return redeem(client, code, proof, redirect_uri, (), openid=_SCOPES)
