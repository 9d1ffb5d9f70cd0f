"""Identifiers in the shapes that Microsoft gives them, drawn from one source of randomness."""

import base64
import re
import uuid
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Gives that many random bytes; `secrets.token_bytes` by default, a seeded one where a run must be repeatable."""

ITEM = re.compile(r"AAMkAG[A-Za-z0-9_-]{142}AAA=")
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~.-"
# 66 signs do not divide 256: draws above this bound are thrown away, so that all signs are equally likely.
_FAIR = 256 - 256 % len(LETTERS)


def guid(entropy: Entropy) -> str:
    """A random GUID (version 4) in lower case."""
    return str(uuid.UUID(bytes=entropy(16), version=4))


def guid_or_new(value: str | None, entropy: Entropy) -> str:
    """The value if it is a GUID, in the usual spelling, else a new one."""
    return value.lower() if value and is_guid(value) else guid(entropy)


def is_guid(value: str) -> bool:
    """Whether that is a GUID in the usual spelling, in whatever case."""
    return GUID.fullmatch(value) is not None


def secret_value(entropy: Entropy) -> str:
    """A client secret in the shape of real ones: 40 signs, with a digit and `Q~` after the first three."""
    return f"{_letters(entropy, 3)}8Q~{_letters(entropy, 34)}"


def item_id(entropy: Entropy) -> str:
    """An opaque item id: long, case-sensitive, with `-`, `_` and `=`, as Exchange gives them."""
    return f"AAMkAG{encode(entropy(107))[:142]}AAA="


def is_item_id(value: str) -> bool:
    """Whether that has the form of an item id: one that was cut or put into lower case has not."""
    return ITEM.fullmatch(value) is not None


def token_id(entropy: Entropy) -> str:
    """The `uti` of a token: 16 bytes in base64url, without padding."""
    return encode(entropy(16))


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _letters(entropy: Entropy, count: int) -> str:
    letters = ""
    while len(letters) < count:
        letters += "".join(LETTERS[byte % len(LETTERS)] for byte in entropy(count) if byte < _FAIR)
    return letters[:count]
