"""Exchange's RBAC for Applications on Graph beta: scopes, role definitions and role assignments (facts 5.6).

Signed-in administrators alone may call; the newest pages of Microsoft name apps too, older ones and the permission
table do not. Codes and texts of the refusals are not documented; they are those of the directory. Assignments count at
once, where Exchange takes 30 minutes and more.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import DENIED, bad_request, not_found, operation, taken
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Handler, Operation, Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import guid
from pillarbox.emulator.world import ServicePrincipal
from pillarbox.emulator.world.rbac import ROLES, ExchangeAssignment, Scope, parse_filter

BETA = "beta"
ROOT = "/roleManagement/exchange"
WRITE = ("RoleManagement.ReadWrite.Exchange",)
READ = (*WRITE, "RoleManagement.Read.Exchange", "RoleManagement.Read.All")
SCOPE_TYPE = kind(
    "microsoft.graph.customAppScope", {"id": odata.STRING, "displayName": odata.STRING}, "type", "customAttributes"
)
ROLE_TYPE = kind(
    "microsoft.graph.unifiedRoleDefinition",
    {"id": odata.STRING, "displayName": odata.STRING},
    "description",
    "isBuiltIn",
    "isEnabled",
    "templateId",
    "version",
    "rolePermissions",
)
ASSIGNMENT_TYPE = kind(
    "microsoft.graph.unifiedRoleAssignment",
    dict.fromkeys(("id", "principalId", "roleDefinitionId", "directoryScopeId", "appScopeId"), odata.STRING),
)
RECIPIENTS = "RecipientScope"
PRINCIPALS = "/ServicePrincipals/"
ROLE_IDS = {str(uuid.uuid5(uuid.UUID(int=0), name)): name for name in ROLES}
"""Each tenant has ids of its own for the roles, so clients must look them up; ours are the same in all tenants."""
IDS = {name: ident for ident, name in ROLE_IDS.items()}


def create_scope(request: Request) -> Answer:
    """POST customAppScopes: a management scope over recipients; a filter that is not emulated is refused."""
    body = Body.entity(request, "CustomAppScope")
    sort, name = body.required("type"), body.required("displayName")
    attributes = body.part("customAttributes", "CustomAppScopeAttributesDictionary")
    body.done()
    if sort != RECIPIENTS:
        raise body.invalid("type")
    if attributes is None:
        raise body.invalid("customAttributes")
    if attributes.flag("Exclusive"):
        raise attributes.missing("Exclusive", "exclusive scopes")
    wanted = attributes.required("RecipientFilter", longest=16 * 1024)
    attributes.done()
    try:
        parse_filter(wanted)
    except ValueError as error:
        raise attributes.missing("RecipientFilter", str(error)) from None
    scopes = request.caller.tenant.exchange_roles.scopes
    if any(each.name.casefold() == name.casefold() for each in scopes.values()):
        raise taken(f"The management scope {name} already exists.")
    scope = Scope(guid(request.world.entropy), name, wanted)
    scopes[scope.id] = scope
    return _made(request, "customAppScopes", show_scope(scope))


def list_scopes(request: Request) -> Answer:
    """GET customAppScopes."""
    scopes = request.caller.tenant.exchange_roles.scopes.values()
    return _all(request, "customAppScopes", SCOPE_TYPE, [show_scope(each) for each in scopes])


def get_scope(request: Request) -> Answer:
    """GET one of customAppScopes."""
    scope = _find(request, request.caller.tenant.exchange_roles.scopes)
    return _one(request, "customAppScopes", SCOPE_TYPE, show_scope(scope))


def delete_scope(request: Request) -> Answer:
    """DELETE one of customAppScopes; not while an assignment is over it."""
    roles = request.caller.tenant.exchange_roles
    scope = _find(request, roles.scopes)
    if roles.uses(scope.id):
        raise bad_request(f"The management scope {scope.name} is in use by a role assignment.")
    del roles.scopes[scope.id]
    return Answer(204)


def list_definitions(request: Request) -> Answer:
    """GET roleDefinitions: the roles that apps can have."""
    return _all(request, "roleDefinitions", ROLE_TYPE, [show_role(name) for name in ROLES])


def get_definition(request: Request) -> Answer:
    """GET one of roleDefinitions."""
    return _one(request, "roleDefinitions", ROLE_TYPE, show_role(_find(request, ROLE_IDS)))


def create_assignment(request: Request) -> Answer:
    """POST roleAssignments: over a scope of Exchange (`appScopeId`) or of the directory (`directoryScopeId`)."""
    roles = request.caller.tenant.exchange_roles
    body = Body.entity(request, "UnifiedRoleAssignment")
    principal = _principal(request, body)
    role = ROLE_IDS.get(body.required("roleDefinitionId").lower())
    if role is None:
        raise body.invalid("roleDefinitionId")
    scope_id, directory_scope = body.text("appScopeId"), body.text("directoryScopeId")
    body.done()
    if scope_id is None and directory_scope is None:
        raise bad_request("Either appScopeId or directoryScopeId must be specified.")
    if scope_id is not None and (scope_id.lower() not in roles.scopes or directory_scope not in (None, "/")):
        raise body.invalid("appScopeId")
    _check_directory_scope(request, body, directory_scope or "/")
    ident = guid(request.world.entropy)
    scope_id = scope_id.lower() if scope_id else None
    assignment = ExchangeAssignment(ident, principal.id, role, scope_id, directory_scope)
    if any(replace(each, id=ident) == assignment for each in roles.assignments.values()):
        raise taken("The management role assignment already exists.")
    roles.assignments[ident] = assignment
    return _made(request, "roleAssignments", show_assignment(assignment))


def list_assignments(request: Request) -> Answer:
    """GET roleAssignments."""
    assignments = request.caller.tenant.exchange_roles.assignments.values()
    return _all(request, "roleAssignments", ASSIGNMENT_TYPE, [show_assignment(each) for each in assignments])


def get_assignment(request: Request) -> Answer:
    """GET one of roleAssignments."""
    assignment = _find(request, request.caller.tenant.exchange_roles.assignments)
    return _one(request, "roleAssignments", ASSIGNMENT_TYPE, show_assignment(assignment))


def delete_assignment(request: Request) -> Answer:
    """DELETE one of roleAssignments."""
    assignments = request.caller.tenant.exchange_roles.assignments
    del assignments[_find(request, assignments).id]
    return Answer(204)


def show_scope(scope: Scope) -> dict[str, Any]:
    """The scope for JSON."""
    return {
        "id": scope.id,
        "type": RECIPIENTS,
        "displayName": scope.name,
        "customAttributes": {"Exclusive": scope.exclusive, "RecipientFilter": scope.filter},
    }


def show_role(name: str) -> dict[str, Any]:
    """The role for JSON."""
    return {
        "id": IDS[name],
        "description": name,
        "displayName": name,
        "isBuiltIn": True,
        "isEnabled": True,
        "templateId": IDS[name],
        "version": None,
        "rolePermissions": [{"allowedResourceActions": [name], "condition": None}],
    }


def show_assignment(assignment: ExchangeAssignment) -> dict[str, Any]:
    """The assignment for JSON."""
    return {
        "id": assignment.id,
        "principalId": f"{PRINCIPALS}{assignment.principal_id}",
        "roleDefinitionId": IDS[assignment.role],
        "directoryScopeId": assignment.directory_scope,
        "appScopeId": assignment.scope_id,
    }


def _principal(request: Request, body: Body) -> ServicePrincipal:
    """The service principal, which Exchange must know too: `New-ServicePrincipal` comes first (facts 5.6 [I])."""
    value, tenant = body.required("principalId"), request.caller.tenant
    ident = value[len(PRINCIPALS) :].lower()
    principal = tenant.principals.get(ident) if value.lower().startswith(PRINCIPALS.lower()) else None
    if principal is None:
        raise body.invalid("principalId")
    if tenant.exchange_principals.get(principal.client_id) != principal.id:
        raise not_found(value)
    return principal


def _check_directory_scope(request: Request, body: Body, scope: str) -> None:
    """Refuse a scope that names nobody; administrative units are not emulated."""
    tenant = request.caller.tenant
    kind, _, ident = scope.lower().removeprefix("/").partition("/")
    if kind == "administrativeunits":
        raise body.missing("directoryScopeId", "administrative units")
    known = {"": ident == "", "users": ident in tenant.users, "groups": ident in tenant.groups}
    if not scope.startswith("/") or not known.get(kind, False):
        raise body.invalid("directoryScopeId")


def _find(request: Request, objects: Mapping[str, Any]) -> Any:
    key = request.names["id"]
    if key.lower() not in objects:
        raise not_found(key)
    return objects[key.lower()]


def _made(request: Request, name: str, row: dict[str, Any]) -> Answer:
    return entity(request, f"roleManagement/exchange/{name}/$entity", row, 201, BETA)


def _one(request: Request, name: str, of: odata.Kind, row: dict[str, Any]) -> Answer:
    return single(request, f"roleManagement/exchange/{name}", of, row, BETA)


def _all(request: Request, name: str, of: odata.Kind, rows: list[dict[str, Any]]) -> Answer:
    return collection(request, f"roleManagement/exchange/{name}", of, rows, BETA)


def _signed_in_administrator(handler: Handler) -> Handler:
    def guarded(request: Request) -> Answer:
        if request.caller.user is None or not request.caller.user.administrator:
            raise GraphError(DENIED)
        return handler(request)

    return guarded


def _operation(method: str, path: str, handler: Handler) -> Operation:
    needs = READ if method == "GET" else WRITE
    return operation(method, f"{ROOT}/{path}", _signed_in_administrator(handler), *needs, versions=(BETA,))


OPERATIONS = (
    _operation("GET", "customAppScopes", list_scopes),
    _operation("POST", "customAppScopes", create_scope),
    _operation("GET", "customAppScopes/{id}", get_scope),
    _operation("DELETE", "customAppScopes/{id}", delete_scope),
    _operation("GET", "roleDefinitions", list_definitions),
    _operation("GET", "roleDefinitions/{id}", get_definition),
    _operation("GET", "roleAssignments", list_assignments),
    _operation("POST", "roleAssignments", create_assignment),
    _operation("GET", "roleAssignments/{id}", get_assignment),
    _operation("DELETE", "roleAssignments/{id}", delete_assignment),
)
