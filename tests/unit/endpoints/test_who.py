"""Who asks at the HTTP listener: a key in its one place, refusals that tell nothing, and how much may be asked."""

import pytest

from pillarbox.core.caller import Scope
from tests.conftest import House, MakeHouse
from tests.http_api import Answer, ask, make_key

PATH = "/api/v1/status"


async def asked(house: House, given: str, path: str = PATH) -> Answer:
    """With this in the Authorization field."""
    return await ask(house, "GET", path, headers={"Authorization": given})


async def test_a_key_comes_in_whatever_case_its_scheme_is_in(house: House) -> None:
    key = await make_key(house)
    answers = [await asked(house, f"{scheme} {key}") for scheme in ("Bearer", "bearer", "BEARER")]
    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_a_key_in_the_url_or_in_a_cookie_is_none(house: House) -> None:
    key = await make_key(house)
    for path in (f"{PATH}?access_token={key}", f"{PATH}?key={key}&authorization=Bearer%20{key}"):
        answer = await ask(house, "GET", path)
        assert (answer.status, answer.code) == (401, "access.no_credentials")
    answer = await ask(house, "GET", PATH, headers={"Cookie": f"key={key}"})
    assert answer.code == "access.no_credentials"


async def test_every_key_that_is_not_good_is_refused_alike(house: House) -> None:
    good = await make_key(house)
    await make_key(house, "off", enabled=False)
    off, secret = await house.gateway.keys.rotate("off")
    answers = [
        await asked(house, given)
        for given in (
            f"Bearer {secret.reveal()}",
            f"Bearer pbx_{off.id}_" + "A" * 43,
            "Bearer",
            f"Basic {good}",
            good,
            f"Bearer {good} {good}",
        )
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(401, "access.bad_key")}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert len({answer.json["title"] + answer.json["hint"] for answer in answers}) == 1


async def test_no_refusal_and_no_log_line_bears_the_key(house: House) -> None:
    key = await make_key(house)
    await house.gateway.keys.remove("crm")
    answer = await asked(house, f"Bearer {key}")
    assert key not in answer.text + repr(answer.headers) + house.log.getvalue()


async def test_who_is_banned_is_told_when_it_is_over(house: House) -> None:
    answers = [await asked(house, "Bearer wrong") for _ in range(12)]
    assert [answer.code for answer in answers[9:11]] == ["access.bad_key", "access.banned"]
    assert answers[-1].headers["retry-after"] == "600"


async def test_a_key_from_the_wrong_network_is_told_so(house: House) -> None:
    key = await make_key(house, networks=["192.0.2.0/24"])
    answer = await ask(house, "GET", PATH, key=key)
    assert (answer.status, answer.code) == (403, "access.wrong_network")


async def test_a_proxy_that_is_trusted_says_where_a_key_comes_from(make_house: MakeHouse) -> None:
    house = await make_house({"http.trusted_proxies": "127.0.0.0/8"})
    key = await make_key(house, networks=["192.0.2.0/24"])
    for client, status in (("192.0.2.7", 200), ("198.51.100.7", 403)):
        headers = {"X-Forwarded-For": client, "X-Forwarded-Proto": "https"}
        assert (await ask(house, "GET", PATH, key=key, headers=headers)).status == status


@pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_a_key_for_this_machine_does_not_come_in_by_a_proxy_on_it_that_nobody_trusts(
    house: House, field: str
) -> None:
    key = await make_key(house, networks=["127.0.0.0/8"])
    assert (await ask(house, "GET", PATH, key=key)).status == 200
    answer = await ask(house, "GET", PATH, key=key, headers={field: "198.51.100.7"})
    assert (answer.status, answer.code) == (403, "access.wrong_network")


async def test_a_key_that_lacks_the_scope_is_refused_by_its_name(house: House) -> None:
    key = await make_key(house, scopes=[Scope.SEND])
    answer = await ask(house, "GET", PATH, key=key)
    assert (answer.status, answer.code) == (403, "access.no_scope")
    assert "outbox.read" in answer.json["title"]


async def test_one_request_too_many_is_told_when_to_come_again(make_house: MakeHouse) -> None:
    now = [1_800_000_000.0]
    house = await make_house(clock=lambda: now[0])
    key, other = await make_key(house, rate=2), await make_key(house, "other")
    answers = [await ask(house, "GET", PATH, key=key) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].code == "access.too_many"
    assert answers[2].headers["retry-after"] == "30"
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"requests";r=1;t=30',
        '"requests";r=0;t=30',
        '"requests";r=0;t=30',
    ]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=2;w=60'
    assert (await ask(house, "GET", PATH, key=other)).headers["ratelimit-policy"] == '"requests";q=600;w=60'
    now[0] += 30
    assert (await ask(house, "GET", PATH, key=key)).status == 200


async def test_refusals_of_a_key_say_how_it_stands_too(house: House) -> None:
    key = await make_key(house, scopes=[Scope.SEND])
    assert (await ask(house, "GET", PATH, key=key)).headers["ratelimit"].startswith('"requests";r=599;')
    assert (await ask(house, "GET", "/api/v1/sends/none", key=key)).headers["ratelimit"].startswith('"requests";r=598;')


@pytest.mark.parametrize("rate", ["0", "2"])
async def test_the_setting_bounds_keys_without_a_rate_and_0_is_no_bound(make_house: MakeHouse, rate: str) -> None:
    house = await make_house({"http.rate": rate})
    key = await make_key(house)
    answers = [await ask(house, "GET", PATH, key=key) for _ in range(3)]
    assert [answer.status for answer in answers] == ([200] * 3 if rate == "0" else [200, 200, 429])
    assert ("ratelimit" in answers[0].headers) == (rate != "0")


async def test_a_key_that_is_refused_is_in_the_audit_log_and_what_is_no_key_is_not(house: House) -> None:
    key = await make_key(house, networks=["192.0.2.0/24"])
    await ask(house, "GET", PATH, key=key)
    await ask(house, "GET", PATH, key=key)
    await house.gateway.keys.change("crm", {"enabled": False})
    await ask(house, "GET", PATH, key=key + "x")
    await house.gateway.audit.close()
    rows = [row for row in await house.gateway.audit.list(limit=10) if row.action == "use_key"]
    assert [(row.actor_name, row.outcome, row.code) for row in rows] == [("crm", "refused", "access.wrong_network")]
