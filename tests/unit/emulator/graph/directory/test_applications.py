"""Registrations by Graph: what a setup program sends, what comes back, and what is refused."""

import json
from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.graph.directory import applications
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import GRAPH_ID, MAIL_SEND, SCOPES, Directory

WANTED = [{"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": MAIL_SEND, "type": "Role"}]}]
DENIED = (403, "Authorization_RequestDenied")
BAD = (400, "Request_BadRequest")


async def test_a_registration_is_made_and_found_by_both_keys(directory: Directory) -> None:
    web = {"redirectUris": ["https://gw.example/oauth/callback"]}
    made = await directory.register(web=web, isFallbackPublicClient=False, requiredResourceAccess=WANTED)
    assert made["requiredResourceAccess"] == WANTED
    assert made["web"]["redirectUris"] == web["redirectUris"]
    assert made["signInAudience"] == "AzureADMyOrg"
    by_object = await directory.get(f"/applications/{made['id']}")
    by_client = await directory.get(f"/applications(appId='{made['appId'].upper()}')")
    assert by_object == by_client == made


async def test_the_audience_is_everybody_unless_said_otherwise(directory: Directory) -> None:
    made = await directory.post("/applications", {"displayName": "Open"})
    assert made["signInAudience"] == "AzureADandPersonalMicrosoftAccount"


async def test_every_property_can_be_selected(directory: Directory) -> None:
    made = await directory.register()
    assert {*made} - {"@odata.context"} == {*applications.TYPE.properties}
    one = await directory.get(f"/applications/{made['id']}?$select=appId,passwordCredentials")
    assert {*one} == {"@odata.context", "appId", "passwordCredentials"}


async def test_registrations_are_filtered_and_paged(directory: Directory, planted: Seed) -> None:
    found = await directory.get(f"/applications?$filter=appId eq '{planted.web.client_id}'&$select=displayName")
    assert found["value"] == [{"displayName": "Web mail"}]
    found = await directory.get("/applications?$filter=displayName eq 'web MAIL'")
    assert [each["appId"] for each in found["value"]] == [planted.web.client_id]
    page, seen = await directory.get("/applications?$top=3"), []
    while True:
        seen += [each["appId"] for each in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = await directory.get(page["@odata.nextLink"].partition("/v1.0")[2])
    assert sorted(seen) == sorted(app.client_id for app in planted.apps)


async def test_a_change_replaces_what_it_names(directory: Directory) -> None:
    made = await directory.register(spa={"redirectUris": ["https://gw.example/spa"]}, notes="by hand")
    path = f"/applications/{made['id']}"
    change = {"displayName": "Gateway 2", "publicClient": {"redirectUris": ["msal1://auth"]}, "tags": ["mail"]}
    await directory.no_content("PATCH", path, change)
    now = await directory.get(path)
    assert (now["displayName"], now["tags"], now["notes"]) == ("Gateway 2", ["mail"], "by hand")
    assert now["publicClient"]["redirectUris"] == ["msal1://auth"]
    assert now["spa"]["redirectUris"] == ["https://gw.example/spa"]


async def test_a_refused_change_changes_nothing(directory: Directory) -> None:
    made = await directory.register()
    path = f"/applications/{made['id']}"
    assert await directory.refused("PATCH", path, {"displayName": "New", "tags": 7}) == BAD
    assert await directory.get(path) == made


async def test_a_deleted_registration_takes_its_principal_along(directory: Directory) -> None:
    made, principal = await directory.register_with_principal()
    await directory.no_content("DELETE", f"/applications/{made['id']}")
    for path in (f"/applications/{made['id']}", f"/servicePrincipals/{principal['id']}"):
        assert await directory.refused("GET", path) == (404, "Request_ResourceNotFound")


async def test_id_tokens_of_the_implicit_grant_can_be_switched_on(directory: Directory, emulator: Emulator) -> None:
    settings = {"enableIdTokenIssuance": True, "enableAccessTokenIssuance": False}
    made = await directory.register(web={"implicitGrantSettings": settings})
    app = emulator.world.app(made["appId"])
    assert app
    assert app.issues_id_tokens
    assert made["web"]["implicitGrantSettings"] == settings


@pytest.mark.parametrize(
    "change",
    [
        {"displayName": None},
        {"displayName": ""},
        {"displayName": 7},
        {"displayName": "x" * 257},
        {"displayName": "\ud800"},
        {"signInAudience": "Everybody"},
        {"isFallbackPublicClient": "true"},
        {"web": []},
        {"web": {"redirectUris": "https://gw.example"}},
        {"web": {"redirectUris": [None]}},
        {"web": {"redirectUris": ["http://gw.example/"]}},
        {"web": {"redirectUris": ["https://*.example/"]}},
        {"web": {"redirectUris": ["https://gw.example/#f"]}},
        {"publicClient": {"redirectUris": ["msal1://auth#f"]}},
        {"web": {"homePageUrl": "https://gw.example"}},
        {"web": {"implicitGrantSettings": {"enableAccessTokenIssuance": True}}},
        {"publicClient": {"redirectUris": ["nowhere"]}},
        {"identifierUris": ["api://gw"]},
        {"passwordCredentials": [{"displayName": "mine"}]},
        {"keyCredentials": {}},
        {"keyCredentials": [{"key": "!"}]},
        {"unheardOf": True},
        {"requiredResourceAccess": [{"resourceAppId": GRAPH_ID, "resourceAccess": []}]},
        {"requiredResourceAccess": [WANTED[0] | {"resourceAppId": "https://graph.microsoft.com"}]},
        {"requiredResourceAccess": [WANTED[0] | {"resourceAppId": MAIL_SEND}]},
        {"requiredResourceAccess": [WANTED[0] | {"resourceAppName": "Graph"}]},
        {"requiredResourceAccess": [{"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": MAIL_SEND}]}]},
        {
            "requiredResourceAccess": [
                {"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": MAIL_SEND, "type": "Scope"}]}
            ]
        },
        {"requiredResourceAccess": [{"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": GRAPH_ID, "type": "Role"}]}]},
    ],
)
async def test_what_is_no_registration_is_refused(directory: Directory, change: dict[str, Any]) -> None:
    body = {"displayName": "Mail gateway"} | change
    assert await directory.refused("POST", "/applications", body) == BAD


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"displayName": "\xff"}', b"null"])
async def test_a_body_that_is_no_object_is_refused(directory: Directory, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    reply = await directory.call("POST", "/applications", data=body, headers=headers)
    assert (reply.status, reply.code) == (400, "BadRequest")


async def test_a_body_must_be_called_json(directory: Directory) -> None:
    body, headers = json.dumps({"displayName": "Mail gateway"}), {"Content-Type": "text/plain"}
    reply = await directory.call("POST", "/applications", data=body, headers=headers)
    assert (reply.status, reply.code) == (400, "BadRequest")


async def test_an_option_on_a_change_is_refused_before_the_change(directory: Directory, planted: Seed) -> None:
    count = len(planted.tenant.apps)
    assert await directory.refused("POST", "/applications?$select=id", {"displayName": "X"}) == (400, "BadRequest")
    assert len(planted.tenant.apps) == count


async def test_what_is_not_emulated_is_noted(directory: Directory, emulator: Emulator) -> None:
    await directory.refused("POST", "/applications", {"displayName": "X", "web": {"logoutUrl": "https://x.example"}})
    assert [each.what for each in emulator.not_emulated] == ["property web.logoutUrl"]


async def test_who_may_only_read_may_not_register(client: Client) -> None:
    reader = Directory(client, scopes=("Application.Read.All",))
    await reader.get("/applications")
    assert await reader.refused("POST", "/applications", {"displayName": "X"}) == DENIED
    nobody = Directory(client, scopes=("User.Read",))
    assert await nobody.refused("GET", "/applications") == DENIED


async def test_a_person_registers_and_changes_only_the_own(client: Client, planted: Seed) -> None:
    alice = Directory(client, user="alice", scopes=SCOPES)
    made = await alice.register()
    await alice.no_content("PATCH", f"/applications/{made['id']}", {"displayName": "Hers"})
    other = f"/applications/{planted.web.object_id}"
    assert await alice.refused("PATCH", other, {"displayName": "Hers"}) == DENIED
    assert await alice.refused("DELETE", other) == DENIED
    assert await alice.refused("POST", f"{other}/addPassword", {}) == DENIED


async def test_an_app_that_owns_may_change_only_the_own(client: Client, emulator: Emulator, planted: Seed) -> None:
    owner = emulator.world.add_app("Owner", ["Application.ReadWrite.OwnedBy"], tenant=planted.tenant)
    headers = {"Authorization": f"Bearer {client.app_token(owner)}"}
    made = await client.request("POST", "/v1.0/applications", headers=headers, json={"displayName": "Child"})
    own, other = (f"/v1.0/applications/{each}" for each in (made.json["id"], planted.web.object_id))
    assert (await client.request("PATCH", own, headers=headers, json={"notes": "x"})).status == 204
    assert (await client.request("GET", other, headers=headers)).status == 200
    refused = await client.request("PATCH", other, headers=headers, json={"notes": "x"})
    assert (refused.status, refused.code) == DENIED
