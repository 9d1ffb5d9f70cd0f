"""Managed identities: service principals whose tokens a machine of Azure gets without any secret."""

from dataclasses import dataclass

from pillarbox.emulator.world.apps import ServicePrincipal

RESOURCES = (
    "/subscriptions/00000000-0000-4000-8000-000000000000/resourcegroups/emulator/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities"
)


@dataclass(eq=False)
class ManagedIdentity:
    """One of a machine's identities: its own (system-assigned), or one that it shares with others (user-assigned)."""

    tenant_id: str
    principal: ServicePrincipal
    user_assigned: bool = False

    @property
    def resource_id(self) -> str:
        """Its address in Azure Resource Manager (`mi_res_id`)."""
        return f"{RESOURCES}/{self.principal.name}"
