"""What a client of Microsoft asks a token source for: a token, or another one than was refused."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Challenge:
    """Why another token is wanted: `rejected` was refused; the next one must satisfy `claims` (JSON), if any."""

    rejected: str = ""
    claims: str = ""

    def __repr__(self) -> str:
        return "Challenge(...)"


TokenSource = Callable[[Challenge | None], Awaitable[str]]
"""Gives an access token; called with a challenge, it gives another one."""

_INSUFFICIENT: Final = re.compile(r'error="insufficient_claims"')
_CLAIMS: Final = re.compile(r'claims="([A-Za-z0-9+/=_-]{1,8192})"')


def challenge_of(rejected: str, www_authenticate: str) -> Challenge:
    """The challenge in the answer to a refused request: continuous access evaluation may ask for claims.

    https://learn.microsoft.com/entra/identity-platform/claims-challenge
    """
    found = _CLAIMS.search(www_authenticate) if _INSUFFICIENT.search(www_authenticate) else None
    return Challenge(rejected, _decoded(found[1]) if found else "")


def _decoded(text: str) -> str:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
