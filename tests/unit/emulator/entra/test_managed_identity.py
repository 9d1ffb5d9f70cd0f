"""Managed identities: the endpoints of virtual machines and App Service, and their own kinds of errors."""

from typing import Any

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world.managed_identities import ManagedIdentity
from tests.unit.emulator.conftest import Client, Clock, Reply
from tests.unit.emulator.entra.sign_ins import unverified

GRAPH = "https://graph.microsoft.com"
IMDS = {"api-version": "2018-02-01", "resource": GRAPH}
APP_SERVICE = {"api-version": "2019-08-01", "resource": GRAPH}


@pytest.fixture
def own(planted: Seed) -> ManagedIdentity:
    return planted.identity


@pytest.fixture
def shared(emulator: Emulator, planted: Seed) -> ManagedIdentity:
    return emulator.world.add_managed_identity("mail-senders", ["Mail.ReadWrite"], user_assigned=True)


async def imds(client: Client, metadata: str | None = "true", **query: Any) -> Reply:
    headers = {"Metadata": metadata} if metadata else {}
    wanted = {name: value for name, value in (IMDS | query).items() if value is not None}
    return await client.request("GET", "/metadata/identity/oauth2/token", params=wanted, headers=headers)


async def app_service(client: Client, header: str | None = None, **query: Any) -> Reply:
    headers = {"X-IDENTITY-HEADER": client.emulator.authority.identity_header if header is None else header}
    return await client.request("GET", "/msi/token", params=APP_SERVICE | query, headers=headers)


async def test_a_machine_gets_a_token_of_its_own(client: Client, own: ManagedIdentity, clock: Clock) -> None:
    answer = (await imds(client)).json
    assert all(isinstance(value, str) for value in answer.values())
    assert answer.keys() == {
        *("access_token", "client_id", "expires_in", "ext_expires_in"),
        *("expires_on", "not_before", "resource", "token_type"),
    }
    assert int(answer["expires_on"]) == int(clock.now) + 3599
    claims = unverified(answer["access_token"])
    assert (claims["roles"], claims["oid"], claims["appidacr"]) == (["Mail.Send"], own.principal.id, "2")


async def test_graph_takes_the_token(client: Client, own: ManagedIdentity, planted: Seed) -> None:
    token = (await imds(client)).json["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    path = "/v1.0/users/alice@contoso.example/sendMail"
    mime = b"VG86IGJvYkBjb250b3NvLmV4YW1wbGUNCg0KSGkNCg=="
    assert (await client.request("POST", path, headers=headers, data=mime)).status == 202


async def test_a_shared_identity_is_named(client: Client, own: ManagedIdentity, shared: ManagedIdentity) -> None:
    names = {
        "client_id": shared.principal.client_id,
        "object_id": shared.principal.id,
        "mi_res_id": shared.resource_id,
    }
    for name, value in names.items():
        assert (await imds(client, **{name: value})).json["client_id"] == shared.principal.client_id


async def test_app_service_has_a_shape_of_its_own(client: Client, own: ManagedIdentity) -> None:
    answer = (await app_service(client)).json
    assert answer.keys() == {"access_token", "client_id", "expires_on", "resource", "token_type"}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"metadata": None}, "bad_request_102"),
        ({"api-version": "2017-01-01"}, "invalid_request"),
        ({"api-version": None}, "invalid_request"),
        ({"resource": None}, "invalid_request"),
        ({"resource": "https://x.example"}, "invalid_resource"),
        ({"client_id": "nobody"}, "invalid_request"),
        ({"client_id": "a", "object_id": "b"}, "invalid_request"),
    ],
)
async def test_refusals_of_a_machine(client: Client, own: ManagedIdentity, query: Any, error: str) -> None:
    answer = await imds(client, **query)
    assert (answer.status, answer.json.keys()) == (400, {"error", "error_description"})
    assert answer.json["error"] == error


async def test_a_machine_without_identity(client: Client, emulator: Emulator, shared: ManagedIdentity) -> None:
    emulator.world.managed_identities.remove(client.planted.identity)
    assert (await imds(client)).json["error_description"] == "Identity not found"


async def test_a_machine_has_one_identity_of_its_own(emulator: Emulator, planted: Seed) -> None:
    with pytest.raises(ValueError, match="has an identity of its own"):
        emulator.world.add_managed_identity("vm-2")
    with pytest.raises(ValueError, match="there is an app with that client id"):
        emulator.world.add_managed_identity("vm-2", user_assigned=True, client_id=planted.gateway.client_id)


async def test_own_identity_is_not_had_by_name(client: Client, own: ManagedIdentity) -> None:
    assert (await imds(client, client_id=own.principal.client_id)).json["error_description"] == "Identity not found"


async def test_app_service_wants_its_secret(client: Client, own: ManagedIdentity) -> None:
    answer = await app_service(client, "wrong")
    assert (answer.status, answer.json["statusCode"]) == (401, 401)
    answer = await app_service(client, resource="https://x.example")
    assert (answer.status, answer.json["statusCode"]) == (400, 400)
