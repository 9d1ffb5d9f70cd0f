"""Delegated permissions that were consented to, as Graph's oAuth2PermissionGrant (facts 5.5)."""

from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import administrator, bad_request, not_found, operation, taken
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import encode
from pillarbox.emulator.world import Resource, Tenant
from pillarbox.emulator.world.apps import PermissionGrant
from pillarbox.emulator.world.permissions import of

TYPE = kind(
    "microsoft.graph.oAuth2PermissionGrant",
    {
        "id": odata.EXACT,
        "clientId": odata.STRING,
        "consentType": odata.STRING,
        "principalId": odata.STRING,
        "resourceId": odata.STRING,
    },
    "scope",
)
RESOURCE = "OAuth2PermissionGrant"
PATH = "/oauth2PermissionGrants"
CONTEXT = "oauth2PermissionGrants"
WRITE = ("DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
READ = (*WRITE, "DelegatedPermissionGrant.Read.All", "Directory.Read.All")
EVERYONE, PERSON = "AllPrincipals", "Principal"


def create(request: Request) -> Answer:
    """POST: one grant per client, resource and person (or everyone); a second one is a conflict."""
    tenant = request.caller.tenant
    body = Body.entity(request, RESOURCE)
    client = tenant.principals.get(body.required("clientId").lower())
    resource = tenant.principals.get(body.required("resourceId").lower())
    person = _person(body, tenant)
    if client is None or resource is None or resource.resource is None:
        raise bad_request("Not a valid reference update.")
    scopes = _scopes(body, resource.resource)
    body.done()
    made = PermissionGrant(encode(request.world.entropy(32)), client.id, resource.resource, person, scopes)
    if any(each.key == made.key for each in tenant.grants):
        raise taken("Permission entry already exists.")
    tenant.grants.append(made)
    return entity(request, f"{CONTEXT}/$entity", show(made, tenant), status=201)


def list_all(request: Request) -> Answer:
    """GET all of the tenant."""
    tenant = request.caller.tenant
    return collection(request, CONTEXT, TYPE, [show(each, tenant) for each in tenant.grants])


def get(request: Request) -> Answer:
    """GET one."""
    return single(request, CONTEXT, TYPE, show(_find(request), request.caller.tenant))


def update(request: Request) -> Answer:
    """PATCH one: its scopes are replaced, nothing else can change."""
    grant = _find(request)
    body = Body.entity(request, RESOURCE)
    scopes = _scopes(body, grant.resource)
    body.done()
    grant.scopes = scopes
    return Answer(204)


def delete(request: Request) -> Answer:
    """DELETE one; refresh tokens that rest on it end with it."""
    request.caller.tenant.grants.remove(_find(request))
    return Answer(204)


def show(grant: PermissionGrant, tenant: Tenant) -> dict[str, Any]:
    """The grant for JSON."""
    resource = tenant.principal(grant.resource.client_id)
    assert resource is not None
    return {
        "clientId": grant.principal_id,
        "consentType": PERSON if grant.user_id else EVERYONE,
        "id": grant.id,
        "principalId": grant.user_id,
        "resourceId": resource.id,
        "scope": " ".join(sorted(grant.scopes)),
    }


def _person(body: Body, tenant: Tenant) -> str | None:
    """The user who consents, None for everyone."""
    consent, person = body.required("consentType"), body.text("principalId")
    if consent not in (EVERYONE, PERSON):
        raise body.invalid("consentType")
    if (consent == PERSON) != (person is not None) or (person and person.lower() not in tenant.users):
        raise body.invalid("principalId")
    return person.lower() if person else None


def _scopes(body: Body, resource: Resource) -> set[str]:
    """The delegated permissions in `scope`; one that is not in our table is refused and noted."""
    found = set()
    for word in (body.text("scope", longest=8 * 1024) or "").split():
        permission = of(resource, word, "delegated")
        if permission is None:
            raise body.missing("scope", word)
        found.add(permission.name)
    return found


def _find(request: Request) -> PermissionGrant:
    key = request.names["grant"]
    found = next((each for each in request.caller.tenant.grants if each.id == key), None)
    if found is None:
        raise not_found(key)
    return found


OPERATIONS = (
    operation("GET", PATH, list_all, *READ),
    operation("POST", PATH, administrator(create), *WRITE),
    operation("GET", f"{PATH}/{{grant}}", get, *READ),
    operation("PATCH", f"{PATH}/{{grant}}", administrator(update), *WRITE),
    operation("DELETE", f"{PATH}/{{grant}}", administrator(delete), *WRITE),
)
