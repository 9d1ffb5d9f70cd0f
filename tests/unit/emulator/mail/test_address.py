"""The form of an address, by the rules of RFC 5321, 1035 and 6531."""

import pytest

from pillarbox.emulator.mail.address import has_form

GOOD = [
    "bob@contoso.example",
    "o'brien+tag=1@contoso.example",
    "bob.b@a-b.contoso.example",
    '"bo b"@contoso.example',
    '"a\\"b@c"@contoso.example',
    "jörg@contoso.example",
    "bob@münchen.example",
    "bob@xn--mnchen-3ya.example",
    "bob@contoso",
    f"{'l' * 64}@{'d' * 63}.example",
]


@pytest.mark.parametrize("text", GOOD)
def test_these_are_addresses(text: str) -> None:
    assert has_form(text)


BAD = [
    "",
    "bob",
    "@contoso.example",
    "bob@",
    "bo b@contoso.example",
    "bob@contoso.example, erp@contoso.example",
    "bob@contoso.example;erp@contoso.example",
    "Bob <bob@contoso.example>",
    "<bob@contoso.example>",
    "bob@contoso.example\r\n",
    "a\r\n@x.example",
    "a\0@x.example",
    '"a\r\n"@x.example',
    '"a"b"@x.example',
    "a\u2028@x.example",
    "a\ufffd@x.example",
    "a\udcff@x.example",
    ".a@x.example",
    "a.@x.example",
    "a..b@x.example",
    "a@b@x.example",
    "a(comment)@x.example",
    "a@contoso..example",
    "a@.example",
    "a@contoso.example.",
    "a@-x.example",
    "a@x-.example",
    "a@x_y.example",
    "a@[192.0.2.1]",
    "a@x y.example",
    "a@ü..example",
    f"{'l' * 65}@x.example",
    f"a@{'d' * 64}.example",
    f"a@{'.'.join(['d' * 50] * 6)}",
    f"a@{'ü' * 60}.example",
]


@pytest.mark.parametrize("text", BAD)
def test_these_are_none(text: str) -> None:
    assert not has_form(text)
