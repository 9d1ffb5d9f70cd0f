"""What is shown of texts that others wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.excerpt import scrubbed

JWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsIng1dCI6Ik.eyJhdWQiOiJodHRwczovL2dyYXBoLm1pY3Jvc29mdC5jb20iLCJ4Ijo.c2ln" * 2


def test_an_answer_of_microsofts_is_shown_as_it_is_on_one_line() -> None:
    answer = '{"error": {"code": "SomethingNew",\r\n "message": "No key for 0f8fad5b-d9cb-469f-a165-70867728950e."}}'
    shown = '{"error": {"code": "SomethingNew",   "message": "No key for 0f8fad5b-d9cb-469f-a165-70867728950e."}}'
    assert scrubbed(answer) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {JWT}",
        f'{{"token":"{JWT}"}}',
        "Proxy-Authorization: Basic c2VjcmV0",
        "authorization:  bearer\tsecret",
        "mail: " + "c2VjcmV0" * 40,
        "x" * 1_980 + " " + "c2VjcmV0" * 4_000,
    ],
)
def test_what_looks_like_a_token_or_a_mail_is_stars(text: str) -> None:
    shown = scrubbed(text)
    assert not any(secret in shown for secret in ("eyJ", "c2Vj", "secret"))
    assert "***" in shown or len(text) > 2_000


@given(st.text(max_size=3_000) | st.text("a \n\x1b", max_size=3_000))
def test_it_is_one_printable_line_of_at_most_500_characters(text: str) -> None:
    shown = scrubbed(text)
    assert len(shown) <= 500
    assert shown.isprintable()
