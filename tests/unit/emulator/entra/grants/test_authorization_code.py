"""The authorization code grant: what a code is good for, and how often."""

import hashlib
from typing import Any

import jwt
import pytest

from pillarbox.emulator import Emulator
from pillarbox.emulator.entra.claims import pairwise
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Client, Clock
from tests.unit.emulator.entra.app_key import encode
from tests.unit.emulator.entra.sign_ins import EXCHANGE_MAIL, MAIL, SignIns, unverified

VERIFIER = "v" * 43
CHALLENGE = encode(hashlib.sha256(VERIFIER.encode()).digest())
LOOPBACK = "http://localhost:49152"


async def test_a_code_gives_all_tokens(sign_ins: SignIns, planted: Seed) -> None:
    answer = (await sign_ins.redeem(sign_ins.code())).json
    assert answer["expires_in"] == 3599
    assert answer["refresh_token"].startswith("1.A")
    assert 800 < len(answer["refresh_token"]) < 1500
    claims, alice = unverified(answer["access_token"]), planted.user("alice")
    assert (claims["oid"], claims["upn"], claims["appidacr"]) == (alice.id, alice.upn, "1")
    assert claims["sub"] == pairwise(alice, planted.web.client_id)
    assert unverified(answer["id_token"])["nonce"] == "number once"


async def test_a_token_has_all_that_was_consented_to_on_its_resource(sign_ins: SignIns) -> None:
    answer = (await sign_ins.redeem(sign_ins.code())).json
    claims = unverified(answer["access_token"])
    assert set(claims["scp"].split()) == {"User.Read", "Mail.Send", "Mail.ReadWrite", "openid", "profile", "email"}
    assert MAIL in answer["scope"].split()
    assert "offline_access" not in answer["scope"]


async def test_short_names_come_back_short(sign_ins: SignIns) -> None:
    answer = (await sign_ins.redeem(sign_ins.code(scope="Mail.Send openid"))).json
    assert {"Mail.Send", "openid"} <= set(answer["scope"].split())


async def test_the_default_scope_comes_back(sign_ins: SignIns) -> None:
    answer = (await sign_ins.redeem(sign_ins.code(scope="https://graph.microsoft.com/.default"))).json
    assert {"https://graph.microsoft.com/.default", MAIL} <= set(answer["scope"].split())


async def test_only_what_was_asked_for_is_given_along(sign_ins: SignIns) -> None:
    answer = (await sign_ins.redeem(sign_ins.code(scope=MAIL))).json
    assert answer.keys() == {"token_type", "expires_in", "ext_expires_in", "scope", "access_token"}


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("openid", set[str]()),
        ("openid email", {"email"}),
        ("openid profile", {"name", "oid", "preferred_username"}),
        ("openid profile email", {"name", "oid", "preferred_username", "email"}),
    ],
)
async def test_the_id_token_tells_what_the_scopes_ask_for(sign_ins: SignIns, scope: str, told: set[str]) -> None:
    token = (await sign_ins.redeem(sign_ins.code(scope=f"{scope} {MAIL}"))).json["id_token"]
    usual = {"aud", "exp", "iat", "iss", "nbf", "nonce", "rh", "sub", "tid", "uti", "ver"}
    assert unverified(token).keys() == usual | told
    assert jwt.get_unverified_header(token).keys() == {"typ", "alg", "kid"}


async def test_the_id_token_names_app_roles_and_groups_where_the_app_wants_them(
    sign_ins: SignIns, planted: Seed, emulator: Emulator
) -> None:
    alice, web = planted.user("alice"), planted.web

    async def told() -> dict[str, Any]:
        claims = unverified((await sign_ins.redeem(sign_ins.code(scope=f"openid {MAIL}"))).json["id_token"])
        return {name: claims[name] for name in ("roles", "groups", "hasgroups", "_claim_names") if name in claims}

    group = emulator.world.add_group(planted.tenant, "Team", [alice])
    web.app_roles = {"Read": {group.id}, "Write": {planted.user("bob").id}}
    assert await told() == {"roles": ["Read"]}
    web.names_groups = True
    assert await told() == {"roles": ["Read"], "groups": [group.id]}
    for number in range(200):
        emulator.world.add_group(planted.tenant, f"Group {number}", [alice])
    assert await told() == {"roles": ["Read"], "_claim_names": {"groups": "src1"}}


async def test_an_id_token_of_version_1_has_names_of_its_own(sign_ins: SignIns) -> None:
    code = sign_ins.code(scope="openid https://graph.microsoft.com/.default")
    answer = (await sign_ins.redeem(code, v1=True, resource="https://graph.microsoft.com")).json
    claims = unverified(answer["id_token"])
    upn = "alice@contoso.example"
    assert (claims["ver"], claims["upn"], claims["unique_name"], claims["name"]) == ("1.0", upn, upn, "Alice")
    assert not {"preferred_username", "email"} & claims.keys()
    for token in (answer["id_token"], answer["access_token"]):
        header = jwt.get_unverified_header(token)
        assert header["x5t"] == header["kid"]


async def test_client_info_is_for_those_who_ask(sign_ins: SignIns, planted: Seed) -> None:
    answer = (await sign_ins.redeem(sign_ins.code(), client_info="1")).json
    assert unverified(f"e30.{answer['client_info']}.") == {"uid": planted.user("alice").id, "utid": planted.tenant.id}


@pytest.mark.parametrize(
    ("scope", "audience"),
    [(MAIL, "https://graph.microsoft.com"), (EXCHANGE_MAIL, "https://outlook.office.com")],
)
async def test_a_code_for_two_resources_gives_a_token_for_the_one_that_is_named(
    sign_ins: SignIns, scope: str, audience: str
) -> None:
    code = sign_ins.code(scope=f"{MAIL} {EXCHANGE_MAIL} offline_access")
    answer = (await sign_ins.redeem(code, scope=scope)).json
    assert unverified(answer["access_token"])["aud"] == audience
    assert scope in answer["scope"].split()


async def test_the_first_resource_is_meant_if_none_is_named(sign_ins: SignIns) -> None:
    answer = (await sign_ins.redeem(sign_ins.code(scope=f"{EXCHANGE_MAIL} {MAIL}"))).json
    assert unverified(answer["access_token"])["aud"] == "https://outlook.office.com"
    assert (await sign_ins.redeem(sign_ins.code(scope=EXCHANGE_MAIL), scope="openid")).json["scope"] == (
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send"
    )


async def test_a_code_can_be_redeemed_once(sign_ins: SignIns) -> None:
    code = sign_ins.code()
    assert (await sign_ins.redeem(code)).status == 200
    assert (await sign_ins.redeem(code)).json["error_codes"] == [54005]


async def test_a_code_lives_ten_minutes(sign_ins: SignIns, clock: Clock) -> None:
    code, late = sign_ins.code(), sign_ins.code()
    clock.now += 599
    assert (await sign_ins.redeem(code)).status == 200
    clock.now += 1
    assert (await sign_ins.redeem(late)).json["error_codes"] == [70008]


@pytest.mark.parametrize(("challenge", "method"), [(CHALLENGE, "S256"), (VERIFIER, "plain"), (VERIFIER, None)])
async def test_the_verifier_must_fit_the_challenge(sign_ins: SignIns, challenge: str, method: str | None) -> None:
    code = sign_ins.code(challenge=challenge, method=method)
    for wrong in ("w" * 43, None, "", CHALLENGE if method else "x"):
        if wrong != challenge or method == "S256":
            assert (await sign_ins.redeem(code, code_verifier=wrong)).json["error_codes"] == [501481]
    assert (await sign_ins.redeem(code, code_verifier=VERIFIER)).status == 200


async def test_a_verifier_without_a_challenge_is_refused(sign_ins: SignIns) -> None:
    assert (await sign_ins.redeem(sign_ins.code(), code_verifier=VERIFIER)).json["error_codes"] == [501481]


async def test_a_public_client_proves_nothing(sign_ins: SignIns, planted: Seed) -> None:
    code = sign_ins.code(planted.desktop, redirect_uri=LOOPBACK)
    answer = await sign_ins.redeem(code, planted.desktop)
    assert unverified(answer.json["access_token"])["appidacr"] == "0"


async def test_a_page_redeems_from_its_origin(sign_ins: SignIns, planted: Seed, client: Client) -> None:
    planted.web.spa_redirect_uris.append("https://spa.contoso.example/")
    code = sign_ins.code(redirect_uri="https://spa.contoso.example/")
    form = {"grant_type": "authorization_code", "client_id": planted.web.client_id, "code": code.value}
    form |= {"redirect_uri": code.redirect_uri}
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    assert (await client.request("POST", path, data=form)).json["error_codes"] == [9002327]
    headers = {"Origin": "https://spa.contoso.example"}
    answer = await client.request("POST", path, data=form, headers=headers)
    assert answer.status == 200


async def test_v1_gives_strings_and_a_refresh_token_unasked(sign_ins: SignIns, emulator: Emulator) -> None:
    code = sign_ins.code(scope="openid https://graph.microsoft.com/.default")
    answer = (await sign_ins.redeem(code, v1=True, resource="https://graph.microsoft.com/")).json
    assert (answer["expires_in"], answer["resource"]) == ("3599", "https://graph.microsoft.com/")
    assert "Mail.Send" in answer["scope"].split()
    assert answer["refresh_token"]
    assert unverified(answer["access_token"])["aud"] == "https://graph.microsoft.com/"
    assert unverified(answer["id_token"])["iss"] == f"https://sts.windows.net/{sign_ins.seed.tenant.id}/"
