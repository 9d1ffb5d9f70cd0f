"""Refresh tokens: they rotate, serve every resource, and die in many ways."""

from collections.abc import Callable

import pytest

from pillarbox.emulator.entra import refresh_tokens
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import Clock
from tests.unit.emulator.entra.sign_ins import EXCHANGE_MAIL, MAIL, SignIns, unverified

DAY = 86400.0


async def test_each_refresh_gives_the_next_token_and_the_old_one_stays_good(sign_ins: SignIns) -> None:
    first = await sign_ins.refresh_token()
    second = (await sign_ins.refresh(first)).json["refresh_token"]
    assert second != first
    assert (await sign_ins.refresh(first)).status == (await sign_ins.refresh(second)).status == 200


async def test_one_token_serves_every_resource(sign_ins: SignIns) -> None:
    token = await sign_ins.refresh_token()
    answer = (await sign_ins.refresh(token, scope=EXCHANGE_MAIL)).json
    claims = unverified(answer["access_token"])
    assert (claims["aud"], claims["scp"]) == ("https://outlook.office.com", "IMAP.AccessAsUser.All SMTP.Send")
    again = (await sign_ins.refresh(answer["refresh_token"], scope=MAIL)).json
    assert unverified(again["access_token"])["aud"] == "https://graph.microsoft.com"


async def test_without_a_scope_the_resource_stays(sign_ins: SignIns) -> None:
    token = await sign_ins.refresh_token(f"offline_access {EXCHANGE_MAIL}")
    assert unverified((await sign_ins.refresh(token)).json["access_token"])["aud"] == "https://outlook.office.com"


async def test_v1_names_the_resource(sign_ins: SignIns) -> None:
    token = await sign_ins.refresh_token()
    answer = (await sign_ins.refresh(token, v1=True, resource="https://outlook.office365.com")).json
    assert (answer["resource"], answer["expires_in"]) == ("https://outlook.office365.com", "3599")


async def test_ninety_days_without_use_end_it(sign_ins: SignIns, clock: Clock) -> None:
    first = await sign_ins.refresh_token()
    clock.now += 89 * DAY
    second = (await sign_ins.refresh(first)).json["refresh_token"]
    clock.now += 2 * DAY
    assert (await sign_ins.refresh(first)).json["error_codes"] == [700082]
    assert (await sign_ins.refresh(second)).status == 200


async def test_a_page_has_one_day_from_the_sign_in(sign_ins: SignIns, planted: Seed, clock: Clock) -> None:
    store, scopes = sign_ins.emulator.authority.refresh_tokens, sign_ins.code().scopes
    facts = {"client_id": planted.web.client_id, "tenant_id": planted.tenant.id}
    token = store.add(
        **facts,
        user_id=planted.user("alice").id,
        scopes=scopes,
        platform="spa",
        signed_in=clock.now - DAY + 1,
        now=clock.now,
    )
    headers = {"Origin": "https://spa.contoso.example"}
    form = {"grant_type": "refresh_token", "client_id": planted.web.client_id, "refresh_token": token.value}
    path = f"/{planted.tenant.id}/oauth2/v2.0/token"
    answer = await sign_ins.client.request("POST", path, data=form, headers=headers)
    form["refresh_token"] = answer.json["refresh_token"]
    clock.now += 1
    assert (await sign_ins.client.request("POST", path, data=form, headers=headers)).json["error_codes"] == [700084]


Change = Callable[[Seed, float], object]


def revoke(seed: Seed, now: float) -> None:
    seed.user("alice").sessions_valid_from = now + 1


def disable(seed: Seed, now: float) -> None:
    seed.user("alice").enabled = False


def delete(seed: Seed, now: float) -> None:
    del seed.tenant.users[seed.user("alice").id]


def withdraw(seed: Seed, now: float) -> None:
    seed.tenant.grants.clear()


def forbid(seed: Seed, now: float) -> None:
    seed.user("alice").refusal = 53003


@pytest.mark.parametrize(
    ("change", "number"), [(revoke, 50173), (disable, 50057), (delete, 50034), (withdraw, 65001), (forbid, 53003)]
)
async def test_what_happened_since_counts(sign_ins: SignIns, planted: Seed, change: Change, number: int) -> None:
    token = await sign_ins.refresh_token()
    change(planted, sign_ins.clock.now)
    answer = await sign_ins.refresh(token)
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (400, "invalid_grant", [number])


async def test_a_later_sign_in_is_not_revoked(sign_ins: SignIns, planted: Seed) -> None:
    revoke(planted, sign_ins.clock.now)
    sign_ins.clock.now += 1
    assert (await sign_ins.refresh(await sign_ins.refresh_token())).status == 200


async def test_it_belongs_to_one_app(sign_ins: SignIns, planted: Seed) -> None:
    token = await sign_ins.refresh_token()
    assert (await sign_ins.refresh(token, planted.setup)).json["error_codes"] == [70000]


async def test_a_web_app_must_prove_itself_again(sign_ins: SignIns) -> None:
    token = await sign_ins.refresh_token()
    answer = await sign_ins.refresh(token, client_secret=None)
    assert (answer.status, answer.json["error_codes"]) == (401, [7000218])


def test_the_oldest_tokens_are_forgotten(sign_ins: SignIns, planted: Seed) -> None:
    store = refresh_tokens.RefreshTokens(lambda size: next(numbers).to_bytes(size, "big"))
    numbers = iter(range(1_000_000))
    scopes = sign_ins.code().scopes
    facts = {"client_id": "a", "tenant_id": "t", "user_id": "u"}
    first = store.add(**facts, scopes=scopes, platform="web", signed_in=0.0, now=0.0)
    last = first
    for _ in range(refresh_tokens.MAX_TOKENS):
        last = store.rotate(last, scopes, 1.0)
    assert store.find(first.value) is None
    assert store.find(last.value) is last
