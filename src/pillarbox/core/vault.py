"""Secrets at rest: a type that cannot be printed, and AES-256-GCM that binds each sealed value to its row.

A sealed value is  version (1 byte) | key id (4) | nonce (12) | ciphertext and tag.  The associated data names table,
row and column, so that a sealed value copied into another row does not open. The key id tells which key of a ring is
meant; rotation and key vaults come with the identity work.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pillarbox.core.errors import ConfigError

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
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

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is not pickled: it would leave the process in clear")


class Vault:
    """Seals and opens values with one master key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigError("vault.key_length", length=len(key))
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"pillarbox key id" + key).digest()[:4]

    def seal(self, value: bytes, bound_to: str) -> bytes:
        """Encrypt `value` for the place `bound_to`, such as `apps/3/secret`."""
        nonce = os.urandom(_NONCE_BYTES)
        header = _VERSION + self._key_id
        return header + nonce + self._cipher.encrypt(nonce, value, header + bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises ConfigError `vault.wrong_key` for a value of another key, `vault.damaged` for a changed or moved one.
        """
        header, nonce, ciphertext = sealed[:5], sealed[5:17], sealed[17:]
        if header != _VERSION + self._key_id:
            raise ConfigError("vault.wrong_key")
        try:
            return self._cipher.decrypt(nonce, ciphertext, header + bound_to.encode())
        except (InvalidTag, ValueError):  # ValueError: cut off within the nonce
            raise ConfigError("vault.damaged", place=bound_to) from None


def read_master_key(path: Path, *, make: Callable[[int], bytes] | None = os.urandom) -> bytes:
    """The master key in the file `path` (64 hexadecimal digits, readable by its owner only).

    A missing file is made by `make`, or with `make=None` is an error: a store that holds sealed values and has lost
    its key must not get a new one. Raises ConfigError.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError("vault.key_readable", path=path)
        return parse_master_key(path.read_text("ascii"), path)
    except FileNotFoundError:
        if make is None:
            raise ConfigError("vault.key_missing", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config.unreadable_file", file=path, reason=_reason(error)) from error
    try:
        return _write_new_key(path, make(KEY_BYTES))
    except OSError as error:
        raise ConfigError("config.state_dir", path=path.parent, reason=_reason(error)) from error


def parse_master_key(text: str, origin: object) -> bytes:
    """The key written as 64 hexadecimal digits. Raises ConfigError `vault.key_format` that names `origin`."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError("vault.key_format", origin=origin)
    return key


def _write_new_key(path: Path, key: bytes) -> bytes:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return key


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not plain text"
