"""What stands in an access token."""

import jwt
import pytest

from pillarbox.core.token_claims import read_claims


def test_the_claims_are_read_without_a_key() -> None:
    claims = {"aud": "https://graph.microsoft.com", "exp": 1, "roles": ["Mail.Send"]}
    assert read_claims(jwt.encode(claims, "k" * 32, algorithm="HS256")) == claims


@pytest.mark.parametrize("token", ["", "EwBwA8l6BAAU", "a.b.c", "a.b", "eyJhbGciOiJub25lIn0.W10.", "ü.ü.ü"])
def test_an_opaque_token_has_none(token: str) -> None:
    assert read_claims(token) is None
