"""Federated credentials by Graph: unique by name, and by issuer with subject; at most twenty."""

from typing import Any

import pytest

from pillarbox.emulator.graph.directory import federated_credentials
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import Directory

BAD = (400, "Request_BadRequest")
CREDENTIAL = {
    "name": "cluster",
    "issuer": "https://oidc.example/cluster/",
    "subject": "system:serviceaccount:mail:gateway",
    "audiences": ["api://AzureADTokenExchange"],
}


@pytest.fixture
def path(planted: Seed) -> str:
    return f"/applications/{planted.gateway.object_id}/federatedIdentityCredentials"


async def test_a_credential_is_made_and_found(directory: Directory, path: str, planted: Seed) -> None:
    made = await directory.post(path, CREDENTIAL)
    assert {*made} - {"@odata.context"} == {*federated_credentials.TYPE.properties}
    assert await directory.get(f"{path}/{made['id']}") == await directory.get(f"{path}/cluster") == made
    listed = await directory.get(f"{path}?$filter=name eq 'cluster'")
    assert [each["id"] for each in listed["value"]] == [made["id"]]
    assert planted.gateway.federated[0].subject == CREDENTIAL["subject"]


async def test_a_credential_can_be_changed_but_for_its_name(directory: Directory, path: str, planted: Seed) -> None:
    made = await directory.post(path, CREDENTIAL)
    await directory.no_content("PATCH", f"{path}/{made['id']}", {"subject": "other", "description": "moved"})
    found = planted.gateway.federated[0]
    assert (found.id, found.subject, found.description) == (made["id"], "other", "moved")
    assert await directory.refused("PATCH", f"{path}/{made['id']}", {"name": "other"}) == BAD


async def test_a_credential_can_be_taken_away(directory: Directory, path: str, planted: Seed) -> None:
    made = await directory.post(path, CREDENTIAL)
    await directory.no_content("DELETE", f"{path}/{made['id']}")
    assert not planted.gateway.federated
    for method in ("GET", "DELETE"):
        assert await directory.refused(method, f"{path}/{made['id']}") == (404, "Request_ResourceNotFound")


async def test_names_are_unique(directory: Directory, path: str) -> None:
    await directory.post(path, CREDENTIAL)
    second = CREDENTIAL | {"subject": "other"}
    assert await directory.refused("POST", path, second) == (409, "Request_MultipleObjectsWithSameKeyValue")


async def test_issuer_and_subject_are_unique(directory: Directory, path: str) -> None:
    await directory.post(path, CREDENTIAL)
    refusal = (400, "InvalidFederatedIdentityCredentialValue")
    assert await directory.refused("POST", path, CREDENTIAL | {"name": "second"}) == refusal
    other = await directory.post(path, CREDENTIAL | {"name": "second", "subject": "Other"})
    change = {"subject": CREDENTIAL["subject"]}
    assert await directory.refused("PATCH", f"{path}/{other['id']}", change) == refusal


async def test_there_are_at_most_twenty(directory: Directory, path: str) -> None:
    for number in range(20):
        await directory.post(path, CREDENTIAL | {"name": f"n{number:02}", "subject": str(number)})
    assert await directory.refused("POST", path, CREDENTIAL) == BAD


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x"},
        {"name": "with space"},
        {"name": None},
        {"issuer": "http://oidc.example"},
        {"issuer": None},
        {"subject": ""},
        {"subject": "x" * 601},
        {"audiences": []},
        {"audiences": ["one", "two"]},
        {"audiences": [""]},
        {"audiences": None},
        {"audiences": "api://AzureADTokenExchange"},
        {"claimsMatchingExpression": {}},
    ],
)
async def test_what_is_no_credential_is_refused(directory: Directory, path: str, change: dict[str, Any]) -> None:
    assert await directory.refused("POST", path, CREDENTIAL | change) == BAD


async def test_it_takes_the_permission_to_change_the_app(client: Client, path: str) -> None:
    denied = (403, "Authorization_RequestDenied")
    for reader in (Directory(client, scopes=("Application.Read.All",)), Directory(client, user="alice")):
        assert await reader.refused("POST", path, CREDENTIAL) == denied
