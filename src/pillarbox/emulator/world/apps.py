"""App registrations, and the service principals that stand for them in a tenant."""

import hmac
from dataclasses import dataclass, field
from typing import Literal

from pillarbox.emulator.world.permissions import Permission, Resource

Audience = Literal["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount"]
"""Graph's `signInAudience`: this tenant, any tenant, any tenant and personal accounts."""


@dataclass
class Secret:
    """A client secret; times in seconds since 1970, `ends_at` None for never."""

    id: str
    value: str = field(repr=False)
    ends_at: float | None = None
    starts_at: float = 0.0
    name: str | None = None

    @property
    def hint(self) -> str:
        """The first three signs, by which people tell secrets apart."""
        return self.value[:3]

    def ended(self, now: float) -> bool:
        """Whether the end date has passed."""
        return self.ends_at is not None and now >= self.ends_at


@dataclass
class KeyCredential:
    """A certificate with which the app signs assertions, as DER; times in seconds since 1970."""

    id: str
    certificate: bytes
    starts_at: float
    ends_at: float
    name: str | None = None


@dataclass
class FederatedCredential:
    """Another issuer's tokens that are taken in place of a secret; all three are compared letter by letter."""

    id: str
    name: str
    issuer: str
    subject: str
    audiences: list[str]
    description: str | None = None


@dataclass(eq=False)
class App:
    """An app registration.

    `requested` are the permissions on the registration. `redirect_uris` are those of the web platform,
    `public_redirect_uris` of mobile and desktop, `spa_redirect_uris` of pages. `public_client` is "Allow public client
    flows", `issues_id_tokens` lets the authorize endpoint give ID tokens ("implicit and hybrid flows"). `principal` is
    the service principal in the app's own tenant, None until there is one. `owners` are the object ids of users and
    service principals. `description`, `notes` and `tags` are kept for who reads them. `names_groups` puts the groups of
    people into their id tokens (`groupMembershipClaims`), `app_roles` are its own roles: by value, the object ids of
    users and groups that were assigned to it.
    """

    client_id: str
    object_id: str
    name: str
    audience: Audience = "AzureADMyOrg"
    requested_permissions: list[Permission] = field(default_factory=list)
    redirect_uris: list[str] = field(default_factory=list)
    public_redirect_uris: list[str] = field(default_factory=list)
    spa_redirect_uris: list[str] = field(default_factory=list)
    public_client: bool = False
    issues_id_tokens: bool = False
    secrets: list[Secret] = field(default_factory=list)
    certificates: list[KeyCredential] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)
    principal: "ServicePrincipal | None" = field(default=None, repr=False)
    created: float = 0.0
    owners: set[str] = field(default_factory=set)
    description: str | None = None
    notes: str | None = None
    tags: list[str] = field(default_factory=list)
    names_groups: bool = False
    app_roles: dict[str, set[str]] = field(default_factory=dict)

    @property
    def requested(self) -> list[str]:
        """The names of the application permissions on the registration."""
        return [each.name for each in self.requested_permissions if each.kind == "application"]

    @property
    def consented(self) -> list[str]:
        """The names of the application permissions that an administrator granted in the app's own tenant."""
        return [each.permission.name for each in self.principal.roles] if self.principal else []

    @property
    def confidential(self) -> bool:
        """Whether the app has anything to prove itself with."""
        return bool(self.secrets or self.certificates or self.federated)

    def matching(self, value: str) -> Secret | None:
        """The secret with that value, whether ended or not."""
        wanted = value.encode()
        return next((each for each in self.secrets if hmac.compare_digest(each.value.encode(), wanted)), None)


@dataclass
class RoleAssignment:
    """An application permission that an administrator granted."""

    id: str
    permission: Permission
    created: float = 0.0


@dataclass(eq=False)
class ServicePrincipal:
    """What stands for an app (or for one of Microsoft's resources) in a tenant: the "enterprise application"."""

    id: str
    client_id: str
    name: str
    app: App | None = None
    resource: Resource | None = None
    roles: list[RoleAssignment] = field(default_factory=list)
    enabled: bool = True
    tags: list[str] = field(default_factory=list)

    def roles_for(self, resource: Resource) -> list[str]:
        """The names of the application permissions granted on that resource."""
        return [each.permission.name for each in self.roles if each.permission.resource is resource]


@dataclass
class PermissionGrant:
    """Delegated permissions that were consented to: for one user, or by an administrator for all (`user_id` None)."""

    id: str
    principal_id: str
    resource: Resource
    user_id: str | None
    scopes: set[str]

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Client, resource and person: there is one grant for these."""
        return self.principal_id, self.resource.client_id, self.user_id
