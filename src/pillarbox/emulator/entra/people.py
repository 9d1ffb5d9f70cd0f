"""Who signs in, and what stands in the way: unknown, disabled, locked and policy-bound accounts (facts 2.6, 2.9).

The same rules hold for every way to sign in: the pages, the password grant, and each refresh.
"""

import hmac

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.tenants import COMMON, find_tenant
from pillarbox.emulator.world import App, Tenant, User, World


def find_user(world: World, tenant_name: str, username: str) -> tuple[Tenant, User]:
    """The user with that UPN, who may sign in at that tenant of a path, and the user's own tenant.

    50034 for an unknown user, 50128 for a domain that nobody has, 50020 for a user of another tenant, 500208 for the
    wrong kind of account on `organizations` or `consumers`. An alias is no name to sign in with.
    """
    named = None if tenant_name in COMMON else find_tenant(world, tenant_name)
    domain = username.rpartition("@")[2].casefold()
    tenant = world.tenant(domain) if "." in domain else None
    if tenant is None and named is None:
        raise EntraError(50128)
    user = tenant.user_by_address(username) if tenant else None
    if tenant is None or user is None or user.upn.casefold() != username.casefold():
        raise EntraError(50034)
    if named not in (None, tenant):
        raise EntraError(50020)
    if tenant_name in ("organizations", "consumers") and tenant.consumers != (tenant_name == "consumers"):
        raise EntraError(500208)
    return tenant, user


def check_audience(app: App, home: Tenant, tenant: Tenant) -> None:
    """Refuse people whom the app's `signInAudience` leaves out; `home` is the tenant of the app."""
    if tenant is home:
        return
    if app.audience == "AzureADMyOrg":
        raise EntraError(50020)
    if tenant.consumers and app.audience != "AzureADandPersonalMicrosoftAccount":
        raise EntraError(9002332)


def check_password(call: EntraCall, user: User, password: str, *, in_browser: bool = False) -> None:
    """Refuse a wrong password with 50126, and after too many of them any with 50053.

    The passwords of federated accounts are not in the cloud, so they are always wrong here; a browser would be sent to
    the organization's own server, whose part our page plays.
    """
    lockout = call.authority.lockout
    lockout.check(user.id, call.now)
    known = "" if user.federated and not in_browser else user.password or ""
    if not known or not hmac.compare_digest(known.encode(), password.encode("utf-8", "surrogatepass")):
        lockout.count(user.id, call.now)
        raise EntraError(50126)
    lockout.forget(user.id)


def check_allowed(user: User) -> None:
    """Refuse a disabled account, and one for which a policy is laid down by its number."""
    if not user.enabled:
        raise EntraError(50057)
    if user.refusal is not None:
        raise EntraError(user.refusal)


def known_user(world: World, tenant_id: str, user_id: str) -> tuple[Tenant, User]:
    """The user of an earlier sign-in; 50034 if the account is gone since."""
    tenant = world.tenants.get(tenant_id)
    user = tenant.users.get(user_id) if tenant else None
    if tenant is None or user is None:
        raise EntraError(50034)
    return tenant, user
