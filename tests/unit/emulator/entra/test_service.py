"""Client credentials: what is granted, and every refusal with its AADSTS number."""

import base64
import json
import re
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock

HOUR = 3600.0
OTHER = "0c0ffee0-0000-4000-8000-000000000000"


async def test_a_token_is_granted(client: Client) -> None:
    answer = await client.ask_token()
    assert answer.status == 200
    assert answer.json.keys() == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert answer.json["expires_in"] == 3599
    assert answer.headers["Cache-Control"].startswith("no-store")


async def test_v1_sends_numbers_as_strings(client: Client) -> None:
    answer = await client.ask_token(v1=True, scope=None, resource="https://graph.microsoft.com")
    assert answer.json["expires_in"] == "3599"
    assert int(answer.json["expires_on"]) - int(answer.json["not_before"]) == 3599
    assert answer.json["resource"] == "https://graph.microsoft.com"


async def test_http_basic_carries_the_secret_form_encoded(client: Client, planted: Seed) -> None:
    secret = planted.secrets[planted.gateway.client_id]
    pair = base64.b64encode(f"{planted.gateway.client_id}:{quote_plus(secret)}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    answer = await client.request("POST", path, data=form, headers={"Authorization": f"Basic {pair}"})
    assert answer.status == 200


async def test_the_tenant_may_be_a_domain(client: Client) -> None:
    assert (await client.ask_token(tenant="Contoso.EXAMPLE")).status == 200


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com//.default", "https://graph.microsoft.com/"),
        ("https://Graph.Microsoft.com/.default", "https://graph.microsoft.com"),
        ("https://outlook.office365.com/.default", "https://outlook.office365.com"),
        ("https://outlook.office.com//.default", "https://outlook.office.com/"),
        ("00000002-0000-0ff1-ce00-000000000000/.default", "00000002-0000-0ff1-ce00-000000000000"),
        ("00000003-0000-0000-c000-000000000000/.default", "00000003-0000-0000-c000-000000000000"),
    ],
)
async def test_the_resource_becomes_the_audience(client: Client, scope: str, audience: str) -> None:
    token = (await client.ask_token(scope=scope)).json["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == audience


async def test_the_own_address_stands_for_graph(client: Client, emulator: Emulator) -> None:
    assert (await client.ask_token(scope=f"{emulator.url}/.default")).status == 200


REFUSALS = [
    pytest.param({"client_secret": "wrong"}, 401, 7000215, "invalid_client", id="wrong secret"),
    pytest.param({"client_secret": None}, 401, 7000218, "invalid_client", id="no secret"),
    pytest.param({"client_id": OTHER}, 400, 700016, "unauthorized_client", id="unknown app"),
    pytest.param({"client_id": None}, 400, 900144, "invalid_request", id="no client_id"),
    pytest.param({"grant_type": None}, 400, 900144, "invalid_request", id="no grant_type"),
    pytest.param({"grant_type": "magic"}, 400, 70003, "unsupported_grant_type", id="wrong grant"),
    pytest.param({"scope": None}, 400, 900144, "invalid_request", id="no scope"),
    pytest.param({"scope": "Mail.Send"}, 400, 1002012, "invalid_scope", id="single permission"),
    pytest.param({"scope": "a/.default b/.default"}, 400, 700022, "invalid_scope", id="two resources"),
    pytest.param({"scope": "a/.default openid"}, 400, 70011, "invalid_scope", id="two scopes"),
    pytest.param({"scope": "https://x.example/.default"}, 400, 500011, "invalid_resource", id="unknown resource"),
    pytest.param({"resource": "https://x.example"}, 400, 901002, "invalid_request", id="resource on v2"),
]


@pytest.mark.parametrize(("fields", "status", "number", "error"), REFUSALS)
async def test_refusals(client: Client, fields: Any, status: int, number: int, error: str) -> None:
    answer = await client.ask_token(**fields)
    assert (answer.status, answer.json["error_codes"], answer.json["error"]) == (status, [number], error)


@pytest.mark.parametrize(
    ("tenant", "number"),
    [("common", 50059), ("organizations", 50059), (OTHER, 90002), ("fabrikam.example", 90002), ("what%3F", 900023)],
)
async def test_refused_tenants(client: Client, tenant: str, number: int) -> None:
    assert (await client.ask_token(tenant=tenant)).json["error_codes"] == [number]


async def test_a_disabled_app_gets_nothing(client: Client, planted: Seed) -> None:
    assert planted.gateway.principal
    planted.gateway.principal.enabled = False
    assert (await client.ask_token()).json["error_codes"] == [7000112]


async def test_json_is_no_form(client: Client, planted: Seed) -> None:
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    answer = await client.request("POST", path, json={"grant_type": "client_credentials"})
    assert answer.json["error_codes"] == [900144]


async def test_get_is_the_wrong_verb(client: Client, planted: Seed) -> None:
    answer = await client.request("GET", f"/{planted.tenant.id}/oauth2/v2.0/token")
    assert answer.json["error_codes"] == [900561]


async def test_broken_basic_is_malformed(client: Client, planted: Seed) -> None:
    headers = {"Authorization": "Basic ???"}
    form = {"grant_type": "client_credentials"}
    answer = await client.request("POST", f"/{planted.tenant.id}/oauth2/v2.0/token", data=form, headers=headers)
    assert answer.json["error_codes"] == [9002313]


async def test_a_secret_has_an_end_date(client: Client, emulator: Emulator, planted: Seed, clock: Clock) -> None:
    planted.gateway.secrets.clear()
    secret = emulator.world.add_secret(planted.gateway, ends_at=clock.now + HOUR)
    assert (await client.ask_token(client_secret=secret)).status == 200
    clock.now += HOUR
    answer = await client.ask_token(client_secret=secret)
    assert (answer.status, answer.json["error_codes"]) == (401, [7000222])


ENVELOPE = re.compile(
    r"AADSTS7000215: .+\r\nTrace ID: [0-9a-f-]{36}\r\nCorrelation ID: [0-9a-f-]{36}\r\nTimestamp: 2026-11-20 12:00:00Z"
)


async def test_the_envelope_is_microsofts(client: Client, emulator: Emulator) -> None:
    error = (await client.ask_token(client_secret="wrong")).json
    assert ENVELOPE.fullmatch(error["error_description"])
    assert error["timestamp"] == "2026-11-20 12:00:00Z"
    assert error["error_uri"] == f"{emulator.url}/error?code=7000215"
    assert error["trace_id"] in error["error_description"]


async def test_a_code_that_the_look_up_page_lacks_has_no_uri(client: Client) -> None:
    assert "error_uri" not in (await client.ask_token(scope="Mail.Send")).json


@pytest.mark.parametrize(("sent", "same"), [(OTHER, True), ("no guid", False)])
async def test_the_correlation_id_is_echoed_if_it_is_one(client: Client, planted: Seed, sent: str, same: bool) -> None:
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    answer = await client.request("POST", path, headers={"client-request-id": sent})
    assert (answer.json["correlation_id"] == sent) is same


async def test_the_correlation_id_may_be_in_the_query(client: Client, planted: Seed) -> None:
    path = f"/{planted.tenant.id}/oauth2/v2.0/token?client-request-id={OTHER}"
    assert (await client.request("POST", path)).json["correlation_id"] == OTHER


async def test_token_requests_are_counted_by_outcome(client: Client, emulator: Emulator) -> None:
    await client.ask_token()
    await client.ask_token(client_secret="wrong")
    assert emulator.ledger.tokens == {"issued": 1, "AADSTS7000215": 1}
    assert emulator.ledger.token_requests == 2


async def test_grants_that_are_missing_here_are_gaps(client: Client, emulator: Emulator) -> None:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (await client.ask_token(grant_type=grant)).json["error_codes"] == [70003]
    assert [gap.what for gap in emulator.not_emulated] == [f"grant_type={grant}"]


async def test_unknown_paths_are_404_and_gaps(client: Client, emulator: Emulator) -> None:
    assert (await client.request("GET", "/common/oauth2/nothing")).status == 404
    assert [gap.path for gap in emulator.not_emulated] == ["/common/oauth2/nothing"]


async def test_a_query_string_beside_the_body_does_no_harm(client: Client, planted: Seed) -> None:
    form = {"grant_type": "client_credentials", "client_id": planted.gateway.client_id}
    form |= {"client_secret": planted.secrets[planted.gateway.client_id], "client_info": "1", "x-client-SKU": "node"}
    form |= {"scope": "https://graph.microsoft.com/.default"}
    path = f"/{planted.tenant.id}/oauth2/v2.0/token?client-request-id={OTHER}&grant_type=magic"
    assert (await client.request("POST", path, data=form)).status == 200


async def test_tokens_show_the_clock_skew(client: Client, emulator: Emulator, clock: Clock) -> None:
    emulator.world.clock_skew = 200.0
    claims = jwt.decode(await client.token(), options={"verify_signature": False})
    assert claims["iat"] == claims["nbf"] == claims["exp"] - 3599 == int(clock.now) + 200


async def test_capabilities_come_back_in_the_token(client: Client) -> None:
    wanted = json.dumps({"access_token": {"xms_cc": {"values": ["CP1"]}}})
    token = (await client.ask_token(claims=wanted)).json["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["xms_cc"] == ["CP1"]
    assert (await client.ask_token(claims='{"access_token":null}')).status == 200


@pytest.mark.parametrize("claims", ["x", "[]", "1", '{"access_token":1}', '{"access_token":{"xms_cc":1}}', "[" * 9999])
async def test_malformed_claims_are_refused(client: Client, claims: str) -> None:
    assert (await client.ask_token(claims=claims)).json["error_codes"] == [90100]


async def test_the_same_request_too_often_within_a_minute_is_a_loop(
    client: Client, emulator: Emulator, clock: Clock
) -> None:
    emulator.world.token_loop_limit = 2
    for _ in range(2):
        assert (await client.ask_token()).status == 200
    assert (await client.ask_token()).json["error_codes"] == [50196]
    assert (await client.ask_token(client_info="1")).status == 200
    clock.now += 60
    assert (await client.ask_token()).status == 200
    emulator.world.token_loop_limit = 0
    for _ in range(4):
        assert (await client.ask_token()).status == 200


@pytest.mark.parametrize("more", [{"client_secret": "x"}, {"client_id": OTHER}])
async def test_a_client_is_named_in_one_place(client: Client, planted: Seed, more: dict[str, str]) -> None:
    pair = base64.b64encode(f"{planted.gateway.client_id}:x".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"} | more
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    answer = await client.request("POST", path, data=form, headers={"Authorization": f"Basic {pair}"})
    assert answer.json["error_codes"] == [90023]


@pytest.mark.parametrize("ident", ["a%0d%0aSet-Cookie:b", "%C3%A9", "%00"])
async def test_a_request_id_that_no_header_can_hold_is_not_echoed(client: Client, ident: str) -> None:
    answer = await client.request("GET", f"/common/discovery/v2.0/keys?client-request-id={ident}")
    assert answer.status == 200
    assert "client-request-id" not in answer.headers
