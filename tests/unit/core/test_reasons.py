"""What is said of a failed connection never holds the proxy's password."""

import pytest

from pillarbox.core.reasons import reason

PROXY = "http://squid:pass%2Fword@proxy.contoso.example:3128"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"407, message='No', url='{PROXY}'", "407, message='No', url='http://***@proxy.contoso.example:3128'"),
        ("bad squid:pass/word", "bad ***"),
        ("bad Basic c3F1aWQ6cGFzcy93b3Jk", "bad Basic ***"),
        ("bad pass/word", "bad ***"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
    ],
)
def test_user_and_password_are_stars(text: str, shown: str) -> None:
    assert reason(OSError(text), PROXY) == shown


@pytest.mark.parametrize("proxy", [None, "", "http://proxy.contoso.example:3128"])
def test_without_a_password_the_text_is_as_it_is(proxy: str | None) -> None:
    assert reason("text of proxy.contoso.example", proxy) == "text of proxy.contoso.example"


def test_an_error_without_a_text_is_named_by_its_class() -> None:
    assert reason(ConnectionResetError(), None) == "ConnectionResetError"
