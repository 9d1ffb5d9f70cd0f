"""Entra's discovery documents: OpenID configuration, keys and instance discovery (OpenID Connect Discovery 1.0)."""

from typing import Any
from urllib.parse import urlsplit

from pillarbox.emulator.certificates import GRAPH_NAME, LOGIN_NAMES
from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.entra.tenants import COMMON, find_tenant
from pillarbox.emulator.entra.tokens import SigningKey
from pillarbox.emulator.http import Answer, Call
from pillarbox.emulator.world.tenant import CONSUMERS

CLOUDS = (
    ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"),
    ("login.partner.microsoftonline.cn", "login.chinacloudapi.cn"),
    ("login.microsoftonline.us", "login.usgovcloudapi.net"),
)
"""The authority hosts of each of Microsoft's clouds: the preferred one, then the one under which tokens are cached."""
VERSIONS = ("1.0", "1.1")
CLAIMS = (
    *("sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "auth_time", "acr", "nonce"),
    *("preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"),
)


def openid_configuration(base: str, tenant: str) -> dict[str, Any]:
    """The configuration of a tenant (an id, or `common` and its like); all addresses follow `base`."""
    return {
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"{base}/{_issued_by(tenant)}/v2.0",
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
        "end_session_endpoint": f"{base}/{tenant}/oauth2/v2.0/logout",
        "claims_supported": list(CLAIMS),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": _graph_host(urlsplit(base).netloc),
    }


def openid_configuration_v1(base: str, tenant: str) -> dict[str, Any]:
    """The same of the v1 endpoints: their issuer is Microsoft's, whatever host was asked."""
    return openid_configuration(base, tenant) | {
        "token_endpoint": f"{base}/{tenant}/oauth2/token",
        "jwks_uri": f"{base}/{tenant}/discovery/keys",
        "issuer": f"https://sts.windows.net/{_issued_by(tenant)}/",
        "authorization_endpoint": f"{base}/{tenant}/oauth2/authorize",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/devicecode",
        "end_session_endpoint": f"{base}/{tenant}/oauth2/logout",
    }


def keys(signing_key: SigningKey, base: str) -> dict[str, Any]:
    """The key set (RFC 7517) that signs tokens."""
    return {"keys": [signing_key.jwk(f"{base}/{{tenantid}}/v2.0")]}


def instances(call: Call) -> dict[str, Any]:
    """Instance discovery: which authority hosts belong together; an unknown host is AADSTS50049.

    Version 1.0 tells no more than where the configuration of the tenant is.
    """
    version = call.query.get("api-version", VERSIONS[-1])
    asked = call.query.get("authorization_endpoint")
    if not asked:
        raise EntraError(900144, "The request must contain the following parameter: 'authorization_endpoint'.")
    if version not in VERSIONS:
        raise EntraError(90100, "Parameter: 'api-version'.")
    own, (host, tenant) = urlsplit(call.base).netloc, _host_and_tenant(asked)
    known = (own, urlsplit(call.base).hostname, *(each for cloud in CLOUDS for each in cloud))
    if host not in known:
        raise EntraError(50049, f"Host: '{host}'.")
    found: dict[str, Any] = {
        "tenant_discovery_endpoint": f"{call.base}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": version,
    }
    clouds = [_cloud(*hosts) for hosts in CLOUDS] + [_cloud(own)]
    return found | ({"metadata": clouds} if version == VERSIONS[-1] else {})


def _graph_host(own: str) -> str:
    """Where Graph is: on the host that was asked, unless that is one of Microsoft's names for the login alone."""
    return GRAPH_NAME if own.lower() in LOGIN_NAMES else own


def _host_and_tenant(endpoint: str) -> tuple[str, str]:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        raise EntraError(90102, "Parameter: 'authorization_endpoint'.") from None
    return parts.netloc, parts.path.strip("/").partition("/")[0] or "common"


def _cloud(preferred: str, *others: str) -> dict[str, Any]:
    hosts = (preferred, *others)
    return {"preferred_network": preferred, "preferred_cache": hosts[min(1, len(others))], "aliases": list(hosts)}


def _issued_by(tenant: str) -> str:
    """The tenant in the issuer: many tenants stand behind `common`, one behind `consumers`."""
    if tenant == "consumers":
        return CONSUMERS
    return "{tenantid}" if tenant in COMMON else tenant


def _show_configuration(call: EntraCall) -> Answer:
    return Answer.json(openid_configuration(call.base, _tenant_id(call)))


def _show_configuration_v1(call: EntraCall) -> Answer:
    return Answer.json(openid_configuration_v1(call.base, _tenant_id(call)))


def _show_keys(call: EntraCall) -> Answer:
    return Answer.json(keys(call.authority.tokens.key, call.base))


def _show_instances(call: EntraCall) -> Answer:
    return Answer.json(instances(call.http))


def _tenant_id(call: EntraCall) -> str:
    name = call.tenant_name
    return name if name in COMMON else find_tenant(call.world, name).id


ROUTES: tuple[Route, ...] = (
    ("GET", "/common/discovery/instance", _show_instances),
    ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", _show_configuration),
    ("GET", "/{tenant}/.well-known/openid-configuration", _show_configuration_v1),
    ("GET", "/{tenant}/discovery/v2.0/keys", _show_keys),
    ("GET", "/{tenant}/discovery/keys", _show_keys),
    ("GET", "/discovery/keys", _show_keys),
)
