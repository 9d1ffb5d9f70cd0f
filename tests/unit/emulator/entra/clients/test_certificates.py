"""Client assertions that an app signs with its certificate."""

import hashlib
from typing import Any

import pytest

from pillarbox.emulator import App, Emulator
from pillarbox.emulator.seed import Seed
from tests.unit.emulator.conftest import NOON, Client, Reply
from tests.unit.emulator.entra.app_key import AppKey, encode
from tests.unit.emulator.entra.sign_ins import unverified

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def app(planted: Seed, app_key: AppKey) -> App:
    """An app whose only credential is a certificate."""
    planted.gateway.secrets.clear()
    planted.gateway.certificates = [app_key.credential]
    return planted.gateway


def claims_of(app: App, emulator: Emulator, tenant: str, **changes: Any) -> dict[str, Any]:
    """What an assertion says; changes replace claims, None takes one away."""
    claims = {
        "aud": f"{emulator.url}/{tenant}/oauth2/v2.0/token",
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": "0c0ffee0-0000-4000-8000-000000000000",
        "nbf": NOON,
        "iat": NOON,
        "exp": NOON + 600,
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


async def ask(client: Client, app: App, assertion: str, **fields: Any) -> Reply:
    form = {"client_secret": None, "client_assertion": assertion, "client_assertion_type": JWT_BEARER}
    return await client.ask_token(app, **(form | fields))


def headers(key: AppKey) -> list[tuple[str, dict[str, str]]]:
    sha1, sha256 = hashlib.sha1(key.der).digest(), hashlib.sha256(key.der).digest()
    padded = encode(sha1) + "=" * (-len(encode(sha1)) % 4)
    return [
        ("PS256", {"x5t#S256": encode(sha256)}),
        ("PS256", {"x5t#S256": encode(sha256) + "="}),
        ("RS256", {"x5t": encode(sha1)}),
        ("RS256", {"x5t": padded}),
        ("RS256", {"x5t#S256": encode(sha256), "x5t": "ignored"}),
    ]


@pytest.mark.parametrize("form", range(5))
async def test_both_algorithms_and_thumbprints_are_good(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, form: int
) -> None:
    algorithm, header = headers(app_key)[form]
    claims = claims_of(app, emulator, client.planted.tenant.id)
    answer = await ask(client, app, app_key.sign(claims, algorithm, **header))
    assert unverified(answer.json["access_token"])["appidacr"] == "2"


@pytest.mark.parametrize(
    "path", ["{id}/oauth2/v2.0/token", "{id}/oauth2/token", "contoso.example/oauth2/v2.0/token", "{id}/v2.0"]
)
async def test_the_audience_is_the_token_endpoint_by_any_name(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, path: str
) -> None:
    tenant = client.planted.tenant.id
    claims = claims_of(app, emulator, tenant, aud=f"{emulator.url}/{path.format(id=tenant)}")
    assert (await ask(client, app, app_key.sign(claims))).status == 200


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"sub": "other"}, 50048),
        ({"iss": "other"}, 50048),
        ({"iss": "other", "sub": "other"}, 50048),
        ({"iss": None, "sub": None}, 50048),
        ({"sub": ["{client_id}"]}, 50048),
        ({"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 50027),
        ({"aud": None}, 50027),
        ({"aud": {"a": 1}}, 50027),
        ({"exp": None}, 50027),
        ({"exp": "soon"}, 50027),
        ({"exp": True}, 50027),
        ({"exp": float("inf")}, 50027),
        ({"exp": 10**400}, 50027),
        ({"exp": NOON - 300}, 700024),
        ({"nbf": NOON + 301}, 700024),
    ],
)
async def test_wrong_claims(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, changes: dict[str, Any], number: int
) -> None:
    claims = claims_of(app, emulator, client.planted.tenant.id, **changes)
    assert (await ask(client, app, app_key.sign(claims))).json["error_codes"] == [number]


@pytest.mark.parametrize("changes", [{"exp": NOON - 299}, {"nbf": NOON + 300}, {"nbf": None}, {"jti": None}])
async def test_five_minutes_of_skew_are_borne(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, changes: dict[str, Any]
) -> None:
    claims = claims_of(app, emulator, client.planted.tenant.id, **changes)
    assert (await ask(client, app, app_key.sign(claims))).status == 200


async def test_a_stranger_certificate_is_refused(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, other_key: AppKey
) -> None:
    claims = claims_of(app, emulator, client.planted.tenant.id)
    stranger = other_key.sign(claims)
    liar = other_key.sign(claims, **{"x5t#S256": encode(hashlib.sha256(app_key.der).digest())})
    with_x5c = other_key.sign(claims, x5c=[other_key.public_pem], x5t="?")
    for assertion in (stranger, liar, with_x5c):
        answer = await ask(client, app, assertion)
        assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (401, "invalid_client", [700027])


@pytest.mark.parametrize("dates", [(0.0, NOON), (NOON + 1, 1e12)])
async def test_a_certificate_has_its_time(
    client: Client, emulator: Emulator, app: App, app_key: AppKey, dates: tuple[float, float]
) -> None:
    credential = app.certificates[0]
    app.certificates = [type(credential)(credential.id, credential.certificate, *dates)]
    answer = await ask(client, app, app_key.sign(claims_of(app, emulator, client.planted.tenant.id)))
    assert answer.json["error_codes"] == [700027]


async def test_a_header_without_thumbprint_is_refused(
    client: Client, emulator: Emulator, app: App, app_key: AppKey
) -> None:
    claims = claims_of(app, emulator, client.planted.tenant.id)
    assert (await ask(client, app, app_key.sign(claims, kid="1"))).json["error_codes"] == [50027]


async def test_the_kind_of_assertion_is_named(client: Client, emulator: Emulator, app: App, app_key: AppKey) -> None:
    assertion = app_key.sign(claims_of(app, emulator, client.planted.tenant.id))
    assert (await ask(client, app, assertion, client_assertion_type=None)).json["error_codes"] == [900144]
    assert (await ask(client, app, assertion, client_assertion_type="saml")).json["error_codes"] == [90100]


async def test_secret_and_assertion_together_are_refused(
    client: Client, emulator: Emulator, app: App, app_key: AppKey
) -> None:
    secret = emulator.world.add_secret(app)
    assertion = app_key.sign(claims_of(app, emulator, client.planted.tenant.id))
    assert (await ask(client, app, assertion, client_secret=secret)).json["error_codes"] == [90023]


async def test_a_public_client_has_nothing_to_prove_itself_with(client: Client, planted: Seed) -> None:
    answer = await client.ask_token(planted.desktop, client_secret="x")
    assert answer.json["error_codes"] == [700025]


async def test_a_registration_with_something_else_than_a_certificate(
    client: Client, emulator: Emulator, app: App, app_key: AppKey
) -> None:
    app.certificates = [type(app_key.credential)("1", b"no certificate", 0.0, 1e12)]
    thumbprint = encode(hashlib.sha256(b"no certificate").digest())
    assertion = app_key.sign(claims_of(app, emulator, client.planted.tenant.id), **{"x5t#S256": thumbprint})
    assert (await ask(client, app, assertion)).json["error_codes"] == [700027]
