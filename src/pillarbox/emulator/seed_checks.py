"""What a value in a seed file must look like; a ValueError says what is wrong with it."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pillarbox.emulator.entra import aadsts

DOMAIN = re.compile(r"(?=.{3,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE)
LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def domain(text: str) -> str:
    """A domain of at least two labels; Entra's names such as `common` are none."""
    if not DOMAIN.fullmatch(text):
        raise ValueError(f"no domain: {text!r}")
    return text


def address(text: str, domains: Iterable[str]) -> str:
    """A user name, or an address in one of the tenant's domains."""
    local, at, host = text.rpartition("@")
    if not LOCAL.fullmatch(local if at else text):
        raise ValueError(f"no address: {text!r}")
    if at and host.lower() not in domains:
        raise ValueError(f"{host} is no domain of the tenant")
    return text


def redirect_uri(text: str) -> str:
    """An absolute URI without a fragment (RFC 6749 section 3.1.2)."""
    parts = urlsplit(text)
    if not parts.scheme or parts.fragment or text.endswith("#") or " " in text or not (parts.netloc or parts.path):
        raise ValueError(f"no redirect URI: {text!r}")
    return text


def refusal(number: int) -> int:
    """An AADSTS number that a sign-in can end with."""
    if number not in aadsts.read_codes():
        raise ValueError(f"no AADSTS number that is known here: {number}")
    return number
