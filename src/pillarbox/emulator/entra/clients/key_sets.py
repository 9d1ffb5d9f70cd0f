"""The key sets of foreign issuers (RFC 7517 section 5), of which RSA keys for RS256 are used (RFC 7518 section 6.3)."""

import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from pillarbox.emulator.entra.clients.jwt import decode

ALGORITHM = "RS256"
KeySet = dict[str, Any]


def read(text: bytes) -> KeySet:
    """The key set in a file; a ValueError tells what is wrong with it."""
    try:
        return checked(json.loads(text))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def checked(value: Any) -> KeySet:
    """The key set, if each RSA key in it is one and one at least can be used; else a ValueError."""
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(each, dict) for each in keys):
        raise ValueError('a JWKS is needed: {"keys": [{"kty": "RSA", ...}]}')
    for place, key in enumerate(keys, 1):
        if _usable(key):
            try:
                _public_key(key)
            except ValueError as error:
                raise ValueError(f"key {place}: {error}") from error
    if not any(map(_usable, keys)):
        raise ValueError("no RSA key for RS256 signatures is in it")
    return {"keys": keys}


def keys_of(key_set: KeySet, kid: object) -> Iterator[rsa.RSAPublicKey]:
    """The keys that can be used, those with that `kid` alone if it is not None."""
    for key in key_set["keys"]:
        if _usable(key) and kid in (None, key.get("kid")):
            yield _public_key(key)


def _usable(key: dict[str, Any]) -> bool:
    """Others are no mistake: an issuer may publish keys of all kinds (RFC 7517 section 5)."""
    return key.get("kty") == "RSA" and key.get("use", "sig") == "sig" and key.get("alg", ALGORITHM) == ALGORITHM


def _public_key(key: dict[str, Any]) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(_number(key, "e"), _number(key, "n")).public_key()


def _number(key: dict[str, Any], name: str) -> int:
    text = key.get(name)
    if not isinstance(text, str) or not text:
        raise ValueError(f"{name} is missing")
    try:
        return int.from_bytes(decode(text), "big")
    except ValueError:
        raise ValueError(f"{name} is not base64url") from None
