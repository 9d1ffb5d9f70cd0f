"""Codes of authenticators: RFC 6238's own, each once, a little before and after; and recovery codes."""

import os

import pytest

from pillarbox.access import totp

SECRET = b"12345678901234567890"
"""RFC 6238 appendix B; its codes have eight digits, of which ours are the last six."""


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    assert totp.step_of(SECRET, code, now, 0) == now // 30


@pytest.mark.parametrize(("late", "taken"), [(-31, False), (-30, True), (0, True), (30, True), (59, True), (60, False)])
def test_a_code_of_the_step_before_and_after_is_taken_and_no_other(late: int, taken: bool) -> None:
    at = 1234567890
    assert at % 30 == 0
    assert (totp.step_of(SECRET, "005924", at + late, 0) is not None) is taken


def test_a_code_of_a_step_that_was_taken_is_none() -> None:
    step = 1234567890 // 30
    assert totp.step_of(SECRET, "005924", 1234567890, step - 1) == step
    assert totp.step_of(SECRET, "005924", 1234567890, step) is None
    assert totp.step_of(SECRET, "005924", 1234567890, step + 1) is None


@pytest.mark.parametrize("code", ["", "00592", "0059244", "00592x", "-05924", "٠٠٥٩٢٤", "005 924 1"])
def test_what_has_not_six_digits_is_no_code(code: str) -> None:
    assert totp.step_of(SECRET, code, 1234567890, 0) is None


def test_a_code_may_be_typed_as_it_is_shown() -> None:
    assert totp.step_of(SECRET, "005 924", 1234567890, 0) is not None


def test_an_authenticator_reads_the_secret_from_the_uri() -> None:
    assert totp.uri(SECRET, "anna@x", "Pillarbox").reveal() == (
        "otpauth://totp/Pillarbox:anna%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Pillarbox"
    )


def test_recovery_codes_have_80_bits_and_may_be_typed_in_any_way() -> None:
    codes = [code.reveal() for code in totp.recovery_codes(os.urandom)]
    assert len(set(codes)) == 10
    assert all(len(code.replace("-", "")) * 5 == 80 for code in codes)
    typed = f" {codes[0].replace('-', ' ').upper()}"
    assert totp.recovery_digest(typed) == totp.recovery_digest(codes[0])
    assert totp.recovery_digest(codes[1]) != totp.recovery_digest(codes[0])
