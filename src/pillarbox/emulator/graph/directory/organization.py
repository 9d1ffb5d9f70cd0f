"""Graph's organization resource: what the tenant says of itself."""

from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, kind
from pillarbox.emulator.graph.directory.lookup import operation
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import Tenant

READ = (
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "User.Read",
)
"""User.Read is enough for id, name and domains, and more of it is not emulated."""
UNSET = (
    "city",
    "country",
    "countryLetterCode",
    "createdDateTime",
    "defaultUsageLocation",
    "onPremisesLastSyncDateTime",
    "onPremisesSyncEnabled",
    "partnerTenantType",
    "postalCode",
    "preferredLanguage",
    "privacyProfile",
    "state",
    "street",
)
LISTS = (
    "assignedPlans",
    "businessPhones",
    "marketingNotificationEmails",
    "provisionedPlans",
    "securityComplianceNotificationMails",
    "securityComplianceNotificationPhones",
    "technicalNotificationMails",
)
TYPE = kind(
    "microsoft.graph.organization",
    {"id": odata.STRING, "displayName": odata.STRING},
    "deletedDateTime",
    "tenantType",
    "verifiedDomains",
    *UNSET,
    *LISTS,
)


def list_all(request: Request) -> Answer:
    """GET /organization: a list of one."""
    return collection(request, "organization", TYPE, [show(request.caller.tenant)])


def show(tenant: Tenant) -> dict[str, Any]:
    """The tenant for JSON; the first domain is the default one, and the one that the tenant began with."""
    domains = [
        {
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": name == tenant.domains[0],
            "isInitial": name == tenant.domains[0],
            "name": name,
            "type": "Managed",
        }
        for name in tenant.domains
    ]
    empty = {"deletedDateTime": None} | dict.fromkeys(UNSET) | {name: [] for name in LISTS}
    return {"id": tenant.id, "displayName": tenant.name, "tenantType": "AAD"} | empty | {"verifiedDomains": domains}


OPERATIONS = (operation("GET", "/organization", list_all, *READ),)
