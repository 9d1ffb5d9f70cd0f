"""The control API, as a test in another process uses it."""

import base64
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.emulator import Certificates, Emulator, Fault, SigningKey, seed
from pillarbox.emulator.entra.scopes import parse
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import MIME, Client, Clock, Reply


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
    mail = (
        b"From: alice@contoso.example\r\nTo: b@x.example\r\nDate: today\r\nMessage-ID: <1@x>\r\nX-\xff: \xff\r\n\r\n\0"
    )
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
    assert (await control(client, "GET", "faults")).json == [{"id": 1} | rule | {"matched": 1}]
    assert list(emulator.faults) == [Fault(**rule)]


async def test_of_a_list_with_a_bad_rule_none_is_taken(client: Client, emulator: Emulator) -> None:
    answer = await control(client, "POST", "faults", json=[{"cut": True}, {"status": 1}])
    assert (answer.status, answer.json) == (400, {"error": "status is 200 to 599"})
    assert not emulator.faults


async def test_faults_can_be_cleared(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(status=500)
    assert (await control(client, "DELETE", "faults")).json == []
    assert (await client.send()).status == 202


async def test_one_rule_can_be_taken_away(client: Client, emulator: Emulator) -> None:
    first, second = emulator.faults.add(status=500), emulator.faults.add(cut=True)
    left = (await control(client, "DELETE", "faults/1")).json
    assert ([each["id"] for each in left], list(emulator.faults)) == ([2], [second])
    assert first not in emulator.faults
    assert (await control(client, "DELETE", "faults/1")).status == 404
    assert (await control(client, "DELETE", "faults/x")).status == 400


async def test_rules_can_be_replaced(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(cut=True)
    answer = await control(client, "PUT", "faults", json=[{"status": 500}, {"status": 503}])
    assert [each["status"] for each in answer.json] == [500, 503]
    assert (await control(client, "PUT", "faults", json={"status": 1})).status == 400
    assert len(emulator.faults) == 2


async def test_one_mail_as_it_was_accepted(client: Client) -> None:
    mail = b"From: alice@contoso.example\r\nTo: b@x.example\r\nDate: today\r\nMessage-ID: <1@x>\r\n\r\n\xff\x00"
    await client.send(mail)
    answer = await control(client, "GET", "ledger/1")
    assert (answer.body, answer.headers["Content-Type"]) == (mail, "message/rfc822")


@pytest.mark.parametrize(("sequence", "status"), [("2", 404), ("0", 404), ("x", 400), ("-1", 400), ("9" * 5000, 400)])
async def test_mails_that_are_not_there(client: Client, sequence: str, status: int) -> None:
    await client.send()
    assert (await control(client, "GET", f"ledger/{sequence}")).status == status


async def test_bytes_that_were_not_kept(client: Client, emulator: Emulator) -> None:
    emulator.ledger.keep_bytes = False
    await client.send()
    assert (await control(client, "GET", "ledger/1")).status == 400


@pytest.mark.parametrize(("mailbox", "found"), [("D@contoso.example", 1), ("dave@contoso.example", 1), ("bob", 0)])
async def test_the_ledger_of_one_mailbox(
    client: Client, emulator: Emulator, planted: Seed, mailbox: str, found: int
) -> None:
    emulator.world.add_user(planted.tenant, "dave", aliases=["d@contoso.example"])
    await client.send(b"From: dave@contoso.example\r\nTo: bob@contoso.example\r\n\r\n", "dave@contoso.example")
    await client.send(b"From: carol@contoso.example\r\nTo: bob@contoso.example\r\n\r\n", "carol@contoso.example")
    assert len((await control(client, "GET", f"ledger?mailbox={mailbox}")).json) == found


async def test_switches_change_how_exchange_behaves(client: Client, emulator: Emulator) -> None:
    answer = await control(client, "PUT", "switches", json={"sent_copy_delay": 900})
    assert answer.json["sent_copy_delay"] == emulator.world.sent_copy_delay == 900
    assert (await control(client, "GET", "switches")).json == answer.json


async def test_limits_can_be_changed(client: Client, emulator: Emulator) -> None:
    answer = await control(client, "PUT", "limits", json={"recipients_per_day": None, "messages_per_minute": 1})
    assert (answer.json["recipients_per_day"], answer.json["concurrent_requests"]) == (None, 4)
    assert emulator.world.limits.messages_per_minute == 1
    assert (await control(client, "GET", "limits")).json == answer.json


@pytest.mark.parametrize("path", ["switches", "limits", "faults"])
@pytest.mark.parametrize("body", [b"[]x", b"7", b'{"x": 1}', b"[" * 100_000, b"\xff", b""])
async def test_wrong_bodies_are_400_with_a_reason(client: Client, path: str, body: bytes) -> None:
    answer = await control(client, "PUT", path, data=body)
    assert answer.status == 400
    assert answer.json["error"]


async def test_early_returns_are_listed(client: Client, emulator: Emulator, planted: Seed, clock: Clock) -> None:
    emulator.faults.add(path="/sendMail", status=429, retry_after=30, times=1)
    await client.send()
    clock.now += 10
    await client.send()
    (early,) = (await control(client, "GET", "early-returns")).json
    assert early == {
        "time": clock.now,
        "app_id": planted.gateway.client_id,
        "mailbox": "alice@contoso.example",
        "method": "POST",
        "path": "/v1.0/users/alice@contoso.example/sendMail",
        "early": 20.0,
    }
    assert (await control(client, "GET", "stats")).json["too_early"] == 1


async def test_mailboxes_are_counted_by_folder(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.world.sent_copy_delay = 60
    await client.send()
    found = (await control(client, "GET", "mailboxes")).json
    assert (found["bob@contoso.example"]["inbox"], found["alice@contoso.example"]["sentitems"]) == (1, 0)
    assert "nomailbox@contoso.example" not in found
    clock.now += 60
    assert (await control(client, "GET", "mailboxes")).json["alice@contoso.example"]["sentitems"] == 1


async def test_reset_puts_all_back(client: Client, emulator: Emulator) -> None:
    emulator.faults.add(path="/sendMail", status=429, retry_after=30, times=1)
    await control(client, "PUT", "switches", json={"checks_from": False})
    await control(client, "PUT", "limits", json={"requests_per_10_minutes": 2})
    for _ in range(3):
        await client.send()
    await control(client, "POST", "reset")
    assert (emulator.world.checks_from, emulator.world.limits.requests_per_10_minutes) == (True, 10_000)
    assert (await client.send()).status == 202
    assert emulator.ledger.too_early == []


async def test_reset_keeps_tenants_and_apps(client: Client, emulator: Emulator, planted: Seed) -> None:
    emulator.faults.add(path="/nowhere", status=500)
    await client.send()
    await client.request("GET", "/nothing")
    await control(client, "POST", "reset")
    assert (len(emulator.ledger), len(emulator.faults), len(emulator.not_emulated)) == (0, 0, 0)
    assert (await client.read("/messages")).json["value"] == []


async def test_reset_returns_to_the_start(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, clock: Clock
) -> None:
    emulator = Emulator(tmp_path, certificates=certificates, signing_key=signing_key, clock=clock)
    planted = seed(emulator.world)
    kept = emulator.world.mailbox("bob@contoso.example").add("inbox", MIME, "<seed@x>", clock.now)
    rule = emulator.faults.add(path="/token", rotate_secret=True, when="after", times=1)
    async with emulator:
        context = ssl.create_default_context(cafile=str(emulator.ca_file))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            client = Client(session, emulator, planted)
            headers = {"Authorization": f"Bearer {client.app_token(planted.writer)}"}
            path = f"/v1.0/users/bob@contoso.example/messages/{kept.id}"
            for _ in range(2):
                assert [(await client.ask_token()).status for _ in range(2)] == [200, 401]
                assert (await client.request("DELETE", path, headers=headers)).status == 204
                emulator.faults.add(cut=True)
                await control(client, "POST", "reset")
                listed = (await control(client, "GET", "faults")).json
                assert listed == [{"id": 1} | rule.as_json() | {"matched": 0}]
    assert emulator.world.mailbox("bob@contoso.example").message(kept.id, clock.now) is kept
    assert planted.gateway.secrets[0].ends_at is None


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


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "stats"), ("GET", ""), ("GET", "faults/1")])
async def test_other_paths_are_404(client: Client, method: str, path: str) -> None:
    assert (await control(client, method, path)).status == 404


async def test_broken_json_is_400(client: Client) -> None:
    assert (await control(client, "POST", "faults", data=b"{")).status == 400


async def test_new_service_principal_can_be_played(client: Client, planted: Seed) -> None:
    app, other = planted.gateway, "0C0FFEE0-0000-4000-8000-000000000000"
    answer = await control(client, "POST", "exchange-principals", json={"app_id": app.client_id, "object_id": other})
    assert answer.json[app.client_id] == other.lower()
    assert planted.tenant.exchange_principals[app.client_id] == other.lower()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({}, 400),
        ({"app_id": "x", "object_id": "0c0ffee0-0000-4000-8000-000000000000"}, 400),
        ({"app_id": "0c0ffee0-0000-4000-8000-000000000000", "object_id": "0c0ffee0-0000-4000-8000-000000000000"}, 404),
    ],
)
async def test_service_principals_that_cannot_be_made(client: Client, body: object, status: int) -> None:
    assert (await control(client, "POST", "exchange-principals", json=body)).status == status


async def test_reset_signs_everybody_out_and_keeps_refresh_tokens(client: Client, emulator: Emulator) -> None:
    authority = emulator.authority
    scopes = parse("offline_access", emulator.url)
    device = authority.pending.add_device(client_id="c", tenant="common", scopes=scopes, now=0.0)
    token = authority.refresh_tokens.add(
        client_id="c", tenant_id="t", user_id="u", scopes=scopes, platform="web", signed_in=0.0, now=0.0
    )
    await control(client, "POST", "reset")
    assert authority.pending.device(device.value) is None
    assert authority.refresh_tokens.find(token.value) == token
