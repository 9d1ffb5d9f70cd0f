"""The master key: one key or a ring of them, where it comes from, and the file of ours that holds it.

A ring is written as keys of 64 hexadecimal digits with blanks or newlines between them (one key alone may be broken
into lines). The first one seals, all of
them open; so a new key stands in front of the old one until nothing is sealed by the old one any more.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pillarbox.core.errors import DISK_FULL, ConfigError, Unavailable

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys, the first of which seals, and where they come from: a variable, a file, a key vault.

    `file` is the file of ours, which a rotation may write; None where the keys come from elsewhere.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    origin: str
    file: Path | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids, in the same order."""
        return tuple(key_id(key).hex() for key in self.keys)

    def require(self, needed: Collection[str]) -> None:
        """Raises ConfigError `vault.wrong_key` where a key of an id in `needed` is not in the ring."""
        if missing := sorted(set(needed) - set(self.ids)):
            raise ConfigError(
                "vault.wrong_key", missing=", ".join(missing), origin=self.origin, present=", ".join(self.ids)
            )


@dataclass(frozen=True, slots=True)
class Needed:
    """What a store needs of a ring: how many values are sealed by the key of which id ("" where none can be read).

    `sealed_by` tells whether a few of the values were sealed by one of these keys, whatever id they name.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    sealed_by: Callable[[Sequence[bytes]], bool] = lambda _keys: False

    @property
    def ids(self) -> set[str]:
        """The ids that the values name."""
        return {*self.counts} - {""}

    def missing(self, ring: KeyRing) -> set[str]:
        """The ids of the keys without which a start must not go on.

        An id that one value alone names, in a store that this ring opens otherwise, is no lost key but a damaged value:
        a start that it stopped could not be cured. No damage gives two values the same four bytes.
        """
        unknown = self.ids - {*ring.ids}
        several = {id for id in unknown if self.counts[id] > 1}
        if several or unknown != self.ids or self.sealed_by(ring.keys):
            return several
        return unknown


def key_id(key: bytes) -> bytes:
    """Four bytes that tell a key from others and say nothing about it."""
    return hashlib.sha256(b"pillarbox key id" + key).digest()[:4]


def parse(text: str, origin: object) -> tuple[bytes, ...]:
    """The keys of a text, none twice. Raises ConfigError `vault.key_format` that names `origin`."""
    words = text.split()
    if not any(len(word) == 2 * KEY_BYTES for word in words):
        # One key in several lines: `head -c 32 /dev/urandom | xxd -p` breaks behind 60 digits.
        words = ["".join(words)]
    keys = tuple(dict.fromkeys(map(_key, words)))
    if not keys or not all(keys):
        raise ConfigError("vault.key_format", origin=origin)
    return keys


def _key(word: str) -> bytes:
    """The key of 64 digits; empty for a word that is none."""
    try:
        return bytes.fromhex(word) if len(word) == 2 * KEY_BYTES else b""
    except ValueError:
        return b""


def find(given: KeyRing | None, file: Path, needed: Needed, random: Callable[[int], bytes]) -> KeyRing:
    """The ring that was given, or that of the file of ours, which is made where it is missing and no store needs it.

    Raises ConfigError, or Unavailable `store.full`, and then has written nothing: a store that has lost its key must
    not get a new one.
    """
    if given is None:
        given = _make(file, random) if not needed.counts and not os.path.lexists(file) else read(file, needed.ids)
    given.require(needed.missing(given))
    if given.file is not None:
        _tidy(given.file)
    return given


def _tidy(file: Path) -> None:
    """Remove what a process that was killed has left beside the file: it holds keys, and nobody takes care of it."""
    try:
        _beside(file).unlink(missing_ok=True)
    except OSError:
        pass  # The next write will meet the same and say so.


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".new")


def read(file: Path, needed: Collection[str] = ()) -> KeyRing:
    """The ring in a file that its owner alone may read.

    Raises ConfigError; where the file is missing it names the keys that are `needed`.
    """
    try:
        text = _read_private(file)
    except FileNotFoundError:
        raise ConfigError("vault.key_missing", path=file, needed=", ".join(sorted(needed)) or "unknown") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config.unreadable_file", file=file, reason=_reason(error)) from error
    # What a link points to was put there by somebody else: the link must not become a file of ours.
    return KeyRing(parse(text, file), str(file), None if file.is_symlink() else file)


def _read_private(file: Path) -> str:
    # Non-blocking: a pipe in its place must not hang the start.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="ascii") as opened:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise ConfigError("vault.key_readable", path=file)
        return opened.read()


def _make(file: Path, random: Callable[[int], bytes]) -> KeyRing:
    ring = KeyRing((random(KEY_BYTES),), str(file), file)
    try:
        write(file, ring.keys)
    except OSError as error:
        if error.errno in DISK_FULL:
            _tidy(file)
            raise Unavailable("store.full") from error
        raise ConfigError("config.state_dir", path=file.parent, reason=_reason(error)) from error
    return ring


def write(file: Path, keys: Sequence[bytes]) -> None:
    """Put these keys into the file, readable by its owner alone: all of them or, cut off anywhere, what was there.

    When it returns they are on the disk. Raises OSError.
    """
    beside = _beside(file)
    beside.unlink(missing_ok=True)  # of a process that was killed here
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.writelines(key.hex() + "\n" for key in keys)
        opened.flush()
        os.fsync(descriptor)
    os.replace(beside, file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not plain text"
