"""Secrets at rest: a type that cannot be printed, and AES-256-GCM that binds each sealed value to its row.

A sealed value is  version (1 byte) | key id (4) | nonce (12) | ciphertext and tag.  The associated data names table,
row and column, so that a sealed value copied into another row does not open. The key id tells which key of the ring
is meant (core/master_key.py); version and key id together are the value's header.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pillarbox.core.errors import ConfigError
from pillarbox.core.master_key import KEY_BYTES, key_id

_VERSION: Final = b"\x01"
_HEADER_BYTES: Final = 5
_NONCE_BYTES: Final = 12


class Secret:
    """A text that shows only stars. `reveal()` at the point of use, and nowhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "********"

    def __getstate__(self) -> object:
        # What pickle and copy ask for.
        raise TypeError("a Secret is not copied: it would leave the process in clear")


@dataclass(frozen=True, slots=True)
class _Ring:
    """Headers and their ciphers, replaced as one."""

    header: bytes
    ciphers: Mapping[bytes, AESGCM]


class Vault:
    """Seals values with the first key of a ring, and opens those of every key in it."""

    def __init__(self, *keys: bytes) -> None:
        self.use(keys)

    def use(self, keys: Sequence[bytes]) -> None:
        """Take another ring, at once: what is sealed from now on is sealed by its first key.

        Raises ConfigError `vault.key_length` for a key that has not 32 bytes.
        """
        for key in keys:
            if len(key) != KEY_BYTES:
                raise ConfigError("vault.key_length", length=len(key))
        headers = [_VERSION + key_id(key) for key in keys]
        self._ring = _Ring(headers[0], dict(zip(headers, map(AESGCM, keys), strict=True)))

    @property
    def header(self) -> bytes:
        """How a value begins that is sealed now."""
        return self._ring.header

    def seal(self, value: bytes, bound_to: str) -> bytes:
        """Encrypt `value` for the place `bound_to`, such as `credentials/cred_5f/sealed`.

        Hand the result to the database without awaiting anything in between: a rotation drops the old key when all
        that was handed in before it began is durable.
        """
        ring = self._ring
        nonce = os.urandom(_NONCE_BYTES)
        return ring.header + nonce + ring.ciphers[ring.header].encrypt(nonce, value, ring.header + bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises ConfigError `vault.wrong_key` for a value of a key that is not in the ring, `vault.damaged` for a changed
        or moved one.
        """
        header, nonce, ciphertext = header_of(sealed), sealed[5:17], sealed[17:]
        ring = self._ring
        missing = key_id_of(header)
        if missing is None:
            raise ConfigError("vault.damaged", place=bound_to)
        if header not in ring.ciphers:
            present = ", ".join(known[1:].hex() for known in ring.ciphers)
            raise ConfigError("vault.wrong_key", missing=missing, origin="the vault", present=present)
        try:
            return ring.ciphers[header].decrypt(nonce, ciphertext, header + bound_to.encode())
        except (InvalidTag, ValueError):  # ValueError: cut off within the nonce
            raise ConfigError("vault.damaged", place=bound_to) from None

    def sealed(self, value: bytes, bound_to: str) -> bool:
        """Whether one of the keys sealed this value for that place, whatever key id stands in its header now."""
        return any(self._opens(value, header, cipher, bound_to) for header, cipher in self._ring.ciphers.items())

    @staticmethod
    def _opens(value: bytes, header: bytes, cipher: AESGCM, bound_to: str) -> bool:
        try:
            cipher.decrypt(value[5:17], value[17:], header + bound_to.encode())
        except (InvalidTag, ValueError):
            return False
        return True


def header_of(sealed: bytes) -> bytes:
    """The header of a sealed value."""
    return sealed[:_HEADER_BYTES]


def key_id_of(header: bytes) -> str | None:
    """The id of the key that a header names; None for what is no header of ours."""
    ours = len(header) == _HEADER_BYTES and header.startswith(_VERSION)
    return header[1:].hex() if ours else None
