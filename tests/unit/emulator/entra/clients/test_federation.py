"""Tokens of another issuer in place of a secret: compared letter by letter, and verified."""

from typing import Any

import pytest

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import FederatedCredential
from tests.unit.emulator.conftest import NOON, Client
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.entra.clients.test_certificates import ask
from tests.unit.emulator.entra.sign_ins import unverified

ISSUER = "https://oidc.cluster.example/"
SUBJECT = "system:serviceaccount:mail:gateway"
AUDIENCE = "api://AzureADTokenExchange"
CLAIMS = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "exp": NOON + 600, "nbf": NOON}


@pytest.fixture
def app(planted: Seed, emulator: Emulator, app_key: AppKey) -> App:
    planted.gateway.federated = [FederatedCredential("1", "cluster", ISSUER, SUBJECT, [AUDIENCE])]
    emulator.world.issuers[ISSUER] = app_key.key_set()
    return planted.gateway


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
async def test_a_described_token_stands_for_a_secret(client: Client, app: App, app_key: AppKey, audience: Any) -> None:
    answer = await ask(client, app, app_key.sign(CLAIMS | {"aud": audience}, "RS256", kid="1"))
    assert unverified(answer.json["access_token"])["appidacr"] == "2"


async def test_a_token_without_key_id_is_tried_with_all_keys(client: Client, app: App, app_key: AppKey) -> None:
    assert (await ask(client, app, app_key.sign(CLAIMS, "RS256", typ="JWT"))).status == 200


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"iss": ISSUER.rstrip("/")}, 70021),
        ({"iss": ISSUER.upper()}, 70021),
        ({"aud": AUDIENCE.lower()}, 70021),
        ({"aud": []}, 70021),
        ({"aud": {"a": 1}}, 70021),
        ({"sub": "system:serviceaccount:mail:other"}, 700213),
        ({"sub": SUBJECT.upper()}, 7002138),
        ({"sub": 1}, 700213),
        ({"exp": NOON - 300}, 700024),
        ({"nbf": NOON + 301}, 700024),
    ],
)
async def test_other_tokens_are_refused(
    client: Client, app: App, app_key: AppKey, changes: dict[str, Any], number: int
) -> None:
    answer = await ask(client, app, app_key.sign(CLAIMS | changes, "RS256", kid="1"))
    assert answer.json["error_codes"] == [number]


async def test_the_refusal_names_what_was_presented(client: Client, app: App, app_key: AppKey) -> None:
    answer = await ask(client, app, app_key.sign(CLAIMS | {"sub": "nobody"}, "RS256", kid="1"))
    text = answer.json["error_description"]
    assert all(each in text for each in (ISSUER, "nobody", AUDIENCE))


async def test_a_forged_token_is_refused(client: Client, app: App, app_key: AppKey, other_key: AppKey) -> None:
    forged = [other_key.sign(CLAIMS, "RS256", kid="1"), app_key.sign(CLAIMS, "RS256", kid="2")]
    forged.append(app_key.sign(CLAIMS, "PS256", kid="1"))
    for token in forged:
        assert (await ask(client, app, token)).json["error_codes"] == [50027]


async def test_an_issuer_without_known_keys_is_refused(
    client: Client, app: App, emulator: Emulator, app_key: AppKey
) -> None:
    emulator.world.issuers.clear()
    answer = (await ask(client, app, app_key.sign(CLAIMS, "RS256", kid="1"))).json
    assert answer["error_codes"] == [50027]
    assert f"knows no keys of issuer '{ISSUER}'" in answer["error_description"]
    assert "/_emulator/issuers" in answer["error_description"]


async def test_keys_can_be_given_to_a_running_emulator(
    client: Client, app: App, emulator: Emulator, app_key: AppKey
) -> None:
    emulator.world.issuers.clear()
    given = {"issuer": ISSUER, "jwks": app_key.key_set()}
    answer = await client.request("PUT", "/_emulator/issuers", json=given)
    assert answer.json == {ISSUER: app_key.key_set()}
    assert (await ask(client, app, app_key.sign(CLAIMS, "RS256", kid="1"))).status == 200


async def test_an_app_without_federated_credential_takes_none(
    client: Client, app: App, planted: Seed, app_key: AppKey
) -> None:
    answer = await ask(client, planted.reader, app_key.sign(CLAIMS, "RS256", kid="1"))
    assert answer.json["error_codes"] == [70021]
