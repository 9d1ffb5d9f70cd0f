"""What stands in an access token, for a person to look at. Nothing is decided by it: a token is for its API to read."""

from collections.abc import Mapping
from typing import Any

import jwt


def read_claims(token: str) -> Mapping[str, Any] | None:
    """The claims of a token, unverified; None for one that is opaque, as those of personal accounts are. Pure.

    https://learn.microsoft.com/entra/identity-platform/access-tokens
    """
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, RecursionError):
        return None
    return claims
