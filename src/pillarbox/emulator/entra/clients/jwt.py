"""Foreign JSON Web Tokens: taken apart with care, and verified by RSA (RFC 7515, 7518 sections 3.3 and 3.5)."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

MAX_LENGTH = 64 * 1024
LAST_SECOND = 253_402_300_800
"""The end of the year 9999: also infinity, NaN and numbers that no float can hold are beyond."""
SHA256 = hashes.SHA256()
# RFC 7518 section 3.5: the salt is as long as the hash.
PADDINGS: dict[str, AsymmetricPadding] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(mgf=padding.MGF1(SHA256), salt_length=SHA256.digest_size),
}
"""The algorithms that are taken at all: neither `none` nor one whose key is not secret (RFC 8725 section 2.1)."""


@dataclass(frozen=True)
class ForeignToken:
    """A JWT that nobody has verified yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    def text(self, claim: str) -> str:
        """A claim that is a string; empty if it is missing or something else."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) else ""

    def seconds(self, claim: str) -> float | None:
        """A time in seconds since 1970; None if it is missing or no number that a clock could show."""
        value = self.claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LAST_SECOND:
            return None
        return value

    def verified_by(self, key: object, *algorithms: str) -> bool:
        """Whether that RSA key signed it, by the algorithm of the header if it is one of these."""
        name = self.header.get("alg")
        if name not in algorithms or not isinstance(key, rsa.RSAPublicKey):
            return False
        try:
            key.verify(self.signature, self.signed, PADDINGS[name], SHA256)
        except InvalidSignature:
            return False
        return True


def parse(text: str) -> ForeignToken | None:
    """The parts of a compact JWT, None if it is malformed or longer than MAX_LENGTH."""
    parts = text.split(".")
    if len(text) > MAX_LENGTH or len(parts) != 3:
        return None
    try:
        header, claims = json.loads(decode(parts[0])), json.loads(decode(parts[1]))
        signature = decode(parts[2])
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return ForeignToken(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def decode(text: str) -> bytes:
    """The bytes of base64url, with or without padding; a ValueError if it is none."""
    text = text.rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
