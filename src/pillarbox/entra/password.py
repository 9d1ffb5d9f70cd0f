"""The password grant: a user name and a password become a refresh token, and the password is forgotten.

A plain request of ours: MSAL knows no v1 endpoint (`resource` in the place of `scope`) and loses the authority's port.
Microsoft's advice is against it; it never works with a second factor, personal, guest or federated accounts.
https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
"""

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from pillarbox.core.accounts import AppRegistration
from pillarbox.core.vault import Secret
from pillarbox.entra.authority import Authority, TokenUnavailable, refusal


async def by_password(
    authority: Authority,
    app: AppRegistration,
    app_secret: Secret | None,
    username: str,
    password: Secret,
    scopes: Sequence[str],
    *,
    v1: bool = False,
    kept: bool = False,
) -> Mapping[str, Any]:
    """Entra's answer to the password grant: access token, and a refresh token and an id token where it gives them.

    `scopes` are full names of one resource (`https://graph.microsoft.com/Mail.Send`), with `openid offline_access`
    where wanted; the v1 endpoint is asked for the resource alone. `app_secret`: for an app that is no public client.
    `kept` says that the password is read from where it is kept, for a sign-in that exists. Raises TokenRefused, for a
    kept one SignInNeeded where it is refused, TokenUnavailable.
    """
    form = {"grant_type": "password", "client_id": app.client_id, "username": username}
    form |= {"client_secret": app_secret.reveal()} if app_secret else {}
    if v1:
        path, wanted = "oauth2/token", {"resource": _resource(scopes), "scope": "openid"}
    else:
        path, wanted = "oauth2/v2.0/token", {"scope": " ".join(scopes)}
    url = f"{authority.cloud.authority_url}/{app.tenant_id}/{path}"

    def ask() -> Mapping[str, Any]:
        answer = authority.session.post(url, data={**form, **wanted, "password": password.reveal()})
        return _read(answer)

    result = await authority.run(ask)
    if "access_token" not in result:
        raise refusal(result, delegated=kept)
    return result


def _resource(scopes: Sequence[str]) -> str:
    """The resource that full scope names are of."""
    return next(scope.rpartition("/")[0] for scope in scopes if "://" in scope)


def _read(answer: requests.Response) -> Mapping[str, Any]:
    if answer.status_code >= 500:
        raise TokenUnavailable("microsoft.token_unavailable", text=f"HTTP {answer.status_code}.")
    read = answer.json()
    return read if isinstance(read, dict) else {}
