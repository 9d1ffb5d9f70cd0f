"""Graph's user resource, read only: people by id or UPN, lists of them, and who has signed in."""

from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.lookup import DENIED, not_found
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import User

DEFAULT = (
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
)
"""What Graph gives without $select."""
BASIC = frozenset(("id", "displayName", "givenName", "surname", "mail", "userPrincipalName"))
"""What User.ReadBasic.All shows of a person; the rest comes as null (Microsoft Graph permissions reference)."""
READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
READ_BASIC = ("User.ReadBasic.All",)
READ_ME = ("User.Read", "User.ReadWrite")

_MISSING = """
aboutMe ageGroup assignedLicenses assignedPlans authorizationInfo birthday city companyName consentProvidedForMinor
country createdDateTime creationType customSecurityAttributes deletedDateTime employeeHireDate employeeId
employeeLeaveDateTime employeeOrgData employeeType externalUserState externalUserStateChangeDateTime faxNumber
hireDate identities imAddresses interests isManagementRestricted isResourceAccount lastPasswordChangeDateTime
legalAgeGroupClassification licenseAssignmentStates mailboxSettings mySite onPremisesDistinguishedName
onPremisesDomainName onPremisesExtensionAttributes onPremisesImmutableId onPremisesLastSyncDateTime
onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled
onPremisesUserPrincipalName passwordPolicies passwordProfile pastProjects postalCode preferredDataLocation
preferredName print provisionedPlans responsibilities schools securityIdentifier serviceProvisioningErrors
showInAddressList signInActivity signInSessionsValidFromDateTime skills state streetAddress
"""

USER = odata.Kind(
    name="microsoft.graph.user",
    service=odata.DIRECTORY,
    properties={
        "id": odata.STRING,
        "businessPhones": odata.STRINGS,
        "displayName": odata.STRING,
        "givenName": odata.STRING,
        "jobTitle": odata.STRING,
        "mail": odata.STRING,
        "mobilePhone": odata.STRING,
        "officeLocation": odata.STRING,
        "preferredLanguage": odata.STRING,
        "surname": odata.STRING,
        "userPrincipalName": odata.STRING,
        "accountEnabled": odata.BOOLEAN,
        "department": odata.STRING,
        "mailNickname": odata.STRING,
        "otherMails": odata.STRINGS,
        "proxyAddresses": odata.STRINGS,
        "usageLocation": odata.STRING,
        "userType": odata.STRING,
    },
    missing=frozenset(_MISSING.split()),
)
"""A person of the directory."""


def get(request: Request) -> Answer:
    """GET /users/{user}, by id or UPN: an alias is not enough. Everybody may see himself by User.Read."""
    key = request.names["user"]
    user = request.caller.tenant.user(key)
    own = user is not None and user is request.caller.user
    if not request.caller.holds(*READ, *READ_BASIC, *(READ_ME if own else ())):
        raise GraphError(DENIED)
    if user is None:
        raise not_found(key)
    query = odata.read_one(request, USER)
    shown = {"@odata.context": odata.context(request, "users", query, entity=True)}
    return Answer.json(shown | _show(user, query, basic=not own and not request.caller.holds(*READ)))


def list_all(request: Request) -> Answer:
    """GET /users."""
    query = odata.read(request, USER)
    basic = not request.caller.holds(*READ)
    if basic and not query.named <= BASIC:
        raise GraphError(DENIED)
    page = odata.page(request.call, query, _listing(request), query.top or odata.DIRECTORY.page)
    shown = {"@odata.context": odata.context(request, "users", query)} | page.annotations
    shown["value"] = [_show(user, query, basic=basic) for user in page.items]
    return Answer.json(shown)


def _listing(request: Request) -> odata.Listing[User]:
    people = sorted(request.caller.tenant.users.values(), key=_place)
    return odata.Listing(people, _place, lambda user: _properties(user).__getitem__)


def _place(user: User) -> tuple[str]:
    return (user.upn.casefold(),)


def _show(user: User, query: odata.Query, *, basic: bool) -> dict[str, Any]:
    names = (*query.select,) if query.select else DEFAULT
    properties = _properties(user)
    empty: dict[str, Any] = {name: [] for name, value in properties.items() if isinstance(value, list)}
    return {name: empty.get(name) if basic and name not in BASIC else properties[name] for name in names}


def _properties(user: User) -> dict[str, Any]:
    primary = [f"SMTP:{user.upn}"] if user.mailbox else []
    return dict.fromkeys(USER.properties) | {
        "id": user.id,
        "businessPhones": [],
        "displayName": user.name,
        "mail": user.upn if user.mailbox else None,
        "userPrincipalName": user.upn,
        "accountEnabled": user.enabled,
        "mailNickname": user.upn.split("@")[0],
        "otherMails": [],
        "proxyAddresses": primary + [f"smtp:{alias}" for alias in user.aliases],
        "userType": "Member",
    }


OPERATIONS = (
    Operation("GET", "/users", list_all, (*READ, *READ_BASIC), mailbox=False, denied=DENIED),
    Operation("GET", "/users/{user}", get, (*READ, *READ_BASIC, *READ_ME), mailbox=False, denied=DENIED),
)
