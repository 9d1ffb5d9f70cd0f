"""Codes of an authenticator (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds) and recovery codes. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

import pyotp

from pillarbox.core.vault import Secret

SECRET_BYTES: Final = 20
"""RFC 4226 section 4: as long as the hash."""
DIGITS: Final = 6
STEP: Final = 30
"""Seconds for which a code is shown."""
_DRIFT: Final = (0, -1, 1)
"""Steps by which the clock of a telephone may differ."""
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
_GROUP: Final = 4


def written(secret: bytes) -> Secret:
    """A secret as a person may type it: Base32."""
    return Secret(base64.b32encode(secret).decode("ascii"))


def uri(secret: bytes, name: str, issuer: str) -> Secret:
    """A secret as an authenticator reads it from a QR code (otpauth://)."""
    return Secret(pyotp.TOTP(written(secret).reveal()).provisioning_uri(name=name, issuer_name=issuer))


def step_of(secret: bytes, code: str, now: float, after: int) -> int | None:
    """The time step that a code is of, if it is later than the step `after`; None for what is no code of these minutes.

    A code counts once (RFC 6238 section 5.2), so whoever looks over a shoulder cannot use it again.
    """
    typed = code.replace(" ", "")
    if not (len(typed) == DIGITS and typed.isascii() and typed.isdigit()):
        return None
    generator, current = pyotp.TOTP(written(secret).reveal()), int(now) // STEP
    right = [
        step
        for step in (current + drift for drift in _DRIFT)
        if hmac.compare_digest(generator.at(step * STEP).encode(), typed.encode())
    ]
    return next((step for step in right if step > after), None)


def recovery_codes(random: Callable[[int], bytes]) -> list[Secret]:
    """Codes for when the authenticator is lost: 80 bits each."""
    return [_grouped(base64.b32encode(random(_RECOVERY_BYTES)).decode("ascii")) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code, however it is typed. 80 bits of chance need no slow hash."""
    plain = "".join(code.split()).replace("-", "").upper()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _grouped(text: str) -> Secret:
    text = text.lower()
    return Secret("-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP)))
