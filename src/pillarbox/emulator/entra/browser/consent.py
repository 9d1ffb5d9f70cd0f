"""Which delegated permissions a person must still allow an app, and the note of what was allowed (facts 2.3)."""

from collections.abc import Collection, Iterable

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.browser.layout import Wish
from pillarbox.emulator.entra.scopes import OPENID, Scopes
from pillarbox.emulator.world import GRAPH, App, Permission, Resource, Tenant, User, World
from pillarbox.emulator.world.permissions import of

TEXTS = {
    "openid": "Sign you in",
    "profile": "View your basic profile",
    "email": "View your email address",
    "offline_access": "Maintain access to data you have given it access to",
    "User.Read": "Sign you in and read your profile",
    "Mail.Read": "Read your mail",
    "Mail.ReadWrite": "Read and write access to your mail",
    "Mail.Send": "Send mail as you",
    "SMTP.Send": "Send emails from your mailbox using SMTP AUTH",
    "IMAP.AccessAsUser.All": "Read and write access to your mailbox using IMAP",
    "POP.AccessAsUser.All": "Read and write access to your mailbox using POP",
}
"""What the page says of the permissions of most apps; of all others it shows the name."""


def wanted(
    app: App, scopes: Scopes, granted: set[Permission], *, again: bool = False, v1: bool = False
) -> set[Permission]:
    """The permissions that a request asks for.

    `.default` stands for all delegated permissions of the registration, but only until anything was granted on that
    resource, or if the app wants to be asked `again`. Nothing registered on it: 650056, in version 1 650057. That
    version gives refresh tokens unasked.
    """
    found = {each for each in named(scopes) if not (v1 and each.name == "offline_access")}
    for resource in scopes.defaults:
        has_some = any(each.resource is resource and each.name not in OPENID for each in granted)
        if again or not has_some:
            registered = _registered(app, resource)
            if not registered and not has_some:
                raise EntraError(650057 if v1 else 650056, f"Resource: '{resource.name}'. App: '{app.client_id}'.")
            found |= registered
    return found


def named(scopes: Scopes) -> set[Permission]:
    """The permissions that are asked for by name; those of OpenID Connect are Graph's."""
    openid = (of(GRAPH, name, "delegated") for name in scopes.openid)
    return {*scopes.permissions, *(each for each in openid if each)}


def granted_to(tenant: Tenant, app: App, user: User) -> set[Permission]:
    """The delegated permissions that the app has for that user already."""
    principal = tenant.principal(app.client_id)
    if principal is None:
        return set()
    resources = {grant.resource for grant in tenant.grants if grant.principal_id == principal.id}
    found = (
        of(resource, name, "delegated")
        for resource in resources
        for name in tenant.scopes_of(principal, resource, user)
    )
    return {each for each in found if each}


def must_be_admin(tenant: Tenant, user: User, asked: Collection[Permission]) -> bool:
    """Whether an administrator would have to grant that, and the user is none."""
    if user.administrator or not asked:
        return False
    return not tenant.users_may_consent or any(each.needs_admin for each in asked)


def record(world: World, tenant: Tenant, app: App, allowed: Iterable[Permission], user: User | None) -> None:
    """Note consent of a user, or of an administrator for all (None); an app that comes first gets its principal."""
    principal = tenant.principal(app.client_id) or world.add_principal(tenant, app)
    tenant.grant(principal, ordered(allowed), user, world.entropy)


def ordered(permissions: Iterable[Permission]) -> list[Permission]:
    """In the order in which pages and answers list them: by resource, application permissions first, by name."""
    return sorted(permissions, key=lambda each: (each.resource.name, each.kind, each.name.lower()))


def wishes(permissions: Iterable[Permission]) -> list[Wish]:
    """The permissions in words, for a page."""
    return [_wish(each) for each in ordered(permissions)]


def publisher(world: World, app: App) -> str:
    """Who stands behind an app."""
    home = world.home(app)
    return f"{home.name} ({home.domains[0]})"


def _registered(app: App, resource: Resource) -> set[Permission]:
    """All delegated permissions of the registration, none if there is none on that resource.

    Microsoft asks for the whole registration at once, whichever resource is named.
    """
    delegated = {each for each in app.requested_permissions if each.kind == "delegated"}
    return delegated if any(each.resource is resource for each in delegated) else set()


def _wish(permission: Permission) -> Wish:
    name, resource = permission.name, permission.resource.name
    if permission.kind == "application":
        return Wish(name, f"{resource}, without a signed-in user")
    return Wish(TEXTS[name], f"{name} ({resource})") if name in TEXTS else Wish(name, resource)
