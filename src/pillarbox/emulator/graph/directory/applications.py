"""Graph's application resource: registrations of apps (facts 5.1)."""

import re
from typing import Any, get_args

from pillarbox.emulator.graph import odata
from pillarbox.emulator.graph.directory import key_credentials, requested_permissions
from pillarbox.emulator.graph.directory.answers import collection, entity, kind, single
from pillarbox.emulator.graph.directory.application_credentials import show_secret
from pillarbox.emulator.graph.directory.body import Body
from pillarbox.emulator.graph.directory.lookup import (
    READ_APPS,
    WRITE_APPS,
    actor,
    find_app,
    find_own_app,
    operation,
    timestamp,
)
from pillarbox.emulator.graph.request import Request
from pillarbox.emulator.http import Answer
from pillarbox.emulator.ids import guid
from pillarbox.emulator.world import App, Tenant
from pillarbox.emulator.world.apps import Audience

TYPE = kind(
    "microsoft.graph.application",
    {
        "id": odata.STRING,
        "appId": odata.STRING,
        "createdDateTime": odata.DATE,
        "displayName": odata.STRING,
        "signInAudience": odata.STRING,
    },
    "deletedDateTime",
    "applicationTemplateId",
    "certification",
    "defaultRedirectUri",
    "disabledByMicrosoftStatus",
    "description",
    "groupMembershipClaims",
    "identifierUris",
    "isDeviceOnlyAuthSupported",
    "isFallbackPublicClient",
    "notes",
    "optionalClaims",
    "parentalControlSettings",
    "publisherDomain",
    "requestSignatureVerification",
    "samlMetadataUrl",
    "serviceManagementReference",
    "servicePrincipalLockConfiguration",
    "tags",
    "tokenEncryptionKeyId",
    "uniqueName",
    "verifiedPublisher",
    "addIns",
    "api",
    "appRoles",
    "info",
    "keyCredentials",
    "passwordCredentials",
    "publicClient",
    "requiredResourceAccess",
    "spa",
    "web",
)
RESOURCE = "Application"
NAME_LENGTH = 256
DEFAULT_AUDIENCE: Audience = "AzureADandPersonalMicrosoftAccount"
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
WEB_ADDRESS = re.compile(r"https://[^/?#*\s]+[^#*\s]*|http://(localhost|127\.0\.0\.1)(:\d+)?(/[^#*\s]*)?", re.I)
PUBLIC_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:[^#*\s]+", re.I)
"""Mobile and desktop apps have schemes of their own; none has a fragment (RFC 6749 section 3.1.2)."""


def create(request: Request) -> Answer:
    """POST /applications: the caller owns what he registers; ordinary users may, as Entra's default is."""
    tenant, entropy = request.caller.tenant, request.world.entropy
    body = Body.entity(request, RESOURCE)
    app = App(guid(entropy), guid(entropy), body.required("displayName", NAME_LENGTH), DEFAULT_AUDIENCE)
    app.created = request.call.now
    app.owners.add(actor(request.caller))
    _change(app, body, request)
    tenant.apps[app.client_id] = app
    return entity(request, "applications/$entity", show(app, tenant), status=201)


def list_all(request: Request) -> Answer:
    """GET /applications."""
    tenant = request.caller.tenant
    return collection(request, "applications", TYPE, [show(app, tenant) for app in tenant.apps.values()])


def get(request: Request) -> Answer:
    """GET /applications/{app}: by object id or `appId='..'`; `$select=keyCredentials` shows the certificates."""
    app, chosen = find_app(request), request.call.query.get("$select", "")
    with_keys = "keycredentials" in chosen.lower().replace(" ", "").split(",")
    return single(request, "applications", TYPE, show(app, request.caller.tenant, with_keys=with_keys))


def update(request: Request) -> Answer:
    """PATCH /applications/{app}: what is given replaces what was, lists as a whole."""
    app = find_own_app(request)
    body = Body.entity(request, RESOURCE)
    name = body.required("displayName", NAME_LENGTH) if "displayName" in body else app.name
    _change(app, body, request)
    app.name = name
    return Answer(204)


def delete(request: Request) -> Answer:
    """DELETE /applications/{app}, and its service principal with it."""
    request.caller.tenant.remove_app(find_own_app(request))
    return Answer(204)


def show(app: App, tenant: Tenant, *, with_keys: bool = False) -> dict[str, Any]:
    """The registration for JSON, with all properties that Graph gives without $select."""
    return {
        "id": app.object_id,
        "deletedDateTime": None,
        "appId": app.client_id,
        "applicationTemplateId": None,
        "certification": None,
        "defaultRedirectUri": None,
        "disabledByMicrosoftStatus": None,
        "createdDateTime": timestamp(app.created),
        "displayName": app.name,
        "description": app.description,
        "groupMembershipClaims": None,
        "identifierUris": [],
        "isDeviceOnlyAuthSupported": None,
        "isFallbackPublicClient": app.public_client,
        "notes": app.notes,
        "optionalClaims": None,
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "publisherDomain": tenant.domains[0],
        "requestSignatureVerification": None,
        "samlMetadataUrl": None,
        "serviceManagementReference": None,
        "servicePrincipalLockConfiguration": None,
        "signInAudience": app.audience,
        "tags": app.tags,
        "tokenEncryptionKeyId": None,
        "uniqueName": None,
        "verifiedPublisher": dict.fromkeys(("displayName", "verifiedPublisherId", "addedDateTime")),
        "addIns": [],
        "api": {
            "acceptMappedClaims": None,
            "knownClientApplications": [],
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
            "requestedAccessTokenVersion": 2 if app.audience == DEFAULT_AUDIENCE else None,
        },
        "appRoles": [],
        "info": dict.fromkeys(("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")),
        "keyCredentials": [key_credentials.show(each, with_key=with_keys) for each in app.certificates],
        "passwordCredentials": [show_secret(each) for each in app.secrets],
        "publicClient": {"redirectUris": app.public_redirect_uris},
        "requiredResourceAccess": requested_permissions.show(app.requested_permissions),
        "spa": {"redirectUris": app.spa_redirect_uris},
        "web": {
            "homePageUrl": None,
            "implicitGrantSettings": {
                "enableAccessTokenIssuance": False,
                "enableIdTokenIssuance": app.issues_id_tokens,
            },
            "logoutUrl": None,
            "redirectUris": app.redirect_uris,
        },
    }


def _change(app: App, body: Body, request: Request) -> None:
    """Read all of a body before anything of the app is changed: a refused request changes nothing."""
    changes: dict[str, Any] = {}
    if "signInAudience" in body:
        changes["audience"] = _audience(body)
    if "isFallbackPublicClient" in body:
        changes["public_client"] = bool(body.flag("isFallbackPublicClient"))
    for name in ("description", "notes"):
        if name in body:
            changes[name] = body.text(name)
    for name in ("tags", "identifierUris"):
        if name in body:
            changes[name] = body.texts(name) or []
    if changes.pop("identifierUris", []):
        raise body.missing("identifierUris", "an app is no resource")
    changes |= _platforms(body)
    wanted = body.parts("requiredResourceAccess", "RequiredResourceAccess")
    if wanted is not None:
        changes["requested_permissions"] = requested_permissions.read(wanted)
    keys = body.parts("keyCredentials", key_credentials.KIND)
    if keys is not None:
        entropy = request.world.entropy
        changes["certificates"] = [key_credentials.read(each, app.certificates, entropy) for each in keys]
    body.done()
    for name, value in changes.items():
        setattr(app, name, value)


def _audience(body: Body) -> Audience:
    value = body.required("signInAudience")
    for audience in AUDIENCES:
        if value == audience:
            return audience
    raise body.missing("signInAudience", value)


def _platforms(body: Body) -> dict[str, Any]:
    """The redirect URIs in a body, and the switch for ID tokens, by the name of App's field."""
    platforms = (
        ("web", "WebApplication", "redirect_uris", WEB_ADDRESS),
        ("spa", "SpaApplication", "spa_redirect_uris", WEB_ADDRESS),
        ("publicClient", "PublicClientApplication", "public_redirect_uris", PUBLIC_ADDRESS),
    )
    found: dict[str, Any] = {}
    for name, resource, attribute, form in platforms:
        part = body.part(name, resource)
        if part is None:
            continue
        addresses = part.texts("redirectUris")
        if name == "web":
            found |= _implicit_grant(part)
        part.done()
        if addresses is None:
            continue
        if not all(form.fullmatch(each) for each in addresses):
            raise part.invalid("redirectUris")
        found[attribute] = addresses
    return found


def _implicit_grant(web: Body) -> dict[str, Any]:
    """The switch for ID tokens; access tokens by the implicit grant are not emulated."""
    settings = web.part("implicitGrantSettings", "ImplicitGrantSettings")
    if settings is None:
        return {}
    if settings.flag("enableAccessTokenIssuance"):
        raise settings.missing("enableAccessTokenIssuance", "implicit grant")
    wanted = settings.flag("enableIdTokenIssuance")
    settings.done()
    return {} if wanted is None else {"issues_id_tokens": wanted}


OPERATIONS = (
    operation("GET", "/applications", list_all, *READ_APPS),
    operation("POST", "/applications", create, *WRITE_APPS),
    operation("GET", "/applications/{app}", get, *READ_APPS),
    operation("PATCH", "/applications/{app}", update, *WRITE_APPS),
    operation("DELETE", "/applications/{app}", delete, *WRITE_APPS),
)
