"""The user realm: whether the cloud or a federated server checks the password of a user name."""

from typing import Any

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.call import EntraCall, Route
from pillarbox.emulator.http import Answer
from pillarbox.emulator.world import Tenant, User

CLOUD = "microsoftonline.com"
AUDIENCE = "urn:federation:MicrosoftOnline"
VERSIONS = ("1.0", "2.1")


def show(call: EntraCall) -> Answer:
    """Managed, Federated or Unknown, in the shape of the version that was asked for; other versions are 90100."""
    version = call.http.query.get("api-version", VERSIONS[0])
    if version not in VERSIONS:
        raise EntraError(90100, "Parameter: 'api-version'.")
    login = call.names["user"]
    domain = login.rpartition("@")[2].lower()
    tenant = call.world.tenant(domain) if "." in domain else None
    user = tenant.user_by_address(login) if tenant else None
    shape = _first if version == VERSIONS[0] else _second
    return Answer.json(shape(login, domain, tenant, user))


def _first(login: str, domain: str, tenant: Tenant | None, user: User | None) -> dict[str, Any]:
    if tenant is None:
        return {"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": CLOUD}
    realm = {
        "ver": "1.0",
        "account_type": "Managed",
        "domain_name": domain,
        "cloud_instance_name": CLOUD,
        "cloud_audience_urn": AUDIENCE,
    }
    if user is None or not user.federated:
        return realm
    server = f"https://adfs.{domain}/adfs/services/trust"
    return realm | {
        "account_type": "Federated",
        "federation_protocol": "WSTrust",
        "federation_metadata_url": f"{server}/mex",
        "federation_active_auth_url": f"{server}/2005/usernamemixed",
    }


def _second(login: str, domain: str, tenant: Tenant | None, user: User | None) -> dict[str, Any]:
    if tenant is None:
        return {"Login": login, "NameSpaceType": "Unknown", "cloud_instance_name": CLOUD}
    realm = {
        "Login": login,
        "NameSpaceType": "Managed",
        "DomainName": domain,
        "FederationBrandName": tenant.name,
        "TenantBrandingInfo": None,
        "cloud_instance_name": CLOUD,
    }
    if user is None or not user.federated:
        return realm
    return realm | {
        "NameSpaceType": "Federated",
        "federation_protocol": "WSTrust",
        "AuthURL": f"https://adfs.{domain}/adfs/ls/?username={login}",
    }


ROUTES: tuple[Route, ...] = (("GET", "/common/userrealm/{user}", show),)
