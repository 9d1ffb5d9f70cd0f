"""Proof key for code exchange (RFC 7636): the form of a challenge, and whether a verifier fits it."""

import hashlib
import hmac
import re

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.ids import encode

METHODS = ("plain", "S256")
PLAIN = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
"""RFC 7636 section 4.1; without a method the challenge is the verifier itself."""
HASHED = re.compile(r"[A-Za-z0-9\-_]{43}")
"""Base64url of a SHA-256, without padding."""


def check_challenge(challenge: str | None, method: str | None) -> None:
    """Refuse a malformed challenge of the authorize request: 501491 for S256, 50147 for plain and unknown methods."""
    if challenge is None and method is None:
        return
    if method == "S256" and not HASHED.fullmatch(challenge or ""):
        raise EntraError(501491)
    if method not in (None, *METHODS) or not PLAIN.fullmatch(challenge or ""):
        raise EntraError(50147)


def check_verifier(challenge: str | None, method: str | None, verifier: str | None) -> None:
    """Refuse a verifier that does not fit the challenge, that is missing, or that nobody expects: 501481."""
    if challenge is None and verifier is None:
        return
    shown = _challenge_of(verifier or "", method)
    if challenge is None or not hmac.compare_digest(shown.encode("utf-8", "replace"), challenge.encode()):
        raise EntraError(501481)


def _challenge_of(verifier: str, method: str | None) -> str:
    if method != "S256":
        return verifier
    return encode(hashlib.sha256(verifier.encode("utf-8", "replace")).digest())
