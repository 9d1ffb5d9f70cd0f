"""SASL responses, with the examples of the RFCs."""

import base64
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core import sasl
from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.core.vault import Secret


def code_of(response: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        sasl.plain(sasl.decode(response))
    return caught.value.code


def test_rfc_4954_example() -> None:
    name, password, _ = sasl.plain(sasl.decode(b"dGVzdAB0ZXN0ADEyMzQ="))
    assert (name, password.reveal()) == ("test", "1234")


def test_rfc_4616_example() -> None:
    name, password, _ = sasl.plain(b"\0tim\0tanstaaftanstaaf")
    assert (name, password.reveal()) == ("tim", "tanstaaftanstaaf")


def test_rfc_4616_example_that_acts_for_somebody_else_is_refused() -> None:
    with pytest.raises(Forbidden) as caught:
        sasl.plain(b"Ursel\0Kurt\0xipj3plmq")
    assert caught.value.entry.smtp == "535 5.7.8"


@pytest.mark.parametrize("response", [b"", b"tim", b"\0tim", b"\0tim\0a\0b", b"\0\xff\0x", b"\0tim\0\xff"])
def test_what_is_not_of_the_form(response: bytes) -> None:
    assert code_of(base64.b64encode(response) or b"=") == "smtp.bad_sasl"


@pytest.mark.parametrize(
    "response", [b"*", b"a", b"a===", b"AAA\xff", b"AA AA", b"AAAA\r\n", b"-_-_", b"AAAA=", b"AA==AA=="]
)
def test_what_is_no_base64(response: bytes) -> None:
    assert code_of(response) == "smtp.bad_base64"


def test_an_equals_sign_is_an_empty_response() -> None:
    assert sasl.decode(b"=") == b""


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(WORDS, WORDS)
def test_name_and_password_come_through(name: str, password: str) -> None:
    response = base64.b64encode(f"{name}\0{name}\0{password}".encode())
    found, secret, _ = sasl.plain(sasl.decode(response))
    assert (found, secret.reveal()) == (name, password)


def test_xoauth2_is_microsofts_own_example() -> None:
    """The SASL string that their page on OAuth for IMAP, POP and SMTP shows."""
    said = sasl.xoauth2("test@contoso.onmicrosoft.com", Secret("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"))
    assert base64.b64encode(said).decode() == (
        "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM"
        "0VvQUEBAQ=="
    )


# ---- what clients of ours say with a token


def test_what_we_say_ourselves_is_understood() -> None:
    assert sasl.bearer(sasl.xoauth2("printer", Secret("pbx_abc-123"))) == (
        "printer",
        Secret("pbx_abc-123"),
        "XOAUTH2",
    )


def test_rfc_7628_example() -> None:
    """Section 4.1."""
    said = sasl.decode(
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52Y"
        b"jNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    name, token, mechanism = sasl.oauth_bearer(said)
    assert (name, token.reveal(), mechanism) == (
        "user@example.com",
        "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        "OAUTHBEARER",
    )


def test_name_may_be_left_out_and_its_commas_are_escaped() -> None:
    assert sasl.oauth_bearer(b"n,,\1auth=bearer t\1\1").name == ""
    assert sasl.oauth_bearer(b"y,a=a=2Cb=3Dc,\1auth=Bearer t\1\1").name == "a,b=c"
    assert sasl.oauth_bearer(b"y,a==3D2C,\1auth=Bearer t\1\1").name == "=2C"


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"user=a\1auth=Bearer t\1",
        b"user=a\1auth=Basic t\1\1",
        b"user=a\1auth=Bearer \1\1",
        b"user=a\1auth=Bearer t t\1\1",
        b"user=a\1auth=Bearer t\n\1\1",
        b"n,a=a,\1auth=Bearer t\1",
        b"n,a=a,\1host=x\1\1",
        b"n,a=a\1auth=Bearer t\1\1",
        b"p=tls-unique,a=a,\1auth=Bearer t\1\1",
        b"n,a=\xff,\1auth=Bearer t\1\1",
    ],
)
def test_what_is_not_of_the_form_of_a_token(response: bytes) -> None:
    for read in (sasl.bearer, sasl.oauth_bearer):
        with pytest.raises(InvalidInput, match="form"):
            read(response)


# ---- any bytes


@given(st.binary() | st.text("nya=,\1authBearer user:host\0").map(str.encode), st.sampled_from(list(sasl.MECHANISMS)))
def test_any_response_is_understood_or_refused(response: bytes, mechanism: str) -> None:
    credentials = told(sasl.MECHANISMS[mechanism](), response)
    assert credentials is None or credentials.mechanism == mechanism
    assert credentials is None or credentials.secret.reveal().encode() in response


def told(exchange: sasl.Exchange, response: bytes) -> sasl.Credentials | None:
    """What a client says that gives this response to every challenge."""
    next(exchange)
    try:
        while True:
            exchange.send(sasl.decode(base64.b64encode(response) or b"="))
    except StopIteration as done:
        credentials: sasl.Credentials = done.value
        return credentials
    except (InvalidInput, Forbidden):
        return None


@given(st.binary() | st.text("abAB+/=*-_ ").map(str.encode))
def test_any_bytes_are_decoded_or_refused(response: bytes) -> None:
    try:
        decoded = sasl.decode(response)
    except InvalidInput:
        return
    assert response == b"=" or len(base64.b64encode(decoded)) == len(response)


@pytest.mark.parametrize("unit", [b"n,a=", b"=", b"\1", b"auth=\1", b"auth=Bearer ", b"user=", b"x"])
@pytest.mark.parametrize("front", [b"", b"n,,\1", b"n,a=", b"user=a\1auth=Bearer "])
def test_any_length_costs_linear_time(front: bytes, unit: bytes) -> None:
    def cost(count: int) -> float:
        response = front + unit * (count // len(unit))
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            for read in (sasl.plain, sasl.bearer, sasl.oauth_bearer):
                with contextlib.suppress(InvalidInput):
                    read(response)
            best = min(best, time.process_time() - began)
        return best

    once, twice = cost(100_000), cost(200_000)
    assert once < 0.05
    assert twice < 2.5 * once + 0.01
