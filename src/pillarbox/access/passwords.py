"""Passwords: kept as argon2id hashes, checked off the loop, and remembered for an hour where they were right.

A hash costs tens of milliseconds on purpose, and a printer connects anew for each message: so a login that was right is
remembered as a keyed digest that is worthless outside this process.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import argon2

from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret

_T = TypeVar("_T")
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of a password made here: a person types it on the panel of a printer, so nothing to misread and no shift key."""
_LENGTH: Final = 24
_REMEMBERED: Final = 3600.0
THREADS: Final = 2
"""Hashes at once: enough, and a bound on the memory that logins can take."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one argon2id hash costs; the defaults are OWASP's second choice, 19 MiB and two passes."""

    memory_kib: int = 19 * 1024
    passes: int = 2


DEFAULT_COST: Final = HashCost()


def make() -> Secret:
    """A new password."""
    return Secret("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)))


class Passwords:
    """Hashes passwords and checks them."""

    def __init__(self, cost: HashCost, clock: Clock) -> None:
        self._clock = clock
        self._hasher = argon2.PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, tuple[float, str]] = {}
        self._nobody = ""
        self.hashes = 0
        """How many passwords were checked."""

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: Secret) -> str:
        """The hash that is kept of a password."""
        return await self._in_thread(self._hasher.hash, _text(password))

    async def verify(self, kept: str, password: Secret) -> bool:
        """Whether this is the password of the hash `kept`; where there is none, no, after the same time."""
        # Made before it is known whether it is needed, so that the time does not tell.
        self._nobody = self._nobody or await self.hash(make())
        right, hashed = await self._in_thread(self._verify, kept or self._nobody, _text(password))
        self.hashes += hashed
        return right

    def remember(self, name: str, kept: str, password: Secret) -> None:
        """This password was right for the hash `kept`."""
        now = self._clock()
        self._right = {mark: entry for mark, entry in self._right.items() if entry[0] > now}
        self._right[self._mark(name, password)] = (now + _REMEMBERED, kept)

    def remembers(self, name: str, kept: str, password: Secret) -> bool:
        """Whether this password was right for the same hash within the hour."""
        until, remembered = self._right.get(self._mark(name, password), (0.0, ""))
        return kept == remembered and until > self._clock()

    def _mark(self, name: str, password: Secret) -> bytes:
        typed = f"{name}\0{password.reveal()}".encode("utf-8", "surrogatepass")
        # Not HMAC: that of OpenSSL lets other threads run meanwhile, and then waits for its turn.
        return hashlib.blake2b(typed, key=self._key).digest()

    def _verify(self, kept: str, password: bytes) -> tuple[bool, bool]:
        """Whether it is right, and whether that took a hash: one that is damaged takes none."""
        try:
            return self._hasher.verify(kept, password), True
        except argon2.exceptions.VerificationError as error:
            return False, isinstance(error, argon2.exceptions.VerifyMismatchError)

    async def _in_thread(self, work: Callable[..., _T], *arguments: str | bytes) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _text(password: Secret) -> bytes:
    return password.reveal().encode("utf-8", "surrogatepass")
