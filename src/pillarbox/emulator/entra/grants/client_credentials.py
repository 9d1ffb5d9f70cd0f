"""The client credentials grant: a token for an app alone (RFC 6749 section 4.4, facts 2.2)."""

from pillarbox.emulator.entra import capabilities
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall
from pillarbox.emulator.entra.clients.authentication import presented_client, prove
from pillarbox.emulator.entra.grants.delegated import times
from pillarbox.emulator.entra.scopes import audience, find_resource, refuse_resource, refuse_several
from pillarbox.emulator.entra.tenants import find_app, find_principal, named_tenant
from pillarbox.emulator.http import Answer

DEFAULT = "/.default"


def grant(call: EntraCall) -> Answer:
    """An app-only access token; there is never a refresh token."""
    presented = presented_client(call)
    tenant = named_tenant(call.world, call.tenant_name)
    if tenant is None:
        raise EntraError(50059)
    app = find_app(call.world, call.tenant_name, presented.client_id)
    principal = find_principal(tenant, app)
    wanted = _wanted(call)
    proof = prove(call, app, presented)
    resource = find_resource(wanted, call.base)
    if resource is None:
        raise EntraError(500011, f"Resource: '{wanted}'. Directory: '{tenant.name}'.")
    for_whom, more = audience(wanted, resource), capabilities.asked(call)
    token = call.authority.tokens.app_token(tenant, principal, resource, for_whom, call.token_time, proof, more)
    return Answer.json(times(call, wanted) | {"access_token": token})


def _wanted(call: EntraCall) -> str:
    """The resource that is asked for: by `resource` (v1), or as a whole by `<resource>/.default`."""
    if call.v1:
        return call.required("resource")
    refuse_resource(call.form)
    scopes = call.required("scope").split()
    refuse_several({scope.removesuffix(DEFAULT) for scope in scopes if scope.endswith(DEFAULT)}, " ".join(scopes))
    if len(scopes) != 1:
        raise EntraError(70011, f"Scope: '{' '.join(scopes)}'.")
    if not scopes[0].endswith(DEFAULT):
        raise EntraError(1002012, f"Scope: '{scopes[0]}'.")
    return scopes[0].removesuffix(DEFAULT)
