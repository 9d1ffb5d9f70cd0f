"""Key sets of foreign issuers: what is taken, and each mistake in words."""

import json
from typing import Any

import pytest

from pillarbox.emulator.entra.clients.key_sets import checked, keys_of, read
from tests.unit.emulator.conftest import Client
from tests.unit.emulator.entra.app_key import AppKey

ELLIPTIC = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "2"}


def test_rsa_keys_are_found_by_their_id(app_key: AppKey, other_key: AppKey) -> None:
    first, second = app_key.key_set()["keys"][0], other_key.key_set()["keys"][0]
    found = checked({"keys": [first, second | {"kid": "b"}, ELLIPTIC]})
    assert list(keys_of(found, "b")) == [other_key.private.public_key()]
    assert len(list(keys_of(found, None))) == 2
    assert not list(keys_of(found, "2"))


@pytest.mark.parametrize("more", [{"use": "enc"}, {"alg": "RS512"}])
def test_keys_for_something_else_are_left_alone(app_key: AppKey, more: dict[str, str]) -> None:
    (key,) = app_key.key_set()["keys"]
    found = checked({"keys": [key, key | more]})
    assert len(list(keys_of(found, None))) == 1


RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
MISTAKES: list[tuple[Any, str]] = [
    (None, "a JWKS is needed"),
    ([], "a JWKS is needed"),
    ({}, "a JWKS is needed"),
    ({"keys": {}}, "a JWKS is needed"),
    ({"keys": [1]}, "a JWKS is needed"),
    ({"keys": []}, "no RSA key for RS256"),
    ({"keys": [ELLIPTIC]}, "no RSA key for RS256"),
    ({"keys": [ELLIPTIC, {"kty": "RSA", "e": "AQAB"}]}, "key 2: n is missing"),
    ({"keys": [RSA | {"e": 3}]}, "key 1: e is missing"),
    ({"keys": [RSA | {"n": "\u00e9"}]}, "key 1: n is not base64url"),
    ({"keys": [RSA]}, "key 1: "),
]


@pytest.mark.parametrize(("value", "reason"), MISTAKES)
async def test_a_wrong_key_set_is_told(client: Client, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(json.dumps(value).encode())
    given = {"issuer": "https://k8s.example", "jwks": value}
    answer = await client.request("PUT", "/_emulator/issuers", json=given)
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert not client.emulator.world.issuers


@pytest.mark.parametrize("given", [[], {}, {"issuer": 1}, {"issuer": "k8s"}, {"issuer": "http://k8s.example"}])
async def test_an_issuer_is_an_https_address(client: Client, app_key: AppKey, given: Any) -> None:
    if isinstance(given, dict):
        given["jwks"] = app_key.key_set()
    answer = await client.request("PUT", "/_emulator/issuers", json=given)
    assert (answer.status, answer.json["error"]) == (400, "issuer is an https address, and jwks its keys")


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe\xff", b"[" * 100_000])
def test_a_broken_file_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - json says it in its own words
        read(text)
    assert str(caught.value)
