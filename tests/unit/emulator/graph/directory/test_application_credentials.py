"""Secrets and certificates by Graph: they work from then on, and the proof of possession is checked."""

import base64
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import App
from tests.unit.emulator.conftest import NOON, Client, Clock
from tests.unit.emulator.entra.app_key import AppKey
from tests.unit.emulator.graph.directory.conftest import Directory

BAD = (400, "Request_BadRequest")
MALFORMED = (401, "Authentication_MissingOrMalformed")
YEAR = 365 * 86400


def body_of(of: AppKey, /, **more: Any) -> dict[str, Any]:
    return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(of.der).decode()} | more


def proof(key: AppKey, app: App, algorithm: str = "RS256", **more: Any) -> str:
    claims = {"aud": "00000002-0000-0000-c000-000000000000", "iss": app.object_id, "nbf": NOON, "exp": NOON + 600}
    return key.sign(claims | more, algorithm)


@pytest.fixture(scope="session")
def certificate() -> AppKey:
    return AppKey()


@pytest.fixture(scope="session")
def second() -> AppKey:
    return AppKey()


@pytest.fixture
async def equipped(directory: Directory, planted: Seed, certificate: AppKey) -> App:
    """The gateway's app with a first certificate, by PATCH."""
    body = {"keyCredentials": [body_of(certificate)]}
    await directory.no_content("PATCH", f"/applications/{planted.gateway.object_id}", body)
    return planted.gateway


async def test_a_new_secret_works_at_the_token_endpoint(directory: Directory, client: Client, planted: Seed) -> None:
    wish = {"passwordCredential": {"displayName": "setup"}}
    made = await directory.post(f"/applications/{planted.gateway.object_id}/addPassword", wish)
    assert made["hint"] == made["secretText"][:3]
    assert (made["displayName"], made["endDateTime"]) == ("setup", "2028-11-20T12:00:00Z")
    assert (await client.ask_token(planted.gateway, client_secret=made["secretText"])).status == 200


async def test_a_secret_is_told_once(directory: Directory, planted: Seed) -> None:
    path = f"/applications/{planted.gateway.object_id}"
    made = await directory.post(f"{path}/addPassword", {})
    listed = (await directory.get(path))["passwordCredentials"]
    assert listed[-1] == {**{name: made[name] for name in listed[-1]}, "secretText": None}


async def test_a_removed_secret_no_longer_works(directory: Directory, client: Client, planted: Seed) -> None:
    path = f"/applications(appId='{planted.gateway.client_id}')"
    made = await directory.post(f"{path}/addPassword", {"PasswordCredential": None})
    await directory.no_content("POST", f"{path}/removePassword", {"KeyId": made["keyId"].upper()})
    assert (await client.ask_token(planted.gateway, client_secret=made["secretText"])).status == 401
    assert await directory.refused("POST", f"{path}/removePassword", {"keyId": made["keyId"]}) == BAD


async def test_a_secret_ends_when_it_was_asked_to(
    directory: Directory, client: Client, planted: Seed, clock: Clock
) -> None:
    wish = {"passwordCredential": {"endDateTime": "2026-11-20T13:00:00.0000000+00:00"}}
    made = await directory.post(f"/applications/{planted.gateway.object_id}/addPassword", wish)
    clock.now += 3601
    reply = await client.ask_token(planted.gateway, client_secret=made["secretText"])
    assert reply.json["error_codes"] == [7000222]


@pytest.mark.parametrize(
    "wish",
    [
        {"passwordCredential": []},
        {"passwordCredential": {"secretText": "mine"}},
        {"passwordCredential": {"endDateTime": "tomorrow"}},
        {"passwordCredential": {"endDateTime": "2027-01-01T00:00:00"}},
        {"passwordCredential": {"endDateTime": "9999-12-31T23:00:00-10:00"}},
        {"passwordCredential": {"endDateTime": "2026-11-20T11:59:59Z"}},
        {"passwordCredential": {"startDateTime": "2028-01-01T00:00:00Z", "endDateTime": "2027-01-01T00:00:00Z"}},
        {"password": {}},
    ],
)
async def test_what_is_no_secret_is_refused(directory: Directory, planted: Seed, wish: Any) -> None:
    path = f"/applications/{planted.gateway.object_id}/addPassword"
    assert await directory.refused("POST", path, wish) == BAD
    assert len(planted.gateway.secrets) == 1


async def test_a_secret_of_the_last_year_ends_with_it(directory: Directory, planted: Seed) -> None:
    wish = {"passwordCredential": {"startDateTime": "9998-02-01T00:00:00Z"}}
    made = await directory.post(f"/applications/{planted.gateway.object_id}/addPassword", wish)
    assert made["endDateTime"] == "9999-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("longest", "code"),
    [(0.0, "CredentialTypeNotAllowedAsPerAppPolicy"), (YEAR, "CredentialInvalidLifetimeAsPerAppPolicy")],
)
async def test_a_policy_forbids_secrets_or_long_ones(
    directory: Directory, planted: Seed, longest: float, code: str
) -> None:
    planted.tenant.longest_secret = longest
    path = f"/applications/{planted.gateway.object_id}/addPassword"
    assert await directory.refused("POST", path, {}) == (400, code)
    planted.tenant.longest_secret = 3.0 * YEAR
    await directory.post(path, {})


async def test_a_certificate_is_shown_only_where_it_is_asked_for(
    directory: Directory, equipped: App, certificate: AppKey
) -> None:
    path = f"/applications/{equipped.object_id}"
    usual = (await directory.get(path))["keyCredentials"][0]
    asked = (await directory.get(f"{path}?$select=keyCredentials"))["keyCredentials"][0]
    assert usual["key"] is None
    assert base64.b64decode(asked["key"]) == certificate.der
    thumbprint = x509.load_der_x509_certificate(certificate.der).fingerprint(hashes.SHA1())
    assert base64.b64decode(usual["customKeyIdentifier"]) == thumbprint


async def test_a_change_of_certificates_replaces_the_list(directory: Directory, equipped: App, second: AppKey) -> None:
    path = f"/applications/{equipped.object_id}"
    kept = (await directory.get(path))["keyCredentials"]
    await directory.no_content("PATCH", path, {"keyCredentials": [*kept, body_of(second, displayName="second")]})
    assert [each.name for each in equipped.certificates] == ["CN=gateway.contoso.example", "second"]
    await directory.no_content("PATCH", path, {"keyCredentials": [body_of(second)]})
    assert len(equipped.certificates) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"key": base64.b64encode(b"no certificate").decode()},
        {"key": None},
        {"type": "Symmetric"},
        {"usage": "Sign"},
        {"usage": None},
        {"keyId": "7"},
        {"endDateTime": "2999-01-01T00:00:00Z"},
        {"startDateTime": "2000-01-01T00:00:00Z"},
        {"password": "x"},
    ],
)
async def test_what_is_no_certificate_is_refused(
    directory: Directory, planted: Seed, certificate: AppKey, change: Any
) -> None:
    body = {"keyCredentials": [body_of(certificate, **change)]}
    assert await directory.refused("PATCH", f"/applications/{planted.gateway.object_id}", body) == BAD
    assert not planted.gateway.certificates


async def test_an_app_rolls_its_own_certificate(
    client: Client, equipped: App, certificate: AppKey, second: AppKey
) -> None:
    """It needs no permission, but the key that it has."""
    path = f"/applications/{equipped.object_id}"
    body = {"keyCredential": body_of(second), "passwordCredential": None, "proof": proof(certificate, equipped)}
    made = await client.graph("POST", f"{path}/addKey", equipped, json=body)
    assert (made.status, made.json["key"]) == (200, None)
    old = equipped.certificates[0].id
    body = {"keyId": old, "proof": proof(second, equipped)}
    assert (await client.graph("POST", f"{path}/removeKey", equipped, json=body)).status == 204
    assert [each.id for each in equipped.certificates] == [made.json["keyId"]]
    again = await client.graph("POST", f"{path}/removeKey", equipped, json=body)
    assert (again.status, again.code) == BAD


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "00000003-0000-0000-c000-000000000000"},
        {"iss": "00000000-0000-0000-0000-000000000000"},
        {"exp": NOON + 601},
        {"exp": NOON - 301, "nbf": NOON - 400},
        {"nbf": NOON + 301, "exp": NOON + 500},
        {"nbf": "now"},
        {"exp": None},
        {"exp": 10**400},
        {"algorithm": "PS256"},
    ],
)
async def test_a_proof_that_proves_nothing_is_refused(
    client: Client, equipped: App, certificate: AppKey, second: AppKey, change: Any
) -> None:
    body = {"keyCredential": body_of(second), "proof": proof(certificate, equipped, **change)}
    reply = await client.graph("POST", f"/applications/{equipped.object_id}/addKey", equipped, json=body)
    assert (reply.status, reply.code) == MALFORMED


async def test_a_proof_must_be_signed_by_a_certificate_in_force(
    client: Client, equipped: App, certificate: AppKey, second: AppKey, clock: Clock
) -> None:
    path = f"/applications/{equipped.object_id}/addKey"
    for wrong in (proof(second, equipped), "a.b.c", "..", "x", jwt.encode({}, "", "none")):
        reply = await client.graph("POST", path, equipped, json={"keyCredential": body_of(second), "proof": wrong})
        assert (reply.status, reply.code) == MALFORMED
    clock.now += YEAR
    late = proof(certificate, equipped, nbf=clock.now, exp=clock.now + 60)
    reply = await client.graph("POST", path, equipped, json={"keyCredential": body_of(second), "proof": late})
    assert (reply.status, reply.code) == MALFORMED


async def test_a_proof_does_not_replace_the_permission_for_anothers_app(
    client: Client, planted: Seed, equipped: App, certificate: AppKey, second: AppKey
) -> None:
    body = {"keyCredential": body_of(second), "proof": proof(certificate, equipped)}
    reply = await client.graph("POST", f"/applications/{equipped.object_id}/addKey", planted.reader, json=body)
    assert (reply.status, reply.code) == (403, "Authorization_RequestDenied")
    reply = await client.graph("POST", f"/applications/{equipped.object_id}/addKey", planted.setup, json=body)
    assert reply.status == 200


async def test_an_administrator_needs_the_permission_too(
    client: Client, equipped: App, certificate: AppKey, second: AppKey
) -> None:
    body = {"keyCredential": body_of(second), "proof": proof(certificate, equipped)}
    path = f"/applications/{equipped.object_id}/addKey"
    weak = Directory(client, scopes=("Application.Read.All",))
    assert await weak.refused("POST", path, body) == (403, "Authorization_RequestDenied")
    await Directory(client).post(path, body)


async def test_keys_with_passwords_are_not_emulated(
    client: Client, equipped: App, certificate: AppKey, second: AppKey
) -> None:
    body = {"keyCredential": body_of(second), "passwordCredential": {}, "proof": proof(certificate, equipped)}
    reply = await client.graph("POST", f"/applications/{equipped.object_id}/addKey", equipped, json=body)
    assert (reply.status, reply.code) == BAD
    reply = await client.graph("POST", f"/applications/{equipped.object_id}/addKey", equipped, json={"proof": "x"})
    assert (reply.status, reply.code) == BAD
