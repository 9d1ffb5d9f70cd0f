"""Access tokens, judged by PyJWT: signature by the published keys, claims, length; and what Graph refuses."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pillarbox.emulator import App, Emulator, SigningKey
from pillarbox.emulator.entra.tokens import TokenRefused, Tokens
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import GRAPH
from tests.unit.emulator.conftest import Client, Clock, Reply
from tests.unit.emulator.entra.sign_ins import odd_kid, unverified


async def checked(client: Client, app: App | None = None) -> Any:
    """The claims, verified by PyJWT against the published key set."""
    token = await client.token(app)
    keys = jwt.PyJWKSet.from_dict((await client.request("GET", "/common/discovery/v2.0/keys")).json)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=GRAPH.identifiers[0],
        # The emulator's clock stands still: its tokens are of another day.
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )


async def test_claims_of_an_app_only_token(client: Client, planted: Seed, clock: Clock) -> None:
    claims, app = await checked(client), planted.gateway
    assert claims["iss"] == f"https://sts.windows.net/{planted.tenant.id}/"
    assert claims["appid"] == app.client_id
    assert app.principal
    assert claims["oid"] == claims["sub"] == app.principal.id != app.object_id
    assert (claims["ver"], claims["idtyp"], claims["appidacr"]) == ("1.0", "app", "1")
    assert claims["exp"] - claims["iat"] == 3599
    assert claims["iat"] == claims["nbf"] == int(clock.now)


async def test_roles_are_the_consented_ones(client: Client) -> None:
    assert (await checked(client))["roles"] == ["Mail.Send"]


async def test_without_consent_there_are_no_roles(client: Client, planted: Seed) -> None:
    assert "roles" not in await checked(client, planted.unconsented)


async def test_tokens_are_as_long_as_real_ones(client: Client) -> None:
    assert 1500 <= len(await client.token()) <= 2500


async def test_no_two_tokens_are_equal(client: Client) -> None:
    assert await client.token() != await client.token()


async def test_lifetime_and_length_can_be_chosen(planted: Seed, signing_key: SigningKey) -> None:
    tokens = Tokens(signing_key, secrets.token_bytes, lifetime=60, padding=lambda: 4000)
    principal = planted.gateway.principal
    assert principal
    token = tokens.app_token(planted.tenant, principal, GRAPH, GRAPH.identifiers[0], 0.0, "secret")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["nbf"] == 60
    assert len(token) > 6000


async def test_longer_tokens_are_given_on_request(client: Client, emulator: Emulator) -> None:
    usual = len(await client.token())
    for added in (8000, 0):
        answer = await client.request("PUT", "/_emulator/switches", json={"token_padding": added})
        assert answer.json["token_padding"] == added
        token = await client.token()
        assert (len(token) > 10_000) is bool(added)
        assert (await use(client, token)).status == 403
    assert abs(len(await client.token()) - usual) < 10
    answer = await client.request("PUT", "/_emulator/switches", json={"token_padding": 20_001})
    assert (answer.status, answer.json["error"]) == (400, "token_padding is a number from 0 to 20000")


async def test_longest_token_on_request_is_taken(client: Client, emulator: Emulator) -> None:
    emulator.world.token_padding = 20_000
    assert (await use(client, await client.token())).status == 403


async def test_padding_of_an_emulator_is_that_of_its_world(tmp_path: Path) -> None:
    assert Emulator(tmp_path, token_padding=7).world.token_padding == 7


async def use(client: Client, token: str, scheme: str = "Bearer") -> Reply:
    path = "/v1.0/users/alice@contoso.example/messages"
    return await client.request("GET", path, headers={"Authorization": f"{scheme} {token}"})


def forged(token: str, key: str, **header: Any) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, **header)


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


async def test_no_token(client: Client) -> None:
    answer = await client.request("GET", "/v1.0/users/alice@contoso.example/messages")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert answer.json["error"]["message"] == "Access token is empty."
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "....", "a." * 20_000, "e30.e30.e30", "W10.W10.W10"])
async def test_malformed_tokens(client: Client, token: str) -> None:
    answer = await use(client, token)
    assert answer.status == 401
    assert answer.json["error"]["message"].startswith("IDX14100")


async def test_tokens_of_another_scheme_count_as_none(client: Client) -> None:
    assert (await use(client, await client.token(), "Basic")).json["error"]["message"] == "Access token is empty."


async def test_forged_algorithms_are_refused(client: Client, signing_key: SigningKey) -> None:
    token = await client.token()
    modulus = signing_key.jwk("")["n"]
    for fake in (unsigned(token), forged(token, modulus, algorithm="HS256", headers={"kid": signing_key.kid})):
        assert (await use(client, fake)).json["error"]["message"].endswith("Invalid signature.")


def signed(key: SigningKey, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """A token with a good signature under whatever header."""
    private = load_pem_private_key(key.pem, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    signature = private.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_algorithm_of_the_header_must_be_the_one_that_signed(client: Client, signing_key: SigningKey) -> None:
    claims = unverified(await client.token())
    header = {"typ": "JWT", "kid": signing_key.kid}
    assert (await use(client, signed(signing_key, claims, header | {"alg": "RS256"}))).status == 403
    for wrong in ({"alg": "RS384"}, {"alg": "none"}, {"alg": "rs256"}, {"alg": ["RS256"]}, {}):
        answer = await use(client, signed(signing_key, claims, header | wrong))
        assert answer.json["error"]["message"].endswith("Invalid signature.")


@pytest.mark.parametrize("kid", ["\u00e9", "\ud800", 1, None, ["x"], {}])
async def test_any_key_id_is_refused_politely(client: Client, emulator: Emulator, kid: Any) -> None:
    odd = odd_kid(await client.token(), kid)
    with pytest.raises(TokenRefused, match="Invalid signature"):
        emulator.tokens.verify(odd, GRAPH, 0.0)
    answer = await use(client, odd)
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")


async def test_a_changed_claim_breaks_the_signature(client: Client) -> None:
    header, claims, signature = (await client.token()).split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"roles": ["Mail.ReadWrite"]}
    claims = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    assert (await use(client, f"{header}.{claims}.{signature}")).status == 401


async def test_a_token_for_another_audience_is_refused(client: Client, planted: Seed, signing_key: SigningKey) -> None:
    claims = jwt.decode(await client.token(), options={"verify_signature": False})
    answer = await use(client, signing_key.sign(claims | {"aud": "https://outlook.office365.com"}))
    assert answer.json["error"]["message"].endswith("Invalid audience.")


async def test_a_token_of_an_unknown_tenant_is_refused(client: Client, signing_key: SigningKey) -> None:
    claims = jwt.decode(await client.token(), options={"verify_signature": False})
    answer = await use(client, signing_key.sign(claims | {"tid": "0c0ffee0-0000-4000-8000-000000000000"}))
    assert answer.json["error"]["message"].endswith("Invalid issuer.")


async def test_a_token_expires_even_when_it_was_good_before(client: Client, clock: Clock) -> None:
    token = await client.token()
    assert (await use(client, token)).status == 403
    clock.now += 3599
    answer = await use(client, token)
    assert answer.json["error"]["message"] == "Lifetime validation failed, the token is expired."


async def test_a_token_is_not_good_before_its_time(client: Client, clock: Clock) -> None:
    token = await client.token()
    clock.now -= 1
    assert (await use(client, token)).json["error"]["message"] == "Access token has expired or is not yet valid."


async def test_revoked_tokens_are_refused_with_a_claims_challenge(client: Client, emulator: Emulator) -> None:
    token = await client.token()
    emulator.revoke_tokens()
    answer = await use(client, token)
    assert answer.status == 401
    assert 'error="insufficient_claims"' in answer.headers["WWW-Authenticate"]
    assert (await use(client, await client.token())).status == 403
