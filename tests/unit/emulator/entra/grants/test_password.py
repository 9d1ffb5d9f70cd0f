"""The password grant: who can still use it, and the lock-out."""

import pytest

from pillarbox.emulator.entra.lockout import ATTEMPTS, SECONDS
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Clock
from tests.unit.emulator.entra.sign_ins import SignIns, unverified


async def test_name_and_password_give_tokens(sign_ins: SignIns, planted: Seed) -> None:
    answer = (await sign_ins.password()).json
    claims = unverified(answer["access_token"])
    assert (claims["oid"], claims["amr"]) == (planted.user("alice").id, ["pwd"])
    assert answer.keys() >= {"refresh_token", "id_token", "scope"}


async def test_v1_names_a_resource(sign_ins: SignIns) -> None:
    answer = await sign_ins.password(v1=True, scope="openid", resource="https://graph.microsoft.com")
    assert (answer.json["expires_in"], answer.json["resource"]) == ("3599", "https://graph.microsoft.com")
    assert answer.json["id_token"]


async def test_the_name_is_the_upn_in_any_case(sign_ins: SignIns, planted: Seed) -> None:
    planted.user("alice").aliases.append("al@contoso.example")
    password = planted.passwords["alice@contoso.example"]
    assert (await sign_ins.password("Alice@CONTOSO.example", password=password)).status == 200
    assert (await sign_ins.password("al@contoso.example", password=password)).json["error_codes"] == [50034]


async def test_a_confidential_client_gives_its_secret_too(sign_ins: SignIns, planted: Seed) -> None:
    answer = await sign_ins.password("alice", planted.web)
    assert unverified(answer.json["access_token"])["appidacr"] == "1"
    assert (await sign_ins.password("alice", planted.web, client_secret=None)).json["error_codes"] == [7000218]


@pytest.mark.parametrize("wrong", ["x", " {} ", "{} ", "пароль"])
async def test_wrong_passwords(sign_ins: SignIns, planted: Seed, wrong: str) -> None:
    password = wrong.format(planted.passwords["alice@contoso.example"])
    answer = await sign_ins.password(password=password)
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (400, "invalid_grant", [50126])


async def test_the_answer_does_not_tell_name_from_password(sign_ins: SignIns) -> None:
    text = (await sign_ins.password(password="x")).json["error_description"]
    assert "alice" not in text


async def test_a_federated_account_has_no_password_in_the_cloud(sign_ins: SignIns, planted: Seed) -> None:
    planted.user("alice").federated = True
    assert (await sign_ins.password()).json["error_codes"] == [50126]


async def test_an_account_without_password_cannot(sign_ins: SignIns, planted: Seed) -> None:
    planted.user("alice").password = None
    assert (await sign_ins.password(password="x")).json["error_codes"] == [50126]


async def test_ten_wrong_passwords_close_the_account_for_a_minute(sign_ins: SignIns, clock: Clock) -> None:
    for _ in range(ATTEMPTS):
        assert (await sign_ins.password(password="x")).json["error_codes"] == [50126]
    assert (await sign_ins.password()).json["error_codes"] == [50053]
    assert (await sign_ins.password("bob")).status == 200
    clock.now += SECONDS
    assert (await sign_ins.password()).status == 200


async def test_the_right_password_starts_the_count_anew(sign_ins: SignIns) -> None:
    for _ in range(2):
        for _ in range(ATTEMPTS - 1):
            await sign_ins.password(password="x")
        assert (await sign_ins.password()).status == 200


async def test_a_second_factor_cannot_be_given(sign_ins: SignIns, planted: Seed) -> None:
    planted.user("alice").second_factor = "enrolled"
    answer = (await sign_ins.password()).json
    assert (answer["error_codes"], answer["suberror"]) == ([50076], "basic_action")
    assert "capolids" in answer["claims"]
    planted.user("alice").second_factor = "demanded"
    assert (await sign_ins.password()).json["error_codes"] == [50079]


async def test_without_consent_there_is_no_token(sign_ins: SignIns, planted: Seed) -> None:
    planted.tenant.grants.clear()
    answer = (await sign_ins.password()).json
    assert (answer["error_codes"], answer["suberror"]) == ([65001], "consent_required")
