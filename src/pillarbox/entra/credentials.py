"""Credentials of an app registration in the form that MSAL takes, and the managed identity of a machine."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msal
import requests

from pillarbox.core.accounts import AppRegistration, Credential, CredentialKind
from pillarbox.core.errors import ConfigError, InvalidInput
from pillarbox.core.vault import Secret
from pillarbox.entra import certificates
from pillarbox.entra.authority import TokenRefused, TokenUnavailable

EXCHANGE_AUDIENCE: Final = "api://AzureADTokenExchange"
"""Whom a foreign token must be made for, to stand for a secret.

https://learn.microsoft.com/entra/workload-id/workload-identity-federation
"""


class IdentityRefused(TokenRefused):
    """The machine has no such managed identity: another credential of the app may do."""

    @property
    def of_credential(self) -> bool:
        """Always."""
        return True


def in_order(credentials: Iterable[Credential], now: float) -> list[Credential]:
    """The order in which they are tried: as they come (newest first), those whose end date has passed last."""
    return sorted(credentials, key=lambda each: each.ends_at is not None and each.ends_at <= now)


def msal_credential(credential: Credential, read: Callable[[str], Secret]) -> Any:
    """What MSAL takes as `client_credential`. Blocks where the material is read anew: call it in a thread.

    A certificate signs PS256 and names itself by `x5t#S256`, as MSAL does for one that it was given whole. A federated
    token is read at each request, as it is replaced all the time. Raises what `read` raises, ConfigError for one that
    the vault does not open, and TokenRefused for a managed identity: it is no app that people could sign in to.
    """
    if credential.broken:
        raise credential.broken
    if credential.kind is CredentialKind.MANAGED_IDENTITY:
        raise TokenRefused("app.identity_signs_nobody_in")
    if credential.kind is CredentialKind.FEDERATED:
        return {"client_assertion": lambda: read(credential.source).reveal()}
    material = read(credential.source) if credential.source else credential.material
    if credential.kind is CredentialKind.SECRET:
        return material.reveal()
    try:
        private_key, chain = certificates.split(material)
    except InvalidInput as error:
        # It was read anew: what stands there now is not what was checked.
        raise ConfigError(error.code, **error.params) from error
    return {"private_key": private_key, "public_certificate": chain}


def managed_identity_client(
    credential: Credential, app: AppRegistration, session: requests.Session, cache: msal.TokenCache
) -> msal.ManagedIdentityClient:
    """A client of the machine's own token endpoint: that of virtual machines, of App Service and their like.

    The environment says which it is (IDENTITY_ENDPOINT and IDENTITY_HEADER, AZURE_POD_IDENTITY_AUTHORITY_HOST).
    """
    return _Machine(app.client_id if credential.source == "user" else "", session, cache)


def federated_by_identity(client_id: str, session: requests.Session) -> Secret:
    """A token of a managed identity that stands for a secret of another app; an empty id is the machine's own.

    Blocks. Raises IdentityRefused, TokenUnavailable.
    """
    found = _Machine(client_id, session, msal.TokenCache()).acquire_token_for_client(resource=EXCHANGE_AUDIENCE)
    return Secret(str(found["access_token"]))


class _Machine(msal.ManagedIdentityClient):  # type: ignore[misc]
    """MSAL's client, whose many ways to fail are two of ours."""

    def __init__(self, client_id: str, session: requests.Session, cache: msal.TokenCache) -> None:
        identity = (
            msal.UserAssignedManagedIdentity(client_id=client_id) if client_id else msal.SystemAssignedManagedIdentity()
        )
        super().__init__(identity, http_client=session, token_cache=cache)

    def acquire_token_for_client(self, **asked: Any) -> dict[str, Any]:
        """As MSAL's. Raises IdentityRefused, TokenUnavailable."""
        try:
            result: dict[str, Any] | None = super().acquire_token_for_client(**asked)
        except (requests.exceptions.RequestException, msal.exceptions.MsalServiceError) as error:
            raise TokenUnavailable("identity.unreachable", reason=type(error).__name__) from error
        except ValueError as error:
            # Not JSON: something else answers at that address.
            raise TokenUnavailable("identity.unreachable", reason="what answers there is something else") from error
        if result is None or "access_token" not in result:
            told = (result or {}).get("error_description") or (result or {}).get("error") or "no token in the answer"
            raise IdentityRefused("identity.refused", text=str(told).rstrip("."))
        return result
