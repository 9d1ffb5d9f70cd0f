"""Submitters: printers and programs that hand us mail with a name and a password.

Passwords are kept as argon2id hashes and checked off the loop. A hash costs tens of milliseconds on purpose, and a
printer connects anew for each message: so a login that was right is remembered for an hour, as a keyed digest that is
worthless outside this process.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import argon2

from pillarbox.core.accounts import Mailbox, Submitter
from pillarbox.core.errors import AuthenticationFailed, Conflict, InvalidInput, NotFound
from pillarbox.core.headers import address_key
from pillarbox.core.mail import Clock, is_address
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts

_T = TypeVar("_T")
OPERATOR: Final = "local"
LEAST_PASSWORD: Final = 8
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of a password made here: a person types it on the panel of a printer, so nothing to misread and no shift key."""
_LENGTH: Final = 24
_REMEMBERED: Final = 3600.0
_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one argon2id hash costs; the defaults are OWASP's second choice, 19 MiB and two passes."""

    memory_kib: int = 19 * 1024
    passes: int = 2


DEFAULT_COST: Final = HashCost()


class Submitters:
    """Adds, lists and authenticates submitters."""

    def __init__(self, accounts: Accounts, clock: Clock, cost: HashCost) -> None:
        self._accounts = accounts
        self._clock = clock
        self._hasher = argon2.PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)
        # Two at once are enough, and bound the memory that logins can take.
        self._hashing = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._cache_key = secrets.token_bytes(32)
        self._remembered: dict[bytes, tuple[float, Submitter]] = {}
        self._nobody = ""

    def close(self) -> None:
        """Let go of the threads."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    async def add(
        self, name: str, mailboxes: Sequence[str], senders: Sequence[str], password: Secret | None
    ) -> tuple[Submitter, Secret]:
        """Make a submitter that sends from `mailboxes`; return it and its password, made here if none is given.

        Mail from each mailbox's own address leaves from that mailbox; mail from the further `senders` from the first.
        Raises InvalidInput, NotFound for a mailbox, Conflict for a name that is taken.
        """
        if not _NAME.fullmatch(name) or name == OPERATOR:
            raise InvalidInput("submitter.bad_name", name=name)
        if password is not None and len(password.reveal()) < LEAST_PASSWORD:
            raise InvalidInput("submitter.weak_password", least=LEAST_PASSWORD)
        boxes = [await self._mailbox(address) for address in mailboxes]
        if not boxes:
            raise InvalidInput("submitter.no_sender")
        for sender in senders:
            if not is_address(sender):
                raise InvalidInput("mailbox.bad_address", address=sender)
        secret = password or Secret("".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)))
        allowed = {address_key(sender): (sender, boxes[0]) for sender in senders}
        allowed |= {address_key(box.address): (box.address, box) for box in boxes}
        digest = await self._in_thread(self._hasher.hash, secret.reveal())
        submitter = await self._accounts.add_submitter(name, digest, allowed.values())
        if submitter is None:
            raise Conflict("submitter.exists", name=name)
        return submitter, secret

    async def remove(self, name: str) -> None:
        """Forget a submitter: its next login fails. Raises NotFound."""
        if not await self._accounts.remove_submitter(name):
            raise NotFound("submitter.not_found", name=name)
        self._remembered = {key: entry for key, entry in self._remembered.items() if entry[1].name != name}

    async def authenticate(self, name: str, password: Secret) -> Submitter:
        """The submitter of this name and password. Raises AuthenticationFailed, after the same time for every name."""
        mark = hmac.digest(self._cache_key, f"{name}\0{password.reveal()}".encode(), hashlib.sha256)
        remembered = self._remembered.get(mark)
        if remembered is not None and remembered[0] > self._clock():
            return remembered[1]
        found = await self._accounts.submitter(name)
        digest = found.password_hash if found else await self._hash_of_nobody()
        right = await self._in_thread(self._verify, digest, password.reveal())
        if found is None or not right:
            raise AuthenticationFailed("submitter.wrong_password")
        self._remember(mark, found.submitter)
        return found.submitter

    async def get(self, name: str) -> Submitter:
        """The submitter of this name. Raises NotFound."""
        found = await self._accounts.submitter(name)
        if found is None:
            raise NotFound("submitter.not_found", name=name)
        return found.submitter

    async def operator(self) -> Submitter:
        """Whoever may open the local socket: may send from every mailbox."""
        boxes = await self._accounts.mailboxes()
        return Submitter(0, OPERATOR, {address_key(box.address): box for box in boxes})

    async def list(self) -> list[Submitter]:
        """All submitters, by name."""
        return await self._accounts.submitters()

    async def _mailbox(self, address: str) -> Mailbox:
        mailbox = await self._accounts.mailbox(address)
        if mailbox is None:
            raise NotFound("mailbox.not_found", address=address)
        return mailbox

    def _remember(self, mark: bytes, submitter: Submitter) -> None:
        now = self._clock()
        self._remembered = {key: entry for key, entry in self._remembered.items() if entry[0] > now}
        self._remembered[mark] = (now + _REMEMBERED, submitter)

    async def _hash_of_nobody(self) -> str:
        """A hash to check against when there is no such name, so that the time does not tell."""
        if not self._nobody:
            self._nobody = await self._in_thread(self._hasher.hash, secrets.token_urlsafe(18))
        return self._nobody

    def _verify(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except argon2.exceptions.VerificationError:
            return False

    async def _in_thread(self, work: Callable[..., _T], *arguments: str) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, work, *arguments)
