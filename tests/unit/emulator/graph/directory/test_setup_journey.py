"""A setup program from an empty tenant to a sent mail, over HTTP alone (facts, section 5)."""

import base64
import json
from typing import Any

from tests.unit.emulator.conftest import NOON, Client, Reply
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.graph.directory.conftest import GRAPH_ID, Directory

REGISTRATION = {
    "displayName": "Mail gateway",
    "signInAudience": "AzureADMyOrg",
    "web": {"redirectUris": ["https://gw.example/oauth/callback"]},
    "isFallbackPublicClient": False,
}
MAIL = b"From: scanner@contoso.example\r\nTo: bob@contoso.example\r\nSubject: Hi\r\n\r\nHello\r\n"


class Installation:
    """What the program knows of its app: ids and the secret, as they came back."""

    def __init__(self, client: Client, app: Any, secret: str, principal: Any) -> None:
        self.client, self.app, self.secret, self.principal = client, app, secret, principal

    async def token(self) -> str:
        reply = await self.client.ask_token(None, client_id=self.app["appId"], client_secret=self.secret)
        return str(reply.json["access_token"])

    async def send(self, user: str) -> Reply:
        headers = {"Authorization": f"Bearer {await self.token()}", "Content-Type": "text/plain"}
        mail = base64.b64encode(MAIL.replace(b"scanner", user.encode()))
        path = f"/v1.0/users/{user}@contoso.example/sendMail"
        return await self.client.request("POST", path, data=mail, headers=headers)


def roles(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).get("roles")


async def role_named(directory: Directory, value: str) -> tuple[str, str]:
    """The id of Graph's service principal, and that of the role."""
    path = f"/servicePrincipals(appId='{GRAPH_ID}')?$select=id,appRoles,oauth2PermissionScopes"
    resource = await directory.get(path)
    return resource["id"], next(each["id"] for each in resource["appRoles"] if each["value"] == value)


async def install(directory: Directory, **more: Any) -> Installation:
    """Steps 1 to 3."""
    app = await directory.post("/applications", REGISTRATION | more)
    wish = {"passwordCredential": {"displayName": "gateway", "endDateTime": "2027-11-20T00:00:00Z"}}
    secret = (await directory.post(f"/applications/{app['id']}/addPassword", wish))["secretText"]
    principal = await directory.post("/servicePrincipals", {"appId": app["appId"]})
    return Installation(directory.client, app, secret, principal)


async def test_a_gateway_is_installed_for_all_mailboxes(directory: Directory, client: Client) -> None:
    resource, role = await role_named(directory, "Mail.Send")
    wanted = [{"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": role, "type": "Role"}]}]
    installed = await install(directory, requiredResourceAccess=wanted)
    assert roles(await installed.token()) is None
    assert (await installed.send("scanner")).status == 403

    grant = {"principalId": installed.principal["id"], "resourceId": resource, "appRoleId": role}
    await directory.post(f"/servicePrincipals/{resource}/appRoleAssignedTo", grant)
    delegated = {
        "clientId": installed.principal["id"],
        "consentType": "AllPrincipals",
        "resourceId": resource,
        "scope": "Mail.Send offline_access",
    }
    await directory.post("/oauth2PermissionGrants", delegated)
    assert roles(await installed.token()) == ["Mail.Send"]
    assert (await installed.send("scanner")).status == 202
    assert (await installed.send("erp")).status == 202
    assert [entry.app_id for entry in client.emulator.ledger.entries] == [installed.app["appId"]] * 2


async def test_a_gateway_is_installed_for_some_mailboxes(directory: Directory, client: Client) -> None:
    """Entra grants nothing, and the token has no roles; New-ServicePrincipal is PowerShell's alone."""
    installed = await install(directory)
    world, tenant = client.emulator.world, client.planted.tenant
    group = world.add_group(tenant, "Senders", [client.planted.user("scanner")])
    tenant.exchange_principals[installed.app["appId"]] = installed.principal["id"]
    root: str = "/roleManagement/exchange"

    attributes = {"Exclusive": False, "RecipientFilter": f"MemberOfGroup -eq '{group.distinguished_name}'"}
    body = {"type": "RecipientScope", "displayName": "Gateway senders", "customAttributes": attributes}
    scope = await directory.post(f"{root}/customAppScopes", body, version="beta")
    query = "?$filter=displayName eq 'Application Mail.Send'"
    definition = (await directory.get(f"{root}/roleDefinitions{query}", version="beta"))["value"][0]
    assignment = {
        "principalId": f"/ServicePrincipals/{installed.principal['id']}",
        "roleDefinitionId": definition["id"],
        "directoryScopeId": "/",
        "appScopeId": scope["id"],
    }
    await directory.post(f"{root}/roleAssignments", assignment, version="beta")
    assert roles(await installed.token()) is None
    assert (await installed.send("scanner")).status == 202
    refused = await installed.send("erp")
    assert (refused.status, refused.code) == (403, "ErrorAccessDenied")


async def test_a_gateway_trusts_its_cluster_and_needs_no_secret(directory: Directory, client: Client) -> None:
    installed, cluster = await install(directory), AppKey()
    claims = {"iss": "https://oidc.example/cluster", "sub": "system:serviceaccount:mail:gateway"}
    client.emulator.world.issuers[claims["iss"]] = cluster.key_set()
    audience = "api://AzureADTokenExchange"
    credential = {"name": "cluster", "issuer": claims["iss"], "subject": claims["sub"], "audiences": [audience]}
    app = f"/applications(appId='{installed.app['appId']}')"
    made = await directory.post(f"{app}/federatedIdentityCredentials", credential)
    assert credential.items() <= made.items()
    assertion = cluster.sign(claims | {"aud": audience, "exp": NOON + 600}, "RS256", kid="1")
    form = {
        "client_id": installed.app["appId"],
        "client_secret": None,
        "client_assertion": assertion,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert (await client.ask_token(None, **form)).status == 200


async def test_a_gateway_watches_the_end_of_its_secret(directory: Directory) -> None:
    installed = await install(directory)
    path = f"/applications(appId='{installed.app['appId']}')?$select=passwordCredentials,keyCredentials"
    watched = await directory.get(path)
    assert [each["endDateTime"] for each in watched["passwordCredentials"]] == ["2027-11-20T00:00:00Z"]
