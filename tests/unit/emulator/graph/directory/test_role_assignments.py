"""Application permissions granted by Graph: they are in tokens issued from then on."""

import base64
import json
from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.graph.directory import role_assignments
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import EXCHANGE_ID, GRAPH_ID, MAIL_SEND, Directory

BAD = (400, "Request_BadRequest")
DENIED = (403, "Authorization_RequestDenied")


@pytest.fixture
async def grant(directory: Directory, planted: Seed) -> dict[str, str]:
    """What grants Mail.Send to the app without consent."""
    resource, client = await directory.resource(), planted.unconsented.principal
    assert client
    return {"principalId": client.id, "resourceId": resource["id"], "appRoleId": MAIL_SEND}


def path_of(grant: dict[str, str], name: str) -> str:
    return f"/servicePrincipals/{grant['resourceId' if name == 'appRoleAssignedTo' else 'principalId']}/{name}"


def roles(token: str) -> list[str]:
    part = token.split(".")[1]
    return list(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).get("roles", ()))


@pytest.mark.parametrize("name", ["appRoleAssignedTo", "appRoleAssignments"])
async def test_a_granted_role_is_in_new_tokens_until_it_is_taken_away(
    directory: Directory, client: Client, planted: Seed, grant: dict[str, str], name: str
) -> None:
    path = path_of(grant, name)
    before = await client.token(planted.unconsented)
    made = await directory.post(path, grant)
    assert {*made} - {"@odata.context"} == {*role_assignments.TYPE.properties}
    assert grant.items() <= made.items()
    assert (roles(before), roles(await client.token(planted.unconsented))) == ([], ["Mail.Send"])
    assert await directory.get(f"{path}/{made['id']}") == made
    await directory.no_content("DELETE", f"{path}/{made['id']}")
    assert roles(await client.token(planted.unconsented)) == []
    assert await directory.refused("GET", f"{path}/{made['id']}") == (404, "Request_ResourceNotFound")


async def test_both_sides_list_the_same(directory: Directory, grant: dict[str, str]) -> None:
    made = await directory.post(path_of(grant, "appRoleAssignedTo"), grant)
    of_client = (await directory.get(path_of(grant, "appRoleAssignments")))["value"]
    assert [each["id"] for each in of_client] == [made["id"]]
    query = f"?$filter=principalId eq {grant['principalId']}"
    of_resource = (await directory.get(path_of(grant, "appRoleAssignedTo") + query))["value"]
    assert of_resource == of_client


async def test_a_role_is_granted_once(directory: Directory, grant: dict[str, str]) -> None:
    path = path_of(grant, "appRoleAssignedTo")
    await directory.post(path, grant)
    reply = await directory.call("POST", path, json=grant)
    assert (reply.status, reply.code) == BAD
    assert reply.json["error"]["message"] == "Permission being assigned already exists on the object"


async def test_the_path_and_the_body_name_the_same(directory: Directory, grant: dict[str, str]) -> None:
    exchange = (await directory.resource(EXCHANGE_ID))["id"]
    assert await directory.refused("POST", f"/servicePrincipals/{exchange}/appRoleAssignedTo", grant) == BAD
    assert await directory.refused("POST", f"/servicePrincipals/{exchange}/appRoleAssignments", grant) == BAD
    # Mail.Send has one GUID on both resources; Mail.Read is Graph's alone.
    wrong = grant | {"resourceId": exchange, "appRoleId": "810c84a8-4a9e-49e6-bf7d-12d183f40d01"}
    assert await directory.refused("POST", f"/servicePrincipals/{exchange}/appRoleAssignedTo", wrong) == BAD


@pytest.mark.parametrize(
    "change",
    [
        {"principalId": MAIL_SEND},
        {"principalId": None},
        {"resourceId": MAIL_SEND},
        {"resourceId": None},
        {"appRoleId": GRAPH_ID},
        {"appRoleId": "e383f46e-2787-4529-855e-0e479a3ffac0"},  # the delegated Mail.Send
        {"appRoleId": None},
        {"appRoleId": 7},
        {"principalType": "ServicePrincipal"},
    ],
)
async def test_what_is_no_assignment_is_refused(
    directory: Directory, grant: dict[str, str], change: dict[str, Any]
) -> None:
    assert await directory.refused("POST", path_of(grant, "appRoleAssignedTo"), grant | change) == BAD


async def test_roles_of_people_are_not_emulated(
    directory: Directory, grant: dict[str, str], planted: Seed, emulator: Emulator
) -> None:
    wrong = grant | {"principalId": planted.user("alice").id}
    assert await directory.refused("POST", path_of(grant, "appRoleAssignedTo"), wrong) == BAD
    assert [each.what for each in emulator.not_emulated] == ["principalId: roles of users and groups"]


@pytest.mark.parametrize(
    ("user", "scopes"),
    [
        ("alice", ("AppRoleAssignment.ReadWrite.All", "Application.Read.All")),
        ("admin", ("AppRoleAssignment.ReadWrite.All",)),
        ("admin", ("Application.ReadWrite.All",)),
    ],
)
async def test_it_takes_an_administrator_and_two_permissions(
    client: Client, directory: Directory, grant: dict[str, str], user: str, scopes: tuple[str, ...]
) -> None:
    path = path_of(grant, "appRoleAssignedTo")
    weak = Directory(client, user=user, scopes=scopes)
    assert await weak.refused("POST", path, grant) == DENIED
    made = await directory.post(path, grant)
    assert await weak.refused("DELETE", f"{path}/{made['id']}") == DENIED


async def test_an_app_grants_without_a_user(unattended: Directory, grant: dict[str, str]) -> None:
    await unattended.post(path_of(grant, "appRoleAssignedTo"), grant)
