"""Proof key for code exchange, by the vector of RFC 7636 appendix B."""

import pytest

from pillarbox.emulator.entra.aadsts import EntraError
from pillarbox.emulator.entra.pkce import check_challenge, check_verifier

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_vector_of_the_rfc() -> None:
    check_challenge(CHALLENGE, "S256")
    check_verifier(CHALLENGE, "S256", VERIFIER)
    check_verifier(VERIFIER, "plain", VERIFIER)


@pytest.mark.parametrize(("method", "length"), [("plain", 43), (None, 43), ("plain", 128), (None, 128)])
def test_a_plain_challenge_has_43_to_128_signs(method: str | None, length: int) -> None:
    check_challenge("a" * length, method)


def test_nothing_is_nothing() -> None:
    check_challenge(None, None)
    check_verifier(None, None, None)


@pytest.mark.parametrize(
    ("challenge", "method", "number"),
    [
        (CHALLENGE[1:], "S256", 501491),
        (f"{CHALLENGE}=", "S256", 501491),
        (CHALLENGE.replace("E", "."), "S256", 501491),
        (None, "S256", 501491),
        ("a" * 42, "plain", 50147),
        ("a" * 129, None, 50147),
        (f"{'a' * 43}\n", "plain", 50147),
        ("é" * 43, "plain", 50147),
        ("a" * 43, "s256", 50147),
        (None, "plain", 50147),
    ],
)
def test_malformed_challenges(challenge: str | None, method: str | None, number: int) -> None:
    with pytest.raises(EntraError) as caught:
        check_challenge(challenge, method)
    assert caught.value.number == number


@pytest.mark.parametrize(("challenge", "verifier"), [(CHALLENGE, None), (CHALLENGE, CHALLENGE), (None, VERIFIER)])
def test_verifiers_that_do_not_fit(challenge: str | None, verifier: str | None) -> None:
    with pytest.raises(EntraError) as caught:
        check_verifier(challenge, "S256" if challenge else None, verifier)
    assert caught.value.number == 501481
