"""Which tenant and which app a request means (facts 2.1)."""

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.ids import is_guid
from pillarbox.emulator.world import App, ServicePrincipal, Tenant, World

COMMON = ("common", "organizations", "consumers")
"""Names in the path that stand for no single tenant."""


def find_tenant(world: World, name: str) -> Tenant:
    """The tenant with that id or verified domain; 900023 for what can be neither, 90002 for an unknown one."""
    if not is_guid(name) and not _is_domain(name):
        raise EntraError(900023, f"Specified tenant identifier '{name}' is neither a valid DNS name nor a GUID.")
    tenant = world.tenant(name)
    if tenant is None:
        raise EntraError(90002, f"Tenant '{name}' not found.")
    return tenant


def named_tenant(world: World, name: str) -> Tenant | None:
    """The tenant that a path names, None for `common` and its like."""
    return None if name in COMMON else find_tenant(world, name)


def find_app(world: World, name: str, client_id: str) -> App:
    """The app with that client id, as far as the tenant `name` of a path knows it; refused else.

    700016: the tenant does not know it. 50194: an app of one tenant on `common` or `organizations`. 9002332: an app
    for Entra users only on `consumers`.
    """
    app = world.app(client_id)
    if name in COMMON:
        return _multi_tenant(name, client_id, app)
    tenant = find_tenant(world, name)
    if app is None or not (app.client_id in tenant.apps or tenant.principal(client_id) or _may_come(app, tenant)):
        raise _unknown(client_id, tenant.name)
    return app


def find_principal(tenant: Tenant, app: App) -> ServicePrincipal:
    """What stands for the app in the tenant: 700016 or 7000229 if nothing does, 7000112 if it is switched off."""
    principal = tenant.principal(app.client_id)
    if principal is None and app.client_id in tenant.apps:
        raise EntraError(7000229, f"App: '{app.client_id}'. Directory: '{tenant.name}'.")
    if principal is None:
        raise _unknown(app.client_id, tenant.name)
    if not principal.enabled:
        raise EntraError(7000112, f"App: '{app.client_id}'.")
    return principal


def _multi_tenant(name: str, client_id: str, app: App | None) -> App:
    if app is None:
        raise _unknown(client_id, "Microsoft")
    if name == "consumers" and app.audience != "AzureADandPersonalMicrosoftAccount":
        raise EntraError(9002332, f"App: '{app.client_id}' ({app.name}).")
    if app.audience == "AzureADMyOrg":
        raise EntraError(50194, f"App: '{app.client_id}' ({app.name}).")
    return app


def _may_come(app: App, tenant: Tenant) -> bool:
    """Whether people of that tenant may sign in to an app of another, which then gets a service principal."""
    if tenant.consumers:
        return app.audience == "AzureADandPersonalMicrosoftAccount"
    return app.audience != "AzureADMyOrg"


def _unknown(client_id: str, directory: str) -> EntraError:
    return EntraError(700016, f"App: '{client_id}'. Directory: '{directory}'.")


def _is_domain(name: str) -> bool:
    return "." in name and all(part.replace("-", "").isalnum() for part in name.split("."))
