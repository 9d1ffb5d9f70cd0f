"""Addresses of a header field, as programs write them."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.sendmail import addresses
from pillarbox.sendmail.problem import Problem


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a@b", ["a@b"]),
        ("root", ["root"]),
        ("a@b, c@d", ["a@b", "c@d"]),
        ("A B <a@b>, C <c@d>", ["a@b", "c@d"]),
        ('"B, A" <a@b>', ["a@b"]),
        ('"B \\" , A" <a@b>', ["a@b"]),
        ("a@b (home, of (the) brave), c@d", ["a@b", "c@d"]),
        ("(nobody\\) <x@y>) a@b", ["a@b"]),
        ("friends: a@b, C <c@d>;, e@f", ["a@b", "c@d", "e@f"]),
        ("undisclosed-recipients:;", []),
        ("", []),
        (" , ,a@b,", ["a@b"]),
        ("<@x,@y:a@b>", ["a@b"]),
        ('"a b"@c', ['"a b"@c']),
        ("Zoë <zoë@contoso.example>", ["zoë@contoso.example"]),
        ("root (Cron Daemon)", ["root"]),
    ],
)
def test_all_addresses_are_found(value: str, wanted: list[str]) -> None:
    assert addresses.listed(value.encode(), os.EX_DATAERR) == wanted


@pytest.mark.parametrize(
    "value",
    [
        b"John Doe",
        b"a@b c@d",
        b"<a@b\r\nRCPT TO:<c@d>>",
        b"<a@b> SIZE=1 <x",
        b"<a@b> <c@d>",
        b"a@b\0",
        b"<a b@c>",
        b"\xff@b",
        b"a" * 2000,
    ],
)
def test_what_is_no_address_is_refused_and_never_cut(value: bytes) -> None:
    with pytest.raises(Problem) as raised:
        addresses.listed(value, os.EX_DATAERR)
    assert raised.value.exit_code == os.EX_DATAERR


@given(st.binary(max_size=60) | st.text('<>@,;:"()\\ab \r\n', max_size=30).map(str.encode))
def test_whatever_stands_there_no_address_can_end_a_command(value: bytes) -> None:
    try:
        found = addresses.listed(value, os.EX_DATAERR)
    except Problem:
        return
    for address in found:
        assert address.isprintable()
        outside = "".join(address.split('"')[::2])
        assert not set("<> \r\n") & set(outside)
