"""Entra's discovery documents: OpenID configuration, keys and instance discovery (OpenID Connect Discovery 1.0)."""

from typing import Any
from urllib.parse import urlsplit

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.tokens import SigningKey
from pillarbox.emulator.http import Call

MICROSOFT_HOSTS = (
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
)


def openid_configuration(base: str, tenant: str) -> dict[str, Any]:
    """The configuration of a tenant (an id, or `common` and its like); all addresses follow `base`."""
    multi = "{tenantid}" if tenant in ("common", "organizations", "consumers") else tenant
    return {
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"{base}/{multi}/v2.0",
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
        "end_session_endpoint": f"{base}/{tenant}/oauth2/v2.0/logout",
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": urlsplit(base).netloc,
    }


def openid_configuration_v1(base: str, tenant: str) -> dict[str, Any]:
    """The same of the v1 endpoints: their issuer is Microsoft's, whatever host was asked."""
    multi = "{tenantid}" if tenant in ("common", "organizations", "consumers") else tenant
    return openid_configuration(base, tenant) | {
        "token_endpoint": f"{base}/{tenant}/oauth2/token",
        "jwks_uri": f"{base}/{tenant}/discovery/keys",
        "issuer": f"https://sts.windows.net/{multi}/",
        "authorization_endpoint": f"{base}/{tenant}/oauth2/authorize",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/devicecode",
        "end_session_endpoint": f"{base}/{tenant}/oauth2/logout",
    }


def keys(signing_key: SigningKey, base: str) -> dict[str, Any]:
    """The key set (RFC 7517) that signs tokens."""
    return {"keys": [signing_key.jwk(f"{base}/{{tenantid}}/v2.0")]}


def instances(call: Call) -> dict[str, Any]:
    """Instance discovery: which authority hosts belong together; an unknown host is AADSTS50049."""
    endpoint = urlsplit(call.query.get("authorization_endpoint", ""))
    own = urlsplit(call.base).netloc
    if not call.query.get("authorization_endpoint"):
        raise EntraError(900144, "Parameter: 'authorization_endpoint'.")
    if endpoint.netloc not in (own, urlsplit(call.base).hostname, *MICROSOFT_HOSTS):
        raise EntraError(50049, f"Host: '{endpoint.netloc}'.")
    tenant = next(iter(endpoint.path.strip("/").split("/")), "common") or "common"
    microsoft = {
        "preferred_network": MICROSOFT_HOSTS[0],
        "preferred_cache": MICROSOFT_HOSTS[1],
        "aliases": list(MICROSOFT_HOSTS),
    }
    ours = {"preferred_network": own, "preferred_cache": own, "aliases": [own]}
    return {
        "tenant_discovery_endpoint": f"{call.base}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [microsoft, ours],
    }
