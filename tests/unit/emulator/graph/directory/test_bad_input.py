"""Whatever is sent to the directory is answered as Microsoft answers: no body and no path breaks a handler."""

import json
import random
from typing import Any

import pytest

from pillarbox.emulator.graph.directory import (
    application_credentials,
    applications,
    exchange_rbac,
    federated_credentials,
    message_traces,
    organization,
    permission_grants,
    role_assignments,
    service_principals,
)
from pillarbox.emulator.graph.odata import Kind
from pillarbox.emulator.graph.request import Operation
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.graph.directory.conftest import EXCHANGE_ID, GRAPH_ID, MAIL_SEND, SCOPES, Directory

MODULES = (
    application_credentials,
    applications,
    exchange_rbac,
    federated_credentials,
    message_traces,
    organization,
    permission_grants,
    role_assignments,
    service_principals,
)
OPERATIONS: list[Operation] = [each for module in MODULES for each in module.OPERATIONS]
NAMES = sorted(
    {"type", "id", "key", "keyId", "proof", "resourceAccess", "redirectUris", "Exclusive", "RecipientFilter"}
    | {
        name
        for module in MODULES
        for kind in vars(module).values()
        if isinstance(kind, Kind)
        for name in kind.properties
    }
    | {"keyCredential", "passwordCredential", "startDateTime", "endDateTime", "usage", "implicitGrantSettings"}
)
LEAVES: list[Any] = [None, True, 0, -1, 1e308, 10**30, "", "x", "\ud800", "\0", "9" * 5000, "0001-01-01T00:00:00Z"]
LEAVES += [GRAPH_ID, EXCHANGE_ID, MAIL_SEND, "Role", "Principal", "AsymmetricX509Cert", "Verify", "AAAA", "a.b.c", "/"]
KEYS = ("x", "%00", "%FF", "appId=", "(appId='", "'", "%F0%9F%93%AE", "a" * 500, "..%2f", MAIL_SEND)


def invented(dice: random.Random, depth: int = 0) -> Any:
    """JSON with the names that the directory knows, and any values."""
    kind = dice.random() if depth < 4 else 1.0
    if kind < 0.45 or depth == 0:
        return {name: invented(dice, depth + 1) for name in dice.sample(NAMES, dice.randint(0, 12))}
    if kind < 0.6:
        return [invented(dice, depth + 1) for _ in range(dice.randint(0, 3))]
    return dice.choice(LEAVES)


def path_of(operation: Operation, keys: dict[str, str]) -> str:
    parts = (each.strip("{}") if each.startswith("{") else each for each in operation.path.split("/"))
    return "/".join(keys.get(part, part) for part in parts)


@pytest.fixture
def known(client: Client) -> dict[str, str]:
    """Keys of what there is, by the names in the templates."""
    principal = client.planted.gateway.principal
    assert principal
    return {"app": client.planted.gateway.object_id, "principal": principal.id}


@pytest.mark.parametrize("seed", range(4))
async def test_no_body_breaks_a_handler(client: Client, known: dict[str, str], seed: int) -> None:
    directory, dice = Directory(client), random.Random(seed)
    for operation in [each for each in OPERATIONS if each.method in ("POST", "PATCH")]:
        for _ in range(20):
            body, headers = json.dumps(invented(dice)), {"Content-Type": "application/json"}
            path = path_of(operation, known)
            reply = await directory.call(operation.method, path, operation.versions[0], data=body, headers=headers)
            assert reply.status < 500, body


@pytest.mark.parametrize("key", KEYS)
async def test_no_key_breaks_a_handler(client: Client, key: str) -> None:
    directory = Directory(client, scopes=(*SCOPES, "ExchangeMessageTrace.Read.All"))
    words = ("app", "principal", "assignment", "credential", "grant", "id", "trace", "recipient")
    for operation in OPERATIONS:
        if "{" in operation.path:
            path = path_of(operation, dict.fromkeys(words, key))
            reply = await directory.call(operation.method, path, operation.versions[0], json={})
            assert 400 <= reply.status < 500, path


@pytest.mark.parametrize(
    "query", ["$select=%00", "$filter=%FF", "$filter=id eq 7", "$top=-1", "$skiptoken=x", "$expand=owners"]
)
async def test_no_query_breaks_a_handler(client: Client, known: dict[str, str], query: str) -> None:
    directory = Directory(client, scopes=(*SCOPES, "ExchangeMessageTrace.Read.All", "Organization.Read.All"))
    for operation in OPERATIONS:
        if operation.method == "GET":
            path = f"{path_of(operation, known)}?{query}"
            reply = await directory.call("GET", path, operation.versions[0])
            assert 400 <= reply.status < 500, path


@pytest.mark.parametrize("text", ['{"displayName": "a", "displayName": "b"}', '{"web": {"a": 1, "a": 2}}'])
async def test_names_come_once_in_an_object(client: Client, text: str) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {client.user_token('admin', *SCOPES)}"}
    answer = await client.request("POST", "/v1.0/applications", data=text.encode(), headers=headers)
    assert (answer.status, answer.code) == (400, "RequestBodyRead")


async def test_parameters_of_actions_come_once_in_any_case(client: Client) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {client.user_token('admin', *SCOPES)}"}
    path = f"/v1.0/applications(appId='{client.planted.gateway.client_id}')/removePassword"
    answer = await client.request("POST", path, data=b'{"keyId": "1", "KeyId": "2"}', headers=headers)
    assert (answer.status, answer.code) == (400, "RequestBodyRead")


async def test_packed_bodies_are_refused(client: Client) -> None:
    headers = {"Content-Encoding": "gzip", "Authorization": f"Bearer {client.user_token('admin', *SCOPES)}"}
    answer = await client.request("POST", "/v1.0/applications", json={"displayName": "a"}, headers=headers)
    assert (answer.status, answer.code) == (415, "UnsupportedMediaType")
