"""A tenant: one organisation with its people, apps, consents and Exchange settings."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pillarbox.emulator.ids import Entropy, guid
from pillarbox.emulator.world.apps import App, PermissionGrant, RoleAssignment, ServicePrincipal
from pillarbox.emulator.world.people import Group, User
from pillarbox.emulator.world.permissions import RESOURCES, Permission, Resource
from pillarbox.emulator.world.rbac import ExchangeRoles

CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant in which all personal accounts live (facts, section 1)."""


@dataclass(eq=False)
class Tenant:
    """One organisation: its verified domains, users (by id), apps registered here (by client id), service principals
    (by object id) and delegated consents.

    `users_may_consent`: people may grant what needs no administrator. `smtp_auth`: clients may log in to SMTP at all,
    by whatever mechanism. `exchange_principals`: what `New-ServicePrincipal` made known to Exchange, object id by
    client id. `longest_secret`: the life in seconds that a policy allows new secrets, 0 for no secrets at all, None for
    no policy.
    """

    id: str
    name: str
    domains: list[str]
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    principals: dict[str, ServicePrincipal] = field(default_factory=dict)
    grants: list[PermissionGrant] = field(default_factory=list)
    exchange_principals: dict[str, str] = field(default_factory=dict)
    exchange_roles: ExchangeRoles = field(default_factory=ExchangeRoles)
    users_may_consent: bool = True
    smtp_auth: bool = True
    longest_secret: float | None = None
    _addresses: dict[str, User] = field(default_factory=dict, repr=False)
    _principals_by_client: dict[str, ServicePrincipal] = field(default_factory=dict, repr=False)

    @property
    def consumers(self) -> bool:
        """Whether that is the tenant of the personal accounts."""
        return self.id == CONSUMERS

    def user(self, key: str) -> User | None:
        """The user with that object id or UPN, as Graph's `/users/{id}` reads it; an alias is not enough."""
        found = self.users.get(key.lower()) or self._addresses.get(key.casefold())
        return found if found and key.casefold() in (found.id, found.upn.casefold()) else None

    def groups_of(self, user: User) -> set[str]:
        """The object ids of the groups that a user is in."""
        return {each.id for each in self.groups.values() if user.id in each.members}

    def user_by_address(self, address: str) -> User | None:
        """The user who owns that address or alias, in whatever case."""
        return self._addresses.get(address.casefold())

    def add(self, user: User) -> None:
        """Take in a user and make all addresses known; an address that is taken is a ValueError."""
        for address in user.addresses:
            if address.casefold() in self._addresses:
                raise ValueError(f"address is taken: {address}")
        self.users[user.id] = user
        self._addresses.update({address.casefold(): user for address in user.addresses})

    def principal(self, client_id: str) -> ServicePrincipal | None:
        """The service principal of that app or resource, by its client id in any case."""
        return self._principals_by_client.get(client_id.lower())

    def add_principal(self, principal: ServicePrincipal) -> None:
        """Take in a service principal; a second one of the same app is a ValueError."""
        if principal.client_id in self._principals_by_client:
            raise ValueError(f"there is a service principal already: {principal.client_id}")
        self.principals[principal.id] = principal
        self._principals_by_client[principal.client_id] = principal
        if principal.app and principal.client_id in self.apps:
            principal.app.principal = principal

    def remove_principal(self, principal: ServicePrincipal) -> None:
        """Take a service principal away, with all that was granted to it."""
        del self.principals[principal.id], self._principals_by_client[principal.client_id]
        self.grants = [each for each in self.grants if each.principal_id != principal.id]
        self.exchange_roles.forget(principal.id)
        self.exchange_principals.pop(principal.client_id, None)
        if principal.app and principal.app.principal is principal:
            principal.app.principal = None

    def remove_app(self, app: App) -> None:
        """Take a registration away, and the service principal that stands for it here."""
        del self.apps[app.client_id]
        if app.principal:
            self.remove_principal(app.principal)

    def app_by_object(self, object_id: str) -> App | None:
        """The app registered here with that object id, in any case."""
        object_id = object_id.lower()
        return next((each for each in self.apps.values() if each.object_id == object_id), None)

    def add_resources(self, entropy: Entropy) -> None:
        """Give Microsoft's own resources their service principals; each tenant has them."""
        for resource in RESOURCES:
            self.add_principal(ServicePrincipal(guid(entropy), resource.client_id, resource.name, resource=resource))

    def scopes_of(self, principal: ServicePrincipal, resource: Resource, user: User) -> set[str]:
        """The delegated permissions on a resource that were consented to, for this user or for all."""
        return {
            scope
            for grant in self.grants
            if grant.principal_id == principal.id and grant.resource is resource and grant.user_id in (None, user.id)
            for scope in grant.scopes
        }

    def grant(
        self, principal: ServicePrincipal, permissions: Iterable[Permission], user: User | None, entropy: Entropy
    ) -> None:
        """Note consent: delegated permissions for that user, or for all (None); application permissions for the app."""
        for permission in permissions:
            if permission.kind == "application":
                _assign(principal, permission, entropy)
            else:
                self._grant(principal, permission, user, entropy)

    def _grant(self, principal: ServicePrincipal, permission: Permission, user: User | None, entropy: Entropy) -> None:
        user_id = user.id if user else None
        added = PermissionGrant(guid(entropy), principal.id, permission.resource, user_id, {permission.name})
        for grant in self.grants:
            if grant.key == added.key:
                grant.scopes.add(permission.name)
                return
        self.grants.append(added)


def _assign(principal: ServicePrincipal, permission: Permission, entropy: Entropy) -> None:
    if all(each.permission is not permission for each in principal.roles):
        principal.roles.append(RoleAssignment(guid(entropy), permission))
