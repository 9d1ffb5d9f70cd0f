"""Graph's servicePrincipal resource: apps and Microsoft's own resources as a tenant knows them (facts 5.3 and 5.4)."""

from typing import Any

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import (
    READ_APPS,
    WRITE_APPS,
    administrator,
    bad_request,
    check_owner,
    find_principal,
    operation,
    taken,
)
from pillarbox.emulator.graph.error import GraphError
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import guid
from pillarbox.emulator.world import App, ServicePrincipal, World
from pillarbox.emulator.world.permissions import Permission, Resource, permissions

TYPE = kind(
    "microsoft.graph.servicePrincipal",
    {
        "id": odata.STRING,
        "accountEnabled": odata.BOOLEAN,
        "appId": odata.STRING,
        "displayName": odata.STRING,
        "servicePrincipalType": odata.STRING,
    },
    "deletedDateTime",
    "alternativeNames",
    "appDisplayName",
    "appDescription",
    "applicationTemplateId",
    "appOwnerOrganizationId",
    "appRoleAssignmentRequired",
    "description",
    "disabledByMicrosoftStatus",
    "homepage",
    "loginUrl",
    "logoutUrl",
    "notes",
    "notificationEmailAddresses",
    "preferredSingleSignOnMode",
    "preferredTokenSigningKeyThumbprint",
    "replyUrls",
    "samlSingleSignOnSettings",
    "servicePrincipalNames",
    "signInAudience",
    "tags",
    "tokenEncryptionKeyId",
    "verifiedPublisher",
    "addIns",
    "appRoles",
    "info",
    "keyCredentials",
    "oauth2PermissionScopes",
    "passwordCredentials",
    "resourceSpecificApplicationPermissions",
)
RESOURCE = "ServicePrincipal"
SERVICES = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
"""The tenant in which Microsoft's own apps are registered."""


def create(request: Request) -> Answer:
    """POST /servicePrincipals: for an app registered here, or one of another tenant that any tenant may use."""
    tenant = request.caller.tenant
    body = Body.entity(request, RESOURCE)
    client_id = body.required("appId").lower()
    enabled, tags = body.flag("accountEnabled"), body.texts("tags")
    body.done()
    if tenant.principal(client_id):
        raise taken(
            "The service principal cannot be created, updated, or restored because the service principal name "
            f"{client_id} is already in use."
        )
    app = _find_app(request, client_id)
    check_owner(request.caller, app)
    principal = ServicePrincipal(guid(request.world.entropy), client_id, app.name, app, enabled=enabled is not False)
    principal.tags = tags or []
    tenant.add_principal(principal)
    return entity(request, "servicePrincipals/$entity", show(principal, request.world), status=201)


def list_all(request: Request) -> Answer:
    """GET /servicePrincipals, Microsoft's own among them."""
    found = request.caller.tenant.principals.values()
    return collection(request, "servicePrincipals", TYPE, [show(each, request.world) for each in found])


def get(request: Request) -> Answer:
    """GET /servicePrincipals/{principal}: by object id or `appId='..'`."""
    return single(request, "servicePrincipals", TYPE, show(find_principal(request), request.world))


def update(request: Request) -> Answer:
    """PATCH /servicePrincipals/{principal}: `accountEnabled` false stops new tokens."""
    principal = _find_own(request)
    body = Body.entity(request, RESOURCE)
    enabled = body.flag("accountEnabled") if "accountEnabled" in body else principal.enabled
    tags = body.texts("tags") if "tags" in body else principal.tags
    body.done()
    principal.enabled, principal.tags = enabled is not False, tags or []
    return Answer(204)


def delete(request: Request) -> Answer:
    """DELETE /servicePrincipals/{principal}, and all that was granted to it; the registration stays."""
    request.caller.tenant.remove_principal(_find_own(request))
    return Answer(204)


def show(principal: ServicePrincipal, world: World) -> dict[str, Any]:
    """The service principal for JSON, with all properties that Graph gives without $select."""
    app, resource = principal.app, principal.resource
    published = [each for each in permissions() if each.resource is resource]
    return {
        "id": principal.id,
        "deletedDateTime": None,
        "accountEnabled": principal.enabled,
        "alternativeNames": [],
        "appDisplayName": principal.name,
        "appDescription": None,
        "appId": principal.client_id,
        "applicationTemplateId": None,
        "appOwnerOrganizationId": _home(principal, world),
        "appRoleAssignmentRequired": False,
        "description": None,
        "disabledByMicrosoftStatus": None,
        "displayName": principal.name,
        "homepage": None,
        "loginUrl": None,
        "logoutUrl": None,
        "notes": None,
        "notificationEmailAddresses": [],
        "preferredSingleSignOnMode": None,
        "preferredTokenSigningKeyThumbprint": None,
        "replyUrls": [*app.redirect_uris, *app.spa_redirect_uris, *app.public_redirect_uris] if app else [],
        "samlSingleSignOnSettings": None,
        "servicePrincipalNames": _names(principal.client_id, resource),
        "servicePrincipalType": "Application" if app or resource else "ManagedIdentity",
        "signInAudience": app.audience if app else "AzureADMultipleOrgs" if resource else None,
        "tags": principal.tags,
        "tokenEncryptionKeyId": None,
        "verifiedPublisher": dict.fromkeys(("displayName", "verifiedPublisherId", "addedDateTime")),
        "addIns": [],
        "appRoles": [_role(each) for each in published if each.kind == "application"],
        "info": dict.fromkeys(("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")),
        "keyCredentials": [],
        "oauth2PermissionScopes": [_scope(each) for each in published if each.kind == "delegated"],
        "passwordCredentials": [],
        "resourceSpecificApplicationPermissions": [],
    }


def _find_app(request: Request, client_id: str) -> App:
    """The app by its client id; one that was registered just now may not be known yet (facts 5.3)."""
    app, tenant, world = request.world.app(client_id), request.caller.tenant, request.world
    foreign = app is not None and client_id not in tenant.apps
    known = app is not None and request.call.now >= app.created + world.replication_delay
    if app is None or not known or (foreign and app.audience == "AzureADMyOrg"):
        text = f"The appId '{client_id}' of the service principal does not reference a valid application object."
        raise bad_request(text)
    return app


def _find_own(request: Request) -> ServicePrincipal:
    """The service principal in the path, if the caller may change it; nobody may change Microsoft's own."""
    principal = find_principal(request)
    if principal.app is None:
        raise GraphError("Authorization_RequestDenied")
    check_owner(request.caller, principal.app)
    return principal


def _home(principal: ServicePrincipal, world: World) -> str | None:
    """The tenant of the registration; none when it is gone and only this tenant's principal is left."""
    if principal.resource:
        return SERVICES
    return next((each.id for each in world.tenants.values() if principal.client_id in each.apps), None)


def _names(client_id: str, resource: Resource | None) -> list[str]:
    return [client_id, *(resource.identifiers if resource else ())]


def _role(permission: Permission) -> dict[str, Any]:
    return {
        "allowedMemberTypes": ["Application"],
        "description": permission.name,
        "displayName": permission.name,
        "id": permission.id,
        "isEnabled": True,
        "origin": "Application",
        "value": permission.name,
    }


def _scope(permission: Permission) -> dict[str, Any]:
    return {
        "adminConsentDescription": permission.name,
        "adminConsentDisplayName": permission.name,
        "id": permission.id,
        "isEnabled": True,
        "type": "Admin" if permission.needs_admin else "User",
        "userConsentDescription": permission.name,
        "userConsentDisplayName": permission.name,
        "value": permission.name,
    }


OPERATIONS = (
    operation("GET", "/servicePrincipals", list_all, *READ_APPS),
    operation("POST", "/servicePrincipals", administrator(create), *WRITE_APPS),
    operation("GET", "/servicePrincipals/{principal}", get, *READ_APPS),
    operation("PATCH", "/servicePrincipals/{principal}", administrator(update), *WRITE_APPS),
    operation("DELETE", "/servicePrincipals/{principal}", administrator(delete), *WRITE_APPS),
)
