"""Application permissions granted to a client, seen from the resource or from the client (facts 5.5).

A grant shows in tokens that are issued from then on; those in hand stay as they are.
"""

from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import (
    DENIED,
    READ_APPS,
    administrator,
    bad_request,
    find_principal,
    not_found,
    operation,
    timestamp,
)
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import encode
from pillarbox.emulator.world import ServicePrincipal, Tenant
from pillarbox.emulator.world.apps import RoleAssignment
from pillarbox.emulator.world.permissions import Permission, by_id

GUID = odata.Scalar("Edm.Guid")
TYPE = kind(
    "microsoft.graph.appRoleAssignment",
    {"id": odata.EXACT, "appRoleId": GUID, "principalId": GUID, "resourceId": GUID},
    "deletedDateTime",
    "createdDateTime",
    "principalDisplayName",
    "principalType",
    "resourceDisplayName",
)
RESOURCE = "AppRoleAssignment"
WRITE = "AppRoleAssignment.ReadWrite.All"
OF_RESOURCE, OF_CLIENT = "appRoleAssignedTo", "appRoleAssignments"

Held = tuple[ServicePrincipal, RoleAssignment]
"""An assignment and the client that holds it."""


def create(request: Request) -> Answer:
    """POST: client, resource and role must belong together, and the path names one of the first two."""
    _check_reader(request)
    tenant, path = request.caller.tenant, find_principal(request)
    body = Body.entity(request, RESOURCE)
    client = _named(request, body, "principalId")
    resource = _named(request, body, "resourceId")
    ident = body.required("appRoleId")
    body.done()
    if client is None or resource is None or path is not (resource if _is_of_resource(request) else client):
        raise bad_request("Not a valid reference update.")
    permission = _permission(resource, ident)
    if any(each.permission is permission for each in client.roles):
        raise bad_request("Permission being assigned already exists on the object")
    made = RoleAssignment(encode(request.world.entropy(32)), permission, request.call.now)
    client.roles.append(made)
    return entity(request, f"{_context(request, path)}/$entity", show(client, made, tenant), status=201)


def list_all(request: Request) -> Answer:
    """GET all of a resource, or of a client."""
    tenant, path = request.caller.tenant, find_principal(request)
    found = [show(client, each, tenant) for client, each in _held(request, path)]
    return collection(request, _context(request, path), TYPE, found)


def get(request: Request) -> Answer:
    """GET one."""
    path = find_principal(request)
    client, assignment = _find(request, path)
    return single(request, _context(request, path), TYPE, show(client, assignment, request.caller.tenant))


def delete(request: Request) -> Answer:
    """DELETE one: the permission is no longer in new tokens."""
    _check_reader(request)
    client, assignment = _find(request, find_principal(request))
    client.roles.remove(assignment)
    return Answer(204)


def show(client: ServicePrincipal, assignment: RoleAssignment, tenant: Tenant) -> dict[str, Any]:
    """The assignment for JSON."""
    permission = assignment.permission
    resource = tenant.principal(permission.resource.client_id)
    return {
        "id": assignment.id,
        "deletedDateTime": None,
        "appRoleId": permission.id,
        "createdDateTime": timestamp(assignment.created),
        "principalDisplayName": client.name,
        "principalId": client.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": permission.resource.name,
        "resourceId": resource.id if resource else None,
    }


def _is_of_resource(request: Request) -> bool:
    return f"/{OF_RESOURCE}" in request.template


def _check_reader(request: Request) -> None:
    """Refuse who may grant roles and not read apps: Graph wants both (microsoft-graph-docs issue 12833)."""
    if not request.caller.holds(*READ_APPS):
        raise GraphError(DENIED)


def _named(request: Request, body: Body, name: str) -> ServicePrincipal | None:
    ident = body.required(name).lower()
    tenant = request.caller.tenant
    if ident in tenant.users or ident in tenant.groups:
        raise body.missing(name, "roles of users and groups")
    return tenant.principals.get(ident)


def _permission(resource: ServicePrincipal, ident: str) -> Permission:
    found = by_id(resource.resource, ident) if resource.resource else None
    if found is None or found.kind != "application":
        raise bad_request(f"Permission being assigned was not found on application '{resource.client_id}'.")
    return found


def _held(request: Request, path: ServicePrincipal) -> list[Held]:
    if not _is_of_resource(request):
        return [(path, each) for each in path.roles]
    clients = request.caller.tenant.principals.values()
    resource = path.resource
    return [(client, each) for client in clients for each in client.roles if each.permission.resource is resource]


def _find(request: Request, path: ServicePrincipal) -> Held:
    key = request.names["assignment"]
    found = next((held for held in _held(request, path) if held[1].id == key), None)
    if found is None:
        raise not_found(key)
    return found


def _context(request: Request, path: ServicePrincipal) -> str:
    return f"servicePrincipals('{path.id}')/{OF_RESOURCE if _is_of_resource(request) else OF_CLIENT}"


OPERATIONS = tuple(
    each
    for name in (OF_RESOURCE, OF_CLIENT)
    for each in (
        operation("GET", f"/servicePrincipals/{{principal}}/{name}", list_all, *READ_APPS),
        operation("POST", f"/servicePrincipals/{{principal}}/{name}", administrator(create), WRITE),
        operation("GET", f"/servicePrincipals/{{principal}}/{name}/{{assignment}}", get, *READ_APPS),
        operation("DELETE", f"/servicePrincipals/{{principal}}/{name}/{{assignment}}", administrator(delete), WRITE),
    )
)
