"""Tokens of ours: what a program shows by XOAUTH2 or OAUTHBEARER in the place of a password. Pure.

They are 256 bits of chance, so a plain SHA-256 keeps them safe, and checking one costs nothing.
"""

import base64
import hashlib
from typing import Final

from pillarbox.core.vault import Secret

PREFIX: Final = "pbx_"
"""So that a scanner for leaked secrets knows one."""
TOKEN_BYTES: Final = 32


def make(chance: bytes, owner: str = "") -> Secret:
    """A token of `TOKEN_BYTES` bytes of chance; one that says whose it is bears the id of its `owner`."""
    whose = f"{owner}_" if owner else ""
    return Secret(PREFIX + whose + base64.urlsafe_b64encode(chance).rstrip(b"=").decode("ascii"))


def digest(token: Secret) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.reveal().encode("utf-8", "surrogateescape")).hexdigest()
