"""What is a mail address, and how long one may be."""

import pytest

from pillarbox.core.mail import is_address

LABEL = "x" * 63
DOMAIN = f"{LABEL}.{LABEL}.{LABEL}"
"""191 octets."""


@pytest.mark.parametrize(
    "address",
    [
        "a" * 64 + "@contoso.example",
        f"a@{LABEL}.example",
        "a" * 62 + f"@{DOMAIN}",  # 254: 256 with its brackets
        "a" * 3 + f"@{DOMAIN}.{'x' * 58}",
        "a@" + "ü" * 59 + ".example",  # 118 octets of UTF-8; in DNS it may be 63
        '"a b"@contoso.example',
        "a@[192.0.2.1]",
        f"a@[IPv6:{'0' * 64}]",  # no name of DNS
        ".a..b@contoso.example",
    ],
)
def test_an_address_of_any_form_within_the_lengths(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "a" * 65 + "@contoso.example",
        "ü" * 33 + "@contoso.example",  # octets, not letters
        f"a@{LABEL}x.example",
        f"a@example.{LABEL}x",
        "a" * 63 + f"@{DOMAIN}",
        "a" * 4 + f"@{DOMAIN}.{'x' * 58}",
        "ü" * 31 + f"@{DOMAIN}x.example",
        "ü" * 32 + f"@{DOMAIN}",  # 256 octets
        "a@" + "ü" * 60 + ".example",
        "a@contoso..example",
        "a@\udcff.example",
    ],
)
def test_what_is_longer_is_none(address: str) -> None:
    assert not is_address(address)
