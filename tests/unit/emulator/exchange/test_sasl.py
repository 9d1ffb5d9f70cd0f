"""Base64 and XOAUTH2, also of those who mean harm."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pillarbox.emulator.exchange.sasl import Credentials, decode, parse_xoauth2

VECTOR = (
    "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0Vv"
    "QUEBAQ=="
)


def test_microsofts_test_vector() -> None:
    credentials = parse_xoauth2(decode(VECTOR))
    assert credentials == Credentials("test@contoso.onmicrosoft.com", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA")
    assert "EwBA" not in repr(credentials)


@pytest.mark.parametrize("line", ["a", "YQ", "YQ===", "Y Q=", "YQ==YQ==", "é===", "\udcff===", "-_-_", "*"])
def test_what_is_no_base64(line: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode(line)


@given(some.binary(max_size=200))
def test_base64_is_read_as_it_was_written(data: bytes) -> None:
    assert decode(base64.b64encode(data)) == data


@given(some.binary(max_size=60) | some.text(max_size=60))
def test_any_line_is_base64_or_refused(line: bytes | str) -> None:
    try:
        assert isinstance(decode(line), bytes)
    except ValueError:
        pass


@given(some.lists(some.sampled_from([b"user=", b"auth=", b"Bearer ", b"\x01", b"a@b", b"\xff", b"\n"]), max_size=9))
def test_any_message_is_credentials_or_refused(parts: list[bytes]) -> None:
    message = b"".join(parts)
    try:
        found = parse_xoauth2(message)
    except ValueError:
        return
    assert message == f"user={found.user}\x01auth=Bearer {found.token}\x01\x01".encode()
