"""Discovery documents: they lead back to the host that was asked."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client


async def test_configuration_of_a_tenant_by_domain(client: Client, emulator: Emulator, planted: Seed) -> None:
    found = (await client.request("GET", "/Contoso.example/v2.0/.well-known/openid-configuration")).json
    assert found["issuer"] == f"{emulator.url}/{planted.tenant.id}/v2.0"
    assert found["token_endpoint"] == f"{emulator.url}/{planted.tenant.id}/oauth2/v2.0/token"


async def test_v1_configuration_has_microsofts_issuer_and_the_v1_endpoints(
    client: Client, emulator: Emulator, planted: Seed
) -> None:
    found = (await client.request("GET", "/contoso.example/.well-known/openid-configuration")).json
    own = f"{emulator.url}/{planted.tenant.id}"
    assert found["issuer"] == f"https://sts.windows.net/{planted.tenant.id}/"
    assert (found["token_endpoint"], found["authorization_endpoint"], found["jwks_uri"]) == (
        *(f"{own}/oauth2/token", f"{own}/oauth2/authorize"),
        f"{own}/discovery/keys",
    )
    (key,) = (await client.request("GET", found["jwks_uri"].removeprefix(emulator.url))).json["keys"]
    assert key["kid"]


async def test_v1_configuration_of_all_tenants(client: Client) -> None:
    found = (await client.request("GET", "/common/.well-known/openid-configuration")).json
    assert found["issuer"] == "https://sts.windows.net/{tenantid}/"


async def test_addresses_follow_the_host_header(client: Client) -> None:
    path = "/common/v2.0/.well-known/openid-configuration"
    found = (await client.request("GET", path, headers={"Host": "login.contoso.example"})).json
    assert found["jwks_uri"] == "https://login.contoso.example/common/discovery/v2.0/keys"
    assert found["issuer"] == "https://login.contoso.example/{tenantid}/v2.0"


@pytest.mark.parametrize(
    ("host", "graph"),
    [
        ("login.microsoftonline.com", "graph.microsoft.com"),
        ("Login.Windows.net", "graph.microsoft.com"),
        ("login.contoso.example", "login.contoso.example"),
    ],
)
async def test_graph_is_told_where_it_answers(client: Client, host: str, graph: str) -> None:
    path = "/common/v2.0/.well-known/openid-configuration"
    assert (await client.request("GET", path, headers={"Host": host})).json["msgraph_host"] == graph


@pytest.mark.parametrize("version", ["", "/v2.0"])
async def test_an_unknown_tenant_has_no_configuration(client: Client, version: str) -> None:
    found = await client.request("GET", f"/fabrikam.example{version}/.well-known/openid-configuration")
    assert (found.status, found.json["error_codes"]) == (400, [90002])


@pytest.mark.parametrize("path", ["/common/discovery/v2.0/keys", "/common/discovery/keys", "/discovery/keys"])
async def test_keys_are_public_halves(client: Client, path: str) -> None:
    (key,) = (await client.request("GET", path)).json["keys"]
    assert key.keys() == {"kty", "use", "kid", "x5t", "n", "e", "issuer"}


def instance_of(endpoint: str) -> str:
    return f"/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}"


async def test_instance_discovery_knows_the_own_host(client: Client, emulator: Emulator, planted: Seed) -> None:
    endpoint = f"{emulator.url}/{planted.tenant.id}/oauth2/v2.0/authorize"
    found = (await client.request("GET", instance_of(endpoint))).json
    expected = f"{emulator.url}/{planted.tenant.id}/v2.0/.well-known/openid-configuration"
    assert found["tenant_discovery_endpoint"] == expected


async def test_instance_discovery_refuses_foreign_hosts(client: Client) -> None:
    found = await client.request("GET", instance_of("https://login.evil.example/common"))
    assert found.json["error_codes"] == [50049]


async def test_instance_discovery_needs_an_endpoint(client: Client) -> None:
    found = await client.request("GET", "/common/discovery/instance")
    assert found.json["error_codes"] == [900144]


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn"])
async def test_instance_discovery_knows_microsofts_clouds(client: Client, host: str) -> None:
    found = (await client.request("GET", instance_of(f"https://{host}/common/oauth2/v2.0/authorize"))).json
    assert [each["preferred_network"] for each in found["metadata"] if host in each["aliases"]]


async def test_the_first_version_of_instance_discovery_has_no_metadata(client: Client, emulator: Emulator) -> None:
    path = f"/common/discovery/instance?api-version=1.0&authorization_endpoint={emulator.url}/common"
    assert (await client.request("GET", path)).json.keys() == {"tenant_discovery_endpoint", "api-version"}


@pytest.mark.parametrize(("query", "number"), [("api-version=9&authorization_endpoint=x", 90100)])
async def test_malformed_instance_discovery(client: Client, query: str, number: int) -> None:
    found = await client.request("GET", f"/common/discovery/instance?{query}")
    assert found.json["error_codes"] == [number]


async def test_an_endpoint_that_is_no_address_is_refused(client: Client) -> None:
    assert (await client.request("GET", instance_of("https://%5B"))).json["error_codes"] == [90102]


async def test_personal_accounts_have_one_issuer(client: Client, emulator: Emulator) -> None:
    found = (await client.request("GET", "/consumers/v2.0/.well-known/openid-configuration")).json
    assert found["issuer"] == f"{emulator.url}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
