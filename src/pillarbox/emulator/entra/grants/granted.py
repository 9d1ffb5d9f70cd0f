"""Which delegated permissions a token gets: what was consented to, once what was asked for is among it."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.scopes import Scopes
from pillarbox.emulator.entra.tenants import find_principal
from pillarbox.emulator.world import App, Resource, ServicePrincipal, Tenant, User


def consented(tenant: Tenant, principal: ServicePrincipal, user: User, scopes: Scopes, resource: Resource) -> set[str]:
    """Every permission on that resource that app and user have; 65001 if one of the asked ones is missing.

    Entra puts all consented permissions of a resource into the token, not only the asked ones. The scopes of OpenID
    Connect are nobody's to refuse.
    """
    granted = tenant.scopes_of(principal, resource, user)
    asked = scopes.names(resource) - scopes.openid
    missing = asked - granted or (resource in scopes.defaults and not granted)
    if missing:
        raise EntraError(65001, f"App: '{principal.client_id}' ({principal.name}).")
    return granted


def find_consented_principal(tenant: Tenant, app: App) -> ServicePrincipal:
    """What stands for the app in the user's tenant; 65001 if nobody there has let a foreign app in."""
    if tenant.principal(app.client_id) is None and app.client_id not in tenant.apps:
        raise EntraError(65001, f"App: '{app.client_id}' ({app.name}).")
    return find_principal(tenant, app)


def check_requested(app: App, resource: Resource) -> None:
    """Refuse a resource that the registration does not name, as the v1 endpoints do: 650057."""
    if all(each.resource is not resource for each in app.requested_permissions):
        raise EntraError(650057, f"App: '{app.client_id}' ({app.name}). Resource: '{resource.client_id}'.")
