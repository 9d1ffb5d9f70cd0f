"""The device authorization grant: pending, then tokens once, or declined, or too late."""

import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.entra.sign_ins import SignIns, unverified


async def test_a_device_gets_a_code_to_show(client: Client, planted: Seed, emulator: Emulator) -> None:
    form = {"client_id": planted.desktop.client_id, "scope": "Mail.Send"}
    shown = (await client.request("POST", "/organizations/oauth2/v2.0/devicecode", data=form)).json
    assert shown["error_codes"] == [50194]
    shown = (await client.request("POST", "/contoso.example/oauth2/v2.0/devicecode", data=form)).json
    assert shown.keys() == {"user_code", "device_code", "verification_uri", "expires_in", "interval", "message"}
    assert (shown["expires_in"], shown["interval"]) == (900, 5)
    assert shown["verification_uri"] == f"{emulator.url}/devicelogin"
    assert shown["user_code"] in shown["message"]


async def test_v1_has_strings(client: Client, planted: Seed, emulator: Emulator) -> None:
    form = {"client_id": planted.desktop.client_id, "resource": "https://graph.microsoft.com"}
    shown = (await client.request("POST", "/contoso.example/oauth2/devicecode", data=form)).json
    assert (shown["expires_in"], shown["interval"]) == ("900", "5")
    assert shown["verification_url"] == f"{emulator.url}/devicelogin"


async def test_a_resource_is_no_scope(client: Client, planted: Seed) -> None:
    form = {"client_id": planted.desktop.client_id, "scope": "Mail.Send", "resource": "https://graph.microsoft.com"}
    refused = await client.request("POST", "/contoso.example/oauth2/v2.0/devicecode", data=form)
    assert refused.json["error_codes"] == [901002]


async def test_a_translated_message_is_a_gap(client: Client, planted: Seed, emulator: Emulator) -> None:
    form = {"client_id": planted.desktop.client_id, "scope": "Mail.Send"}
    await client.request("POST", "/contoso.example/oauth2/v2.0/devicecode?mkt=de-DE", data=form)
    assert [gap.what for gap in emulator.not_emulated] == ["mkt"]


@pytest.mark.parametrize("grant", ["urn:ietf:params:oauth:grant-type:device_code", "device_code"])
async def test_polls_are_pending_until_the_person_is_done(sign_ins: SignIns, planted: Seed, grant: str) -> None:
    device = await sign_ins.device()
    answer = await sign_ins.poll(device, grant_type=grant)
    assert (answer.status, answer.json["error"]) == (400, "authorization_pending")
    sign_ins.approve(device)
    answer = await sign_ins.poll(device, grant_type=grant)
    assert unverified(answer.json["access_token"])["upn"] == planted.user("alice").upn
    assert (await sign_ins.refresh(answer.json["refresh_token"], planted.desktop)).status == 200


async def test_the_code_may_be_called_code(sign_ins: SignIns) -> None:
    device = await sign_ins.device()
    sign_ins.approve(device)
    answer = await sign_ins.poll(
        device, device_code=None, code=device.value, v1=True, resource="https://graph.microsoft.com"
    )
    assert answer.json["expires_in"] == "3599"


async def test_tokens_come_once(sign_ins: SignIns) -> None:
    device = await sign_ins.device()
    sign_ins.approve(device)
    assert (await sign_ins.poll(device)).status == 200
    assert (await sign_ins.poll(device)).json["error_codes"] == [54005]


async def test_a_declined_code_stays_declined(sign_ins: SignIns) -> None:
    device = await sign_ins.device()
    device.state = "declined"
    assert (await sign_ins.poll(device)).json["error"] == "authorization_declined"


async def test_a_code_lives_fifteen_minutes(sign_ins: SignIns, clock: Clock) -> None:
    device = await sign_ins.device()
    clock.now += 899
    assert (await sign_ins.poll(device)).json["error"] == "authorization_pending"
    clock.now += 1
    assert (await sign_ins.poll(device)).json["error"] == "expired_token"


async def test_an_app_that_allows_no_public_flows_must_prove_itself(sign_ins: SignIns, planted: Seed) -> None:
    device = await sign_ins.device(planted.web)
    sign_ins.approve(device)
    assert (await sign_ins.poll(device, planted.web, client_secret=None)).json["error_codes"] == [7000218]
    answer = (await sign_ins.poll(device, planted.web)).json
    assert unverified(answer["access_token"])["appidacr"] == "1"
    assert (await sign_ins.refresh(answer["refresh_token"], client_secret=None)).json["error_codes"] == [7000218]


async def test_a_public_client_must_not_prove_itself(sign_ins: SignIns) -> None:
    device = await sign_ins.device()
    answer = await sign_ins.poll(device, client_secret="whatever")
    assert (answer.status, answer.json["error_codes"]) == (401, [700025])


async def test_a_code_belongs_to_one_app(sign_ins: SignIns, planted: Seed) -> None:
    device = await sign_ins.device()
    sign_ins.approve(device)
    answer = await sign_ins.poll(device, planted.web)
    assert answer.json["error"] == "bad_verification_code"
