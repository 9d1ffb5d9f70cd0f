"""A sign-in's address, proofs and answers, apart from the journey (tests/unit/admin/test_connect.py)."""

import os
from typing import Any

import msal
import pytest

from pillarbox.core import catalogue
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.entra.acquire import Memory
from pillarbox.entra.authority import TokenRefused
from pillarbox.entra.sign_in import Proof, StillWaiting, granted, handle, poll_device, told


class Answering:
    """A client of MSAL's that has got this answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def acquire_token_by_device_flow(self, flow: dict[str, Any], exit_condition: Any) -> dict[str, Any]:
        """Once, without waiting."""
        assert exit_condition(flow)
        return self.answer


@pytest.mark.parametrize(("error", "slow_down"), [("authorization_pending", False), ("slow_down", True)])
def test_a_device_that_waits_is_told_from_a_refusal(error: str, slow_down: bool) -> None:
    with pytest.raises(StillWaiting) as waiting:
        poll_device(Answering({"error": error}), {"device_code": "x"})
    assert waiting.value.slow_down is slow_down


def test_a_refusal_of_a_device_is_no_wait() -> None:
    assert poll_device(Answering({"error": "expired_token"}), {"device_code": "x"})["error"] == "expired_token"


def test_proofs_are_of_256_bits_and_never_the_same() -> None:
    made = {text for _ in range(100) for text in (Proof.make(os.urandom).verifier, Proof.make(os.urandom).nonce)}
    assert len(made) == 200
    assert {len(text) for text in made} == {43}


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    proof = Proof("n", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert proof.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert proof.verifier not in repr(proof)


def test_a_handle_is_fit_for_an_address() -> None:
    assert handle(lambda n: b"\xff" * n) == "_" * 42 + "8"


def test_without_a_refresh_token_nothing_is_kept() -> None:
    with pytest.raises(TokenRefused) as refused:
        granted({"access_token": "x", "id_token": "x"}, Memory())
    assert refused.value.code == "sign_in.no_refresh_token"


def test_without_an_id_token_nothing_is_kept() -> None:
    memory = Memory()
    memory.cache.modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, ENTRY, ENTRY)
    with pytest.raises(PillarboxError) as refused:
        granted({"access_token": "x"}, memory)
    assert refused.value.code == "identity.missing"


def test_what_was_granted_shows_no_token() -> None:
    memory = Memory()
    memory.cache.modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, ENTRY, ENTRY)
    kept = granted({"access_token": "secret-1", "id_token": "secret-2", "scope": "Mail.Send openid"}, memory)
    assert kept.scopes == ("Mail.Send", "openid")
    assert "secret" not in repr(kept)


ENTRY = {
    "credential_type": "RefreshToken",
    "secret": "secret-3",
    "home_account_id": "u.t",
    "environment": "localhost",
    "client_id": "c",
    "target": "",
}


@pytest.mark.parametrize(
    ("error", "description", "code"),
    [
        ("access_denied", "", "sign_in.canceled"),
        ("access_denied", "AADSTS65004: User declined to consent.", "sign_in.refused"),
        ("consent_required", "AADSTS65001: no consent", "sign_in.refused"),
        ("access_denied", "AADSTS90094: admin consent is required", "sign_in.refused"),
        ("server_error", "", "sign_in.refused"),
        ("", "", "sign_in.refused"),
    ],
)
def test_what_microsoft_says_in_the_browser_is_explained(error: str, description: str, code: str) -> None:
    found = told(error, description)
    assert found.code == code
    assert found.sentence
    assert found.cure


def test_a_word_of_oauth_is_explained_where_there_is_no_number() -> None:
    assert told("consent_required", "").cure == catalogue.oauth()["consent_required"].remedy


def test_a_busy_microsoft_is_not_a_refusal() -> None:
    assert isinstance(told("temporarily_unavailable", ""), Unavailable)


def test_a_strangers_text_is_cut_and_made_printable() -> None:
    found = told("x", "a\x00b\u202ec\x1b[31m" + "y" * 50_000 + "\nsecond line")
    assert found.sentence.isprintable()
    assert len(found.sentence) < 700
    assert "second line" not in found.sentence
