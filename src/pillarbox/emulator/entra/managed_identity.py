"""Managed identities: the token endpoints that a machine of Azure has beside it, for virtual machines and App Service.

A client is pointed here by AZURE_POD_IDENTITY_AUTHORITY_HOST, or by IDENTITY_ENDPOINT and IDENTITY_HEADER.
"""

import hmac
from typing import Any

from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.entra.scopes import audience, find_resource
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import World
from pillarbox.emulator.world.managed_identities import ManagedIdentity
from pillarbox.emulator.world.permissions import TOKEN_EXCHANGE

IMDS_VERSION = "2018-02-01"
APP_SERVICE_VERSION = "2019-08-01"
NAMES = ("client_id", "object_id", "principal_id", "mi_res_id", "msi_res_id")


class _Refused(Exception):
    """The OAuth `error`, and what is wrong."""


def imds(call: EntraCall) -> Answer:
    """The instance metadata service of a virtual machine; errors are `error` and `error_description`, status 400."""
    try:
        if call.http.headers.get("Metadata", "").lower() != "true":
            raise _Refused("bad_request_102", "Required metadata header not specified")
        _check_version(call, IMDS_VERSION)
        token = _token(call)
    except _Refused as refused:
        error, text = refused.args
        return Answer.json({"error": error, "error_description": text}, 400)
    life = {"expires_in": token["lifetime"], "ext_expires_in": token["lifetime"], "not_before": token["begins"]}
    return Answer.json(_answer(token) | {name: str(value) for name, value in life.items()})


def app_service(call: EntraCall) -> Answer:
    """The endpoint beside an App Service; errors are `statusCode` and `message`."""
    header = call.http.headers.get("X-IDENTITY-HEADER", "")
    if not hmac.compare_digest(header.encode("utf-8", "replace"), call.authority.identity_header.encode()):
        return Answer.json({"statusCode": 401, "message": "The X-IDENTITY-HEADER is missing or wrong."}, 401)
    try:
        _check_version(call, APP_SERVICE_VERSION)
        token = _token(call)
    except _Refused as refused:
        return Answer.json({"statusCode": 400, "message": refused.args[1]}, 400)
    return Answer.json(_answer(token))


def _answer(token: dict[str, Any]) -> dict[str, Any]:
    return {
        "access_token": token["access_token"],
        "client_id": token["client_id"],
        "expires_on": str(token["begins"] + token["lifetime"]),
        "resource": token["resource"],
        "token_type": "Bearer",
    }


def _check_version(call: EntraCall, version: str) -> None:
    if call.http.query.get("api-version") != version:
        raise _Refused("invalid_request", f"The api-version is missing or not supported; this is {version}.")


def _token(call: EntraCall) -> dict[str, Any]:
    wanted = call.http.query.get("resource")
    if not wanted:
        raise _Refused("invalid_request", "Required query variable 'resource' is missing")
    identity = _identity(call)
    resource = find_resource(wanted, call.base)
    if resource is None:
        raise _Refused("invalid_resource", f"AADSTS500011: The resource principal named {wanted} was not found.")
    tenant, principal, tokens = call.world.tenants[identity.tenant_id], identity.principal, call.authority.tokens
    # A managed identity has a certificate that nobody sees.
    aud, now = audience(wanted, resource), call.token_time
    # A token that stands for a secret of an app has the issuer that the app's federated credential names.
    more = {"iss": f"{call.base}/{tenant.id}/v2.0"} if resource is TOKEN_EXCHANGE else {}
    return {
        "access_token": tokens.app_token(tenant, principal, resource, aud, now, "certificate", more),
        "client_id": principal.client_id,
        "resource": wanted,
        "begins": int(now),
        "lifetime": tokens.lifetime,
    }


def _identity(call: EntraCall) -> ManagedIdentity:
    """The identity that the query names, the machine's own if it names none."""
    named = [(name, call.http.query[name]) for name in NAMES if call.http.query.get(name)]
    if len(named) > 1:
        raise _Refused("invalid_request", "Only one of client_id, object_id and mi_res_id may be given")
    identity = _find(call.world, *named[0]) if named else call.world.own_identity
    if identity is None:
        raise _Refused("invalid_request", "Identity not found")
    return identity


def _find(world: World, name: str, value: str) -> ManagedIdentity | None:
    """The user-assigned identity of that name; the machine's own is had without one."""
    found = (each for each in world.managed_identities if each.user_assigned and _is(each, name, value))
    return next(found, None)


def _is(identity: ManagedIdentity, name: str, value: str) -> bool:
    principal = identity.principal
    values = {"client_id": principal.client_id, "object_id": principal.id, "principal_id": principal.id}
    return value.lower() == values.get(name, identity.resource_id).lower()


ROUTES: tuple[Route, ...] = (
    ("GET", "/metadata/identity/oauth2/token", imds),
    ("GET", "/msi/token", app_service),
)
