"""Who calls Graph: an app alone, or an app on behalf of a user, and what they may do."""

from dataclasses import dataclass
from typing import Any

from pillarbox.emulator.world import ServicePrincipal, Tenant, User

SHARED = ".Shared"


@dataclass(frozen=True)
class Caller:
    """The holder of a good token. `user` is None for app-only; `permissions` are roles or scopes from the token."""

    tenant: Tenant
    principal: ServicePrincipal
    user: User | None
    permissions: frozenset[str]

    @classmethod
    def from_claims(cls, claims: dict[str, Any], tenant: Tenant) -> "Caller | None":
        """The caller that a Graph token names, None when app or user are no longer in the tenant."""
        principal = tenant.principal(str(claims.get("appid")))
        if principal is None:
            return None
        if "scp" not in claims:
            return cls(tenant, principal, None, frozenset(claims.get("roles", ())))
        user = tenant.users.get(str(claims.get("oid")))
        return cls(tenant, principal, user, frozenset(str(claims["scp"]).split())) if user else None

    @property
    def app_id(self) -> str:
        """The client id of the app."""
        return self.principal.client_id

    def holds(self, *names: str) -> bool:
        """Whether the token has one of these permissions."""
        return not self.permissions.isdisjoint(names)

    def may(self, owner: User | None, *names: str) -> bool:
        """Whether the caller may use the owner's mailbox by one of these permissions.

        App-only: by a consented role or by an Exchange role whose scope covers the mailbox; these add up (facts 0.3).
        Delegated: the own mailbox, or another's by the permission's `.Shared` form and a right on that mailbox. That
        form holds for the own mailbox too (Microsoft Graph permissions reference: "including ... own and shared mail").
        """
        if self.user is None:
            return self.holds(*names) or (owner is not None and self._by_exchange_role(owner, names))
        if owner is self.user:
            return self.holds(*names) or self.has_shared(*names)
        return owner is not None and self.has_shared(*names) and self._has_right_on(owner, names)

    def has_shared(self, *names: str) -> bool:
        """Whether the token has one of these permissions for others' mailboxes too."""
        return self.holds(*(f"{name}{SHARED}" for name in names))

    def _by_exchange_role(self, owner: User, names: tuple[str, ...]) -> bool:
        groups = list(self.tenant.groups.values())
        roles = self.tenant.exchange_roles
        return any(roles.allow(self.principal.id, name, owner, groups) for name in names)

    def _has_right_on(self, owner: User, names: tuple[str, ...]) -> bool:
        if owner.mailbox is None or self.user is None:
            return False
        sending = owner.mailbox.send_as | owner.mailbox.send_on_behalf
        return self.user.id in (sending if "Mail.Send" in names else owner.mailbox.full_access)
