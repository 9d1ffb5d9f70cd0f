"""The control API, as a test in another process uses it."""

import base64
from typing import Any

import pytest

from pillarbox.emulator import Emulator, Fault
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Reply


async def control(client: Client, method: str, path: str, **more: Any) -> Reply:
    return await client.request(method, f"/_emulator/{path}", **more)


async def test_ready(client: Client) -> None:
    assert (await control(client, "GET", "ready")).json == {"ready": True}


async def test_the_ledger_from_a_sequence_number_on(client: Client) -> None:
    for _ in range(3):
        await client.send()
    entries = (await control(client, "GET", "ledger?after=1")).json
    assert [entry["sequence"] for entry in entries] == [2, 3]
    assert "raw" not in entries[0]
    assert entries[0]["headers"][0] == ["From", "alice@contoso.example"]


async def test_the_ledger_with_bytes(client: Client) -> None:
    mail = b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nX-\xff: \xff\r\n\r\n\x00"
    await client.send(mail)
    (entry,) = (await control(client, "GET", "ledger?bytes=1")).json
    assert base64.b64decode(entry["raw"]) == mail


async def test_a_wrong_sequence_number(client: Client) -> None:
    answer = await control(client, "GET", "ledger?after=x")
    assert answer.status == 400
    assert answer.json["error"]


async def test_stats_do_not_count_control(client: Client) -> None:
    await client.send()
    await control(client, "GET", "stats")
    stats = (await control(client, "GET", "stats")).json
    assert stats["accepted"] == 1
    assert stats["token_requests"] == 1
    assert stats["requests"] == {"POST /{tenant}/oauth2/v2.0/token": 1, "POST /v1.0/users/{user}/sendMail": 1}


@pytest.mark.parametrize("as_list", [True, False])
async def test_faults_can_be_set_and_seen(client: Client, emulator: Emulator, as_list: bool) -> None:
    rule: dict[str, Any] = {"path": "/sendMail", "status": 429, "retry_after": 2.5}
    await control(client, "POST", "faults", json=[rule] if as_list else rule)
    assert (await client.send()).status == 429
    assert (await control(client, "GET", "faults")).json == [rule | {"matched": 1}]
    assert list(emulator.faults) == [Fault(**rule)]


async def test_of_a_list_with_a_bad_rule_none_is_taken(client: Client, emulator: Emulator) -> None:
    answer = await control(client, "POST", "faults", json=[{"cut": True}, {"status": 1}])
    assert (answer.status, answer.json) == (400, {"error": "status is 200 to 599"})
    assert not emulator.faults


async def test_faults_can_be_cleared(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(status=500)
    assert (await control(client, "DELETE", "faults")).json == []
    assert (await client.send()).status == 202


async def test_reset_keeps_tenants_and_apps(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.faults.add(path="/nowhere", status=500)
    await client.send()
    await client.request("GET", "/nothing")
    await control(client, "POST", "reset")
    assert (len(emulator.ledger), len(emulator.faults), len(emulator.not_emulated)) == (0, 0, 0)
    assert (await client.read("/messages")).json["value"] == []


async def test_what_is_not_emulated_is_listed(client: Client) -> None:
    await client.request("GET", "/nothing")
    listed = (await control(client, "GET", "not-emulated")).json
    assert listed == [{"method": "GET", "path": "/nothing", "what": "path", "count": 1}]


async def test_the_world_shows_no_secret(client: Client, planted: Seed) -> None:
    answer = await control(client, "GET", "world")
    (tenant,) = answer.json
    assert tenant["domains"] == ["contoso.example"]
    assert {app["name"] for app in tenant["apps"]} == {app.name for app in planted.apps}
    assert not any(value in answer.body.decode() for value in planted.secrets.values())


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "faults"), ("GET", "")])
async def test_other_paths_are_404(client: Client, method: str, path: str) -> None:
    assert (await control(client, method, path)).status == 404


async def test_broken_json_is_400(client: Client) -> None:
    assert (await control(client, "POST", "faults", data=b"{")).status == 400
