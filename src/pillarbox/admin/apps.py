"""App registrations: the three values that an administrator pastes, checked for the mistakes that people make."""

import re
from typing import Final

from pillarbox.core.accounts import AppRegistration
from pillarbox.core.errors import Conflict, InvalidInput, NotFound
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts

_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}")


async def add(accounts: Accounts, name: str, tenant_id: str, client_id: str, secret: Secret) -> AppRegistration:
    """Keep an app registration. Raises InvalidInput for a pasted value that cannot be right, Conflict for a taken name.

    A client secret that has the form of a GUID is the secret's ID: the mistake behind most AADSTS7000215.
    """
    tenant_id, client_id = tenant_id.strip(), client_id.strip()
    if not _NAME.fullmatch(name):
        raise InvalidInput("app.bad_name", name=name)
    if not _GUID.fullmatch(client_id):
        raise InvalidInput("app.bad_client_id", value=client_id)
    if not (_GUID.fullmatch(tenant_id) or _DOMAIN.fullmatch(tenant_id)):
        raise InvalidInput("app.bad_tenant_id", value=tenant_id)
    app = await accounts.add_app(name, tenant_id, client_id, _pasted(secret))
    if app is None:
        raise Conflict("app.exists", name=name)
    return app


async def renew_secret(accounts: Accounts, name: str, secret: Secret) -> AppRegistration:
    """Keep a new client secret in the place of one that was wrong or ends. Raises InvalidInput, NotFound."""
    app = await get(accounts, name)
    await accounts.add_secret(app, _pasted(secret))
    return app


def _pasted(secret: Secret) -> Secret:
    pasted = secret.reveal().strip()
    if not pasted:
        raise InvalidInput("app.no_secret")
    if _GUID.fullmatch(pasted):
        raise InvalidInput("app.secret_is_id")
    return Secret(pasted)


async def get(accounts: Accounts, name: str) -> AppRegistration:
    """The app registration of this name. Raises NotFound."""
    app = await accounts.app(name)
    if app is None:
        raise NotFound("app.not_found", name=name)
    return app
