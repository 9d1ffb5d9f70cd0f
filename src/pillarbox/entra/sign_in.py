"""A person's sign-in: the address it begins at, and how its code, or a device's, becomes tokens.

Authorization code with PKCE: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
Device code: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import msal

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration
from pillarbox.core.clouds import Cloud
from pillarbox.core.errors import PillarboxError
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenRefused, TokenUnavailable, refusal
from pillarbox.entra.identity import IdentityRefused

_MSALS_OWN: Final = ("openid", "profile", "offline_access")
"""Scopes that MSAL adds by itself."""
_WAITING: Final = frozenset({"authorization_pending", "slow_down"})
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Proof:
    """What only whoever began a sign-in can show when its code comes back."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def make(cls, random: Callable[[int], bytes]) -> "Proof":
        """A new one, of 256 bits each."""
        return cls(handle(random), handle(random))

    @property
    def sent_nonce(self) -> str:
        """The nonce as Microsoft is told it: a hash, which MSAL compares with the id token's."""
        return hashlib.sha256(self.nonce.encode("ascii")).hexdigest()

    @property
    def challenge(self) -> str:
        """The verifier as Microsoft is told it (RFC 7636 section 4.2, S256)."""
        return _base64url(hashlib.sha256(self.verifier.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class Granted:
    """What a sign-in gave: a token cache with a refresh token in it, and who says so."""

    cache: bytes = field(repr=False)
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    scopes: tuple[str, ...]


class StillWaiting(PillarboxError):
    """The person has not finished yet; `slow_down` asks for longer pauses (RFC 8628 section 3.5)."""

    def __init__(self, *, slow_down: bool) -> None:
        super().__init__("sign_in.waiting")
        self.slow_down = slow_down


def handle(random: Callable[[int], bytes]) -> str:
    """A text of 256 random bits, 43 letters long, that is fit for an address."""
    return _base64url(random(32))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def authorize_url(
    cloud: Cloud,
    app: AppRegistration,
    proof: Proof,
    *,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    login_hint: str = "",
) -> str:
    """Where the browser goes to sign in. The answer comes in the query, as a Lax cookie does not travel with a form."""
    asked = {
        "client_id": app.client_id,
        "response_type": "code",
        "response_mode": "query",
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "nonce": proof.sent_nonce,
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
        # Who is signed in already may be somebody else: the person must see and say which account it is.
        "prompt": "select_account",
        **({"login_hint": login_hint} if login_hint else {}),
    }
    return f"{cloud.authority_url}/{app.tenant_id}/oauth2/v2.0/authorize?{urlencode(asked)}"


def consent_url(cloud: Cloud, app: AppRegistration, redirect_uri: str, scopes: Sequence[str]) -> str:
    """Where an administrator agrees for the whole tenant: nobody is asked any more then.

    https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
    """
    asked = {"client_id": app.client_id, "redirect_uri": redirect_uri, "scope": " ".join(scopes)}
    return f"{cloud.authority_url}/{app.tenant_id}/v2.0/adminconsent?{urlencode(asked)}"


def wants_consent(error: PillarboxError) -> bool:
    """Whether somebody has not agreed to what was asked for: perhaps as only an administrator may."""
    known = catalogue.explain_aadsts(error.number) if isinstance(error, TokenRefused) else None
    return error.code == "sign_in.canceled" or (known is not None and known.kind == "consent")


def redeem(
    client: msal.ClientApplication,
    code: str,
    proof: Proof,
    redirect_uri: str,
    scopes: Sequence[str],
    openid: Sequence[str] = _MSALS_OWN,
) -> Mapping[str, Any]:
    """MSAL's result for a code; `scopes` are of one resource. Blocks. Raises IdentityRefused `identity.nonce`.

    Without `scopes` it is asked for what `openid` says alone.
    """
    flow = {
        "state": "checked",
        "redirect_uri": redirect_uri,
        "scope": [*scopes, *openid],
        "nonce": proof.nonce,
        "code_verifier": proof.verifier,
    }
    answer = {"state": "checked", "code": code}
    try:
        result: Mapping[str, Any] = client.acquire_token_by_auth_code_flow(flow, answer, scopes=list(scopes))
    except RuntimeError as error:
        # MSAL's word for a nonce that differs; its text holds both.
        raise IdentityRefused("identity.nonce") from error
    return result


def begin_device(client: msal.PublicClientApplication, scopes: Sequence[str]) -> dict[str, Any]:
    """MSAL's flow for a device: `user_code`, `verification_uri`, `device_code`, `interval`, `expires_in`. Blocks.

    Raises TokenRefused, TokenUnavailable.
    """
    flow: dict[str, Any] = client.initiate_device_flow(scopes=list(scopes))
    if "user_code" not in flow or "device_code" not in flow:
        raise refusal(flow)
    return flow


def poll_device(client: msal.PublicClientApplication, flow: Mapping[str, Any]) -> Mapping[str, Any]:
    """MSAL's result for a device code, asked for once, without waiting. Blocks. Raises StillWaiting."""
    # Without `latest_attempt_at`: how often is asked is ours to say.
    result: Mapping[str, Any] = client.acquire_token_by_device_flow(dict(flow), exit_condition=lambda _flow: True)
    if result.get("error") in _WAITING:
        raise StillWaiting(slow_down=result["error"] == "slow_down")
    return result


def granted(result: Mapping[str, Any], memory: Memory) -> Granted:
    """What is kept of MSAL's result. Raises TokenRefused where no refresh token came, IdentityRefused."""
    if not any(memory.cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)):
        raise TokenRefused("sign_in.no_refresh_token")
    id_token = result.get("id_token")
    if not isinstance(id_token, str):
        raise IdentityRefused("identity.missing", claim="id_token")
    scopes = tuple(str(result.get("scope", "")).split())
    return Granted(memory.cache.serialize().encode(), id_token, str(result["access_token"]), scopes)


def told(error: str, description: str) -> PillarboxError:
    """Microsoft's refusal as the browser brought it back: an error of OAuth and a text with an AADSTS number."""
    lines = description.splitlines() or [""]
    text = "".join(letter if letter.isprintable() else "?" for letter in lines[0] or error)[:_LONGEST_TEXT]
    found = refusal({"error": error, "error_description": text})
    if isinstance(found, TokenUnavailable) or not isinstance(found, TokenRefused):
        return found
    if not found.number and error == "access_denied":
        return TokenRefused("sign_in.canceled")
    known = None if found.number else catalogue.oauth().get(error)
    remedy = known.remedy if known else found.params["remedy"]
    return TokenRefused("sign_in.refused", number=found.number, text=found.params["text"], remedy=remedy)
