"""Delegated permissions granted by Graph: one grant per client, resource and person."""

from typing import Any

import pytest

from pillarbox.emulator.graph.directory import permission_grants
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import EXCHANGE, GRAPH
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import EXCHANGE_ID, MAIL_SEND, Directory

BAD = (400, "Request_BadRequest")
DENIED = (403, "Authorization_RequestDenied")
PATH = "/oauth2PermissionGrants"


@pytest.fixture
async def grant(directory: Directory, planted: Seed) -> dict[str, Any]:
    client = planted.gateway.principal
    assert client
    resource = (await directory.resource())["id"]
    return {
        "clientId": client.id,
        "consentType": "AllPrincipals",
        "resourceId": resource,
        "scope": "Mail.Send User.Read",
    }


def scopes(planted: Seed, user: str) -> set[str]:
    assert planted.gateway.principal
    return planted.tenant.scopes_of(planted.gateway.principal, GRAPH, planted.user(user))


async def test_a_grant_for_all_is_made_changed_and_taken_away(
    directory: Directory, grant: dict[str, Any], planted: Seed
) -> None:
    made = await directory.post(PATH, grant)
    assert {*made} - {"@odata.context"} == {*permission_grants.TYPE.properties}
    assert (grant | {"principalId": None}).items() <= made.items()
    assert scopes(planted, "alice") == scopes(planted, "bob") == {"Mail.Send", "User.Read"}
    await directory.no_content("PATCH", f"{PATH}/{made['id']}", {"scope": "mail.read"})
    assert (await directory.get(f"{PATH}/{made['id']}"))["scope"] == "Mail.Read"
    await directory.no_content("DELETE", f"{PATH}/{made['id']}")
    assert scopes(planted, "alice") == set()
    assert await directory.refused("GET", f"{PATH}/{made['id']}") == (404, "Request_ResourceNotFound")


async def test_a_grant_for_one_person_is_for_nobody_else(
    directory: Directory, grant: dict[str, Any], planted: Seed
) -> None:
    alice = planted.user("alice").id
    made = await directory.post(PATH, grant | {"consentType": "Principal", "principalId": alice})
    assert made["principalId"] == alice
    assert (scopes(planted, "alice"), scopes(planted, "bob")) == ({"Mail.Send", "User.Read"}, set())


async def test_grants_are_found_by_client(directory: Directory, grant: dict[str, Any]) -> None:
    made = await directory.post(PATH, grant)
    query = f"?$filter=clientId eq '{grant['clientId']}' and consentType eq 'AllPrincipals'"
    assert [each["id"] for each in (await directory.get(PATH + query))["value"]] == [made["id"]]
    assert len((await directory.get(PATH))["value"]) > 1


async def test_a_second_grant_is_a_conflict(directory: Directory, grant: dict[str, Any]) -> None:
    await directory.post(PATH, grant)
    taken = (409, "Request_MultipleObjectsWithSameKeyValue")
    assert await directory.refused("POST", PATH, grant | {"scope": "Mail.Read"}) == taken


async def test_the_same_name_on_exchange_is_another_permission(
    directory: Directory, grant: dict[str, Any], planted: Seed
) -> None:
    exchange = (await directory.resource(EXCHANGE_ID))["id"]
    await directory.post(PATH, grant | {"resourceId": exchange, "scope": "SMTP.Send"})
    assert planted.gateway.principal
    assert planted.tenant.scopes_of(planted.gateway.principal, EXCHANGE, planted.user("bob")) == {"SMTP.Send"}
    assert scopes(planted, "bob") == set()


@pytest.mark.parametrize(
    "change",
    [
        {"clientId": MAIL_SEND},
        {"clientId": None},
        {"resourceId": MAIL_SEND},
        {"consentType": "Everybody"},
        {"consentType": None},
        {"consentType": "Principal"},
        {"consentType": "Principal", "principalId": MAIL_SEND},
        {"principalId": MAIL_SEND},
        {"scope": "Mail.Sent"},
        {"scope": ["Mail.Send"]},
        {"expiryTime": "2027-01-01T00:00:00Z"},
    ],
)
async def test_what_is_no_grant_is_refused(
    directory: Directory, grant: dict[str, Any], change: dict[str, Any], planted: Seed
) -> None:
    before = len(planted.tenant.grants)
    assert await directory.refused("POST", PATH, grant | change) == BAD
    assert len(planted.tenant.grants) == before


async def test_only_scopes_can_be_changed(directory: Directory, grant: dict[str, Any]) -> None:
    made = await directory.post(PATH, grant)
    assert await directory.refused("PATCH", f"{PATH}/{made['id']}", {"consentType": "Principal"}) == BAD


@pytest.mark.parametrize(
    ("user", "permission"), [("alice", "DelegatedPermissionGrant.ReadWrite.All"), ("admin", "Directory.Read.All")]
)
async def test_it_takes_an_administrator_and_the_permission(
    client: Client, grant: dict[str, Any], user: str, permission: str
) -> None:
    weak = Directory(client, user=user, scopes=(permission,))
    await weak.get(PATH)
    assert await weak.refused("POST", PATH, grant) == DENIED
