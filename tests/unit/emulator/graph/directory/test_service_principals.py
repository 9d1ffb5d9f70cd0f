"""Service principals by Graph: made for apps, and the place where permissions are looked up."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.graph.directory import service_principals
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.graph.directory.conftest import EXCHANGE_ID, GRAPH_ID, MAIL_SEND, Directory

BAD = (400, "Request_BadRequest")
DENIED = (403, "Authorization_RequestDenied")
GONE = (404, "Request_ResourceNotFound")


async def test_an_app_gets_its_principal_once(directory: Directory) -> None:
    app, made = await directory.register_with_principal()
    assert {*made} - {"@odata.context"} == {*service_principals.TYPE.properties}
    assert (made["appId"], made["displayName"], made["accountEnabled"]) == (app["appId"], "Mail gateway", True)
    by_client = await directory.get(f"/servicePrincipals(appId='{app['appId']}')")
    assert await directory.get(f"/servicePrincipals/{made['id']}") == by_client == made
    taken = (409, "Request_MultipleObjectsWithSameKeyValue")
    assert await directory.refused("POST", "/servicePrincipals", {"appId": app["appId"]}) == taken


async def test_an_unknown_app_has_no_principal(directory: Directory) -> None:
    reply = await directory.call("POST", "/servicePrincipals", json={"appId": MAIL_SEND})
    assert (reply.status, reply.code) == BAD
    assert "does not reference a valid application object" in reply.json["error"]["message"]


async def test_a_new_app_is_known_after_a_delay(directory: Directory, emulator: Emulator, clock: Clock) -> None:
    emulator.world.replication_delay = 20.0
    app = await directory.register()
    body = {"appId": app["appId"]}
    assert await directory.refused("POST", "/servicePrincipals", body) == BAD
    clock.now += 20
    await directory.post("/servicePrincipals", body)


async def test_an_app_of_another_tenant_must_be_for_all(directory: Directory, emulator: Emulator) -> None:
    fabrikam = emulator.world.add_tenant("fabrikam.example")
    own = emulator.world.add_app("Own", tenant=fabrikam)
    shared = emulator.world.add_app("Shared", tenant=fabrikam, audience="AzureADMultipleOrgs")
    assert await directory.refused("POST", "/servicePrincipals", {"appId": own.client_id}) == BAD
    made = await directory.post("/servicePrincipals", {"appId": shared.client_id, "tags": ["x"]})
    assert (made["appOwnerOrganizationId"], made["tags"]) == (fabrikam.id, ["x"])
    fabrikam.remove_app(shared)
    assert (await directory.get(f"/servicePrincipals/{made['id']}"))["appOwnerOrganizationId"] is None


@pytest.mark.parametrize(
    ("resource", "value", "ident"),
    [(GRAPH_ID, "Mail.Send", MAIL_SEND), (EXCHANGE_ID, "SMTP.SendAsApp", None)],
)
async def test_roles_are_looked_up_by_name(directory: Directory, resource: str, value: str, ident: str | None) -> None:
    """The GUID of SMTP.SendAsApp is published nowhere, so it must be found here."""
    path = f"/servicePrincipals(appId='{resource}')?$select=id,appRoles,oauth2PermissionScopes"
    found = await directory.get(path)
    role = next(each for each in found["appRoles"] if each["value"] == value)
    assert ident in (None, role["id"])
    assert (role["allowedMemberTypes"], role["isEnabled"]) == (["Application"], True)
    assert {"SMTP.Send", "IMAP.AccessAsUser.All"} <= {each["value"] for each in found["oauth2PermissionScopes"]}
    assert all(each["type"] in ("Admin", "User") for each in found["oauth2PermissionScopes"])


async def test_principals_are_filtered(directory: Directory, planted: Seed) -> None:
    found = await directory.get(f"/servicePrincipals?$filter=appId eq '{GRAPH_ID}'&$select=displayName")
    assert found["value"] == [{"displayName": "Microsoft Graph"}]
    found = await directory.get("/servicePrincipals?$filter=startswith(displayName,'web')&$select=appId")
    assert found["value"] == [{"appId": planted.web.client_id}]


async def test_a_principal_can_be_disabled(directory: Directory, planted: Seed) -> None:
    principal = planted.gateway.principal
    assert principal
    path = f"/servicePrincipals/{principal.id}"
    await directory.no_content("PATCH", path, {"accountEnabled": False})
    assert (await directory.get(path))["accountEnabled"] is False
    await directory.no_content("PATCH", path, {"accountEnabled": True, "tags": ["HideApp"]})
    assert (principal.enabled, principal.tags) == (True, ["HideApp"])
    assert await directory.refused("PATCH", path, {"displayName": "x"}) == BAD


async def test_a_deleted_principal_leaves_its_app(directory: Directory, planted: Seed) -> None:
    principal = planted.gateway.principal
    assert principal
    await directory.no_content("DELETE", f"/servicePrincipals/{principal.id}")
    assert await directory.refused("GET", f"/servicePrincipals/{principal.id}") == GONE
    assert await directory.refused("GET", f"/servicePrincipals(appId='{principal.client_id}')") == GONE
    await directory.get(f"/applications/{planted.gateway.object_id}")
    await directory.post("/servicePrincipals", {"appId": principal.client_id})


async def test_a_managed_identity_has_no_registration(directory: Directory, planted: Seed) -> None:
    found = await directory.get("/servicePrincipals?$filter=servicePrincipalType eq 'ManagedIdentity'")
    ident = planted.identity.principal.id
    assert [(each["id"], each["appRoles"]) for each in found["value"]] == [(ident, [])]
    assert await directory.refused("DELETE", f"/servicePrincipals/{ident}") == DENIED


async def test_microsofts_own_principals_cannot_be_changed(directory: Directory) -> None:
    path = f"/servicePrincipals(appId='{GRAPH_ID}')"
    assert await directory.refused("DELETE", path) == DENIED
    assert await directory.refused("PATCH", path, {"accountEnabled": False}) == DENIED


async def test_of_all_people_administrators_alone_make_principals(client: Client) -> None:
    alice = Directory(client, user="alice")
    app = await alice.register()
    assert await alice.refused("POST", "/servicePrincipals", {"appId": app["appId"]}) == DENIED
    await Directory(client, user=None).post("/servicePrincipals", {"appId": app["appId"]})
    reader = Directory(client, scopes=("Directory.Read.All",))
    assert await reader.refused("POST", "/servicePrincipals", {"appId": app["appId"]}) == DENIED


async def test_an_app_makes_principals_for_its_own_apps_alone(
    client: Client, emulator: Emulator, planted: Seed
) -> None:
    owner = emulator.world.add_app("Owner", ["Application.ReadWrite.OwnedBy"], tenant=planted.tenant)
    headers = {"Authorization": f"Bearer {client.app_token(owner)}"}
    own = await client.request("POST", "/v1.0/applications", headers=headers, json={"displayName": "Child"})
    other = await Directory(client).register()
    for app, status in ((own.json, 201), (other, 403)):
        body = {"appId": app["appId"]}
        reply = await client.request("POST", "/v1.0/servicePrincipals", headers=headers, json=body)
        assert reply.status == status
