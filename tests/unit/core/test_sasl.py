"""SASL responses, with the examples of the RFCs."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core import sasl
from pillarbox.core.errors import InvalidInput
from pillarbox.core.vault import Secret


def code_of(response: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        sasl.plain(sasl.decode(response))
    return caught.value.code


def test_rfc_4954_example() -> None:
    name, password = sasl.plain(sasl.decode(b"dGVzdAB0ZXN0ADEyMzQ="))
    assert (name, password.reveal()) == ("test", "1234")


def test_rfc_4616_example() -> None:
    name, password = sasl.plain(b"\0tim\0tanstaaftanstaaf")
    assert (name, password.reveal()) == ("tim", "tanstaaftanstaaf")


def test_rfc_4616_example_that_acts_for_somebody_else_is_refused() -> None:
    assert code_of(base64.b64encode(b"Ursel\0Kurt\0xipj3plmq")) == "smtp.bad_sasl"


@pytest.mark.parametrize("response", [b"", b"tim", b"\0tim", b"\0tim\0a\0b", b"\0\xff\0x", b"\0tim\0\xff"])
def test_what_is_not_of_the_form(response: bytes) -> None:
    assert code_of(base64.b64encode(response) or b"=") == "smtp.bad_sasl"


@pytest.mark.parametrize("response", [b"*", b"a", b"a===", b"AAA\xff", b"AA AA", b"AAAA\r\n", b"-_-_"])
def test_what_is_no_base64(response: bytes) -> None:
    assert code_of(response) == "smtp.bad_base64"


def test_an_equals_sign_is_an_empty_response() -> None:
    assert sasl.decode(b"=") == b""


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(WORDS, WORDS)
def test_name_and_password_come_through(name: str, password: str) -> None:
    response = base64.b64encode(f"{name}\0{name}\0{password}".encode())
    found, secret = sasl.plain(sasl.decode(response))
    assert (found, secret.reveal()) == (name, password)


def test_xoauth2_is_microsofts_own_example() -> None:
    """The SASL string that their page on OAuth for IMAP, POP and SMTP shows."""
    said = sasl.xoauth2("test@contoso.onmicrosoft.com", Secret("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"))
    assert base64.b64encode(said).decode() == (
        "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM"
        "0VvQUEBAQ=="
    )
