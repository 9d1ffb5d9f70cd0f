"""The user realm: managed, federated or unknown."""

from typing import Any

import pytest

from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client


async def realm(client: Client, user: str, version: str = "1.0") -> dict[str, Any]:
    answer = await client.request("GET", f"/common/userrealm/{user}?api-version={version}")
    return dict(answer.json)


async def test_our_people_are_managed(client: Client) -> None:
    found = await realm(client, "alice@contoso.example")
    assert (found["account_type"], found["domain_name"], found["ver"]) == ("Managed", "contoso.example", "1.0")
    assert found["cloud_audience_urn"] == "urn:federation:MicrosoftOnline"
    assert (await realm(client, "alice@contoso.example", "2.1"))["NameSpaceType"] == "Managed"


async def test_whether_an_account_exists_is_not_told(client: Client) -> None:
    assert await realm(client, "nobody@contoso.example") == await realm(client, "alice@contoso.example")


async def test_federated_people_have_a_server(client: Client, planted: Seed) -> None:
    planted.user("alice").federated = True
    found = await realm(client, "alice@contoso.example")
    assert (found["account_type"], found["federation_protocol"]) == ("Federated", "WSTrust")
    assert found["federation_metadata_url"] == "https://adfs.contoso.example/adfs/services/trust/mex"
    found = await realm(client, "alice@contoso.example", "2.1")
    assert found["NameSpaceType"] == "Federated"
    assert found["AuthURL"].startswith("https://adfs.contoso.example/adfs/ls/")


@pytest.mark.parametrize("user", ["alice@fabrikam.example", "alice", "@"])
async def test_others_are_unknown(client: Client, planted: Seed, user: str) -> None:
    assert (await realm(client, user))["account_type"] == "Unknown"
    assert (await realm(client, user, "2.1"))["NameSpaceType"] == "Unknown"


async def test_other_versions_are_refused(client: Client) -> None:
    assert (await realm(client, "alice@contoso.example", "3.0"))["error_codes"] == [90100]
