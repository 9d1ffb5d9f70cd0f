"""Access tokens: fetched once, whoever waits for them, renewed before their end, and kept sealed in the store.

MSAL has no single flight: ours is around it, a lock in this process and a lease in the store for other ones. How a
token is asked for stands in `acquire.py`.
"""

import asyncio
import math
import random
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msal

from pillarbox.core import catalogue
from pillarbox.core.accounts import AppRegistration, Mailbox, MailboxState
from pillarbox.core.bearer import Challenge, TokenSource
from pillarbox.core.errors import ConfigError, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.scopes import Resource
from pillarbox.entra.acquire import Acquire, Memory, Want
from pillarbox.entra.authority import SignInNeeded, TokenRefused, TokenUnavailable

_DOUBT_AFTER: Final = 60
"""Seconds that a token with which a right was missing is still used, so that refusals make no storm of requests."""
_REFUSED_FOR: Final = 30
"""Seconds for which a refusal is the answer to whoever asks next, for the same reason."""
_LEASE: Final = 60
"""Seconds after which a process that took the right to ask, and was heard of no more, has lost it."""
_LOOK_AGAIN: Final = 0.1
"""Seconds between two looks whether another process has got the token."""
_LAST_USE: Final = 60
"""Seconds before its end until which an old token is used while no new one is to be had."""

Holder = AppRegistration | Mailbox
"""Who a token is for. A mailbox that nobody signed in for acts by its app registration."""


class TokenStore(Protocol):
    """Where token caches and credentials are kept. `store.accounts.Accounts` is one."""

    async def load_token_cache(self, owner: str) -> bytes | None:
        """What `save_token_cache` kept last for this owner."""

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        """Keep a cache until the next one comes."""

    async def needs_sign_in(self, mailbox: Mailbox, code: str) -> bool:
        """A sign-in is at its end: state and event in one transaction; False where that was known."""

    async def lease_token(self, owner: str, holder: str, seconds: float) -> bool:
        """The right to ask for a token of this owner; False while another process has it."""

    async def release_token(self, owner: str, holder: str) -> None:
        """Give the right back."""


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    value: str
    fetched_at: float
    renew_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last failure: the answer, without asking, to all who waited for it, and to everybody `until` then."""

    number: int
    until: float
    error: PillarboxError


@dataclass(slots=True)
class _Held:
    """What is known of one owner: its tokens, MSAL's memory, and the lock that makes requests one at a time."""

    owner: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    memory: Memory = field(default_factory=Memory)
    tokens: dict[Resource, _Token] = field(default_factory=dict)
    doubted: bool = False
    failures: int = 0
    failed: dict[Resource, _Failure] = field(default_factory=dict)


class Tokens:
    """Gives access tokens for Graph and Exchange Online, to apps and to mailboxes that somebody signed in for."""

    def __init__(
        self,
        acquire: Acquire,
        store: TokenStore,
        clock: Clock,
        log: Logger,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._acquire = acquire
        self._store = store
        self._clock = clock
        self._log = log
        self._chance = chance
        self._held: dict[str, _Held] = {}
        self._process = secrets.token_hex(8)

    async def token(
        self, holder: Holder, resource: Resource = Resource.GRAPH, challenge: Challenge | None = None
    ) -> str:
        """A token for a resource; with a challenge, never the one that was refused.

        Raises SignInNeeded, TokenRefused, TokenUnavailable, ConfigError.
        """
        owner = _owner(holder)
        held = self._held_of(owner)
        if token := self._usable(held, resource, challenge):
            return token
        seen = held.failures
        async with held.lock:
            # Whoever held the lock before may have fetched what we need, or failed at it.
            if token := self._usable(held, resource, challenge):
                return token
            self._fail_again(held, resource, seen)
            return await self._renewed(owner, held, resource, challenge or Challenge())

    async def fresh(self, holder: Holder, resource: Resource = Resource.GRAPH) -> str:
        """A new token from Microsoft now, past everything that is remembered, for a test. Raises as `token`."""
        owner = _owner(holder)
        held = self._held_of(owner)
        async with held.lock:
            held.doubted = True
            return await self._renewed(owner, held, resource, Challenge())

    def source(self, holder: Holder, resource: Resource = Resource.GRAPH) -> TokenSource:
        """What a client of Microsoft asks for tokens."""
        return lambda challenge: self.token(holder, resource, challenge)

    async def doubt(self, holder: Holder) -> None:
        """A right was missing: a consent given meanwhile shows in a new token only, so do not keep this one long."""
        owner = _owner(holder)
        held = self._held.get(owner.cache_owner)
        if held is None or held.doubted:
            return
        held.doubted = True
        # Nor past a restart.
        for entry in list(held.memory.cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN)):
            held.memory.cache.remove_at(entry)
        await self._keep(owner, held)

    @asynccontextmanager
    async def replacing(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """While a sign-in takes the place of another, nobody renews the old one: it would be kept over the new one."""
        held = self._held_of(mailbox)
        async with held.lock, self._lease(held.owner):
            yield
            held.memory, held.doubted = Memory(), False
            held.tokens.clear()
            held.failed.clear()

    def forget(self, holder: Holder) -> None:
        """Begin anew: its credential, its IDs, or who is signed in has changed."""
        if isinstance(holder, Mailbox):
            self._held.pop(holder.cache_owner, None)
        else:
            # Mailboxes are renewed by its credential too; which ones is not worth knowing.
            self._held.clear()

    # ---- one owner

    def _usable(self, held: _Held, resource: Resource, challenge: Challenge | None) -> str | None:
        token = held.tokens.get(resource)
        now = self._clock()
        if token is None or token.renew_at <= now or (challenge and challenge.rejected == token.value):
            return None
        if held.doubted and token.fetched_at + _DOUBT_AFTER <= now:
            return None
        return token.value

    def _fail_again(self, held: _Held, resource: Resource, seen: int) -> None:
        last = held.failed.get(resource)
        if last is not None and (last.number > seen or self._clock() < last.until):
            raise last.error.with_traceback(None)

    def _failed(self, held: _Held, resource: Resource, error: PillarboxError, seconds: float) -> None:
        held.failures += 1
        held.failed[resource] = _Failure(held.failures, self._clock() + seconds, error)

    def _held_of(self, owner: Holder) -> _Held:
        return self._held.setdefault(owner.cache_owner, _Held(owner.cache_owner))

    async def _renewed(self, owner: Holder, held: _Held, resource: Resource, challenge: Challenge) -> str:
        last = held.tokens.get(resource)
        try:
            token = await self._fetched(owner, held, resource, challenge)
        except TokenUnavailable as error:
            now = self._clock()
            wait = error.retry_after or 0.0
            if last and not challenge.rejected and not held.doubted and now < last.ends_at - _LAST_USE:
                # It still lives: mail goes on leaving while Entra ID cannot be asked.
                held.tokens[resource] = _Token(last.value, last.fetched_at, now + max(wait, _LAST_USE), last.ends_at)
                return last.value
            self._failed(held, resource, error, wait)
            raise
        except SignInNeeded as error:
            assert isinstance(owner, Mailbox)
            # Until `forget`: nothing but a person's sign-in can change it.
            self._failed(held, resource, error, math.inf)
            if await self._store.needs_sign_in(owner, f"AADSTS{error.number}" if error.number else error.code):
                self._log.error("mailbox.needs_sign_in", mailbox=owner.address, reason=error.sentence)
            raise
        except TokenRefused as error:
            self._failed(held, resource, error, _REFUSED_FOR)
            raise
        held.tokens[resource] = token
        held.failed.pop(resource, None)
        held.doubted = False
        return token.value

    async def _fetched(self, owner: Holder, held: _Held, resource: Resource, challenge: Challenge) -> _Token:
        if isinstance(owner, Mailbox) and owner.state is MailboxState.NEEDS_SIGN_IN:
            raise SignInNeeded("token.needs_sign_in", mailbox=owner.address)
        async with self._lease(held.owner):
            await self._load(held)
            last = held.tokens.get(resource)
            stale = {challenge.rejected, last.value if last else ""}
            if not held.doubted and not challenge.claims:
                # Another process, or this one before it was started anew, may have got a good one.
                result = await self._ask(owner, held.memory, Want(resource))
                token = self._token_of(held, result)
                if token.value not in stale and token.renew_at > self._clock():
                    await self._keep(owner, held)
                    return token
                stale.add(token.value)
            result = await self._ask(owner, held.memory, Want(resource, renew=True, claims=challenge.claims))
            token = self._token_of(held, result)
            await self._keep(owner, held)
            return token

    async def _ask(self, owner: Holder, memory: Memory, want: Want) -> Mapping[str, Any]:
        if isinstance(owner, Mailbox):
            result = await self._acquire.by_sign_in(owner, memory, want)
        else:
            result = await self._acquire.by_app(owner, memory, want)
        if result.get("token_source") != "cache":
            who = {"mailbox": owner.address} if isinstance(owner, Mailbox) else {"app": owner.name}
            self._log.info("token.fetched", **who, resource=want.resource.value, seconds=int(token_of(result)[1]))
        return result

    def _token_of(self, held: _Held, result: Mapping[str, Any]) -> _Token:
        value, left = token_of(result)
        life = max(left, _life(held.memory.cache, value))
        now = self._clock()
        # At 80 % of its life, not all at the same moment.
        renew_at = now + left - life * (0.2 + 0.05 * (self._chance() - 0.5))
        return _Token(value, now - (life - left), renew_at, now + left)

    async def _load(self, held: _Held) -> None:
        if held.memory.cache.has_state_changed:
            # Newer than what is stored, which a full disk did not let it replace.
            return
        try:
            if stored := await self._store.load_token_cache(held.owner):
                held.memory.cache.deserialize(stored.decode())
        except ConfigError as error:
            # A cache is only a cache: one that does not open is fetched anew.
            self._log.warning("store.unusable", where="token cache", code=error.code, reason=error.sentence)

    async def _keep(self, owner: Holder, held: _Held) -> None:
        """Keep what MSAL got. A refresh token that took another's place must be durable before its token is used."""
        if not held.memory.cache.has_state_changed:
            return
        try:
            await self._store.save_token_cache(held.owner, held.memory.cache.serialize().encode())
        except Unavailable as error:
            held.memory.cache.has_state_changed = True
            if isinstance(owner, Mailbox):
                raise
            # An app's token is good all the same: a full disk must not keep mail from leaving.
            self._log.error("store.unusable", where="token cache", code=error.code, reason=error.sentence)

    @asynccontextmanager
    async def _lease(self, owner: str) -> AsyncIterator[None]:
        """Hold the right to ask, waiting for a process that asks already: its token will do for us too."""
        try:
            # It may be another process, of which no event tells.
            while not await self._store.lease_token(owner, self._process, _LEASE):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN)
        except Unavailable as error:
            # Without a store that can be written nobody else asks either.
            self._log.error("store.unusable", where="token lease", code=error.code, reason=error.sentence)
            yield
            return
        try:
            yield
        finally:
            try:
                await self._store.release_token(owner, self._process)
            except Unavailable as error:
                self._log.error("store.unusable", where="token lease", code=error.code, reason=error.sentence)


def _owner(holder: Holder) -> Holder:
    """Whose rights count: a mailbox without a sign-in acts by its app registration, unless it waits for one."""
    if isinstance(holder, Mailbox) and holder.sign_in is None and holder.state is MailboxState.OK:
        return holder.app
    return holder


def _life(cache: msal.SerializableTokenCache, value: str) -> float:
    """The whole life of a token that MSAL has in its cache, in seconds; 0 for one that it has not."""
    for entry in cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN):
        if entry.get("secret") == value:
            return float(entry["expires_on"]) - float(entry["cached_at"])
    return 0.0


def token_of(result: Mapping[str, Any]) -> tuple[str, float]:
    """The token and the seconds that it lives. Raises TokenUnavailable for what cannot be one."""
    try:
        value, life = str(result["access_token"]), float(result["expires_in"])
    except (KeyError, ValueError, TypeError):
        value, life = "", 0.0
    # It goes into a header: visible ASCII and nothing else (RFC 6750 section 2.1).
    if not re.fullmatch(r"[!-~]+", value):
        raise TokenUnavailable("microsoft.token_unavailable", text=catalogue.sentence("microsoft.no_token"))
    return value, life
