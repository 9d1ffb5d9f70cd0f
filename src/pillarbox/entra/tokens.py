"""Access tokens: fetched once, whoever waits for them, renewed before their end, and kept sealed in the store.

MSAL has no single flight: ours is around it, a lock in this process and a lease in the store for other ones. How a
token is asked for stands in `acquire.py`.
"""

import asyncio
import math
import random
import re
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
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
from pillarbox.entra.held import Held, Token

_REFUSED_FOR: Final = 30
"""Seconds for which a refusal is the answer to whoever asks next, for the same reason."""
_LEASE: Final = 180
"""Seconds after which a process that took the right to ask, and was heard of no more, has lost it."""
_LOOK_AGAIN: Final = 0.1
"""Seconds between two looks whether another process has got the token."""

Holder = AppRegistration | Mailbox
"""Who a token is for. A mailbox that nobody signed in for acts by its app registration."""


class TokenStore(Protocol):
    """Where token caches and credentials are kept. `store.accounts.Accounts` is one."""

    async def load_token_cache(self, owner: str) -> bytes | None:
        """What `save_token_cache` kept last for this owner."""

    async def save_token_cache(self, owner: str, content: bytes) -> None:
        """Keep a cache until the next one comes."""

    async def mailbox_by_id(self, mailbox_id: int) -> Mailbox:
        """The mailbox as it is now."""

    async def needs_sign_in(self, mailbox: Mailbox, code: str) -> bool:
        """A sign-in is at its end: state and event in one transaction; False where that was known."""

    async def lease_token(self, owner: str, holder: str, seconds: float) -> bool:
        """The right to ask for a token of this owner; False while another process has it."""

    async def release_token(self, owner: str, holder: str) -> None:
        """Give the right back."""


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
        self._held: dict[str, Held] = {}
        self._process = secrets.token_hex(8)
        self._asking: set[asyncio.Task[str]] = set()

    async def token(
        self, holder: Holder, resource: Resource = Resource.GRAPH, challenge: Challenge | None = None
    ) -> str:
        """A token for a resource; with a challenge, never the one that was refused.

        Raises SignInNeeded, TokenRefused, TokenUnavailable, ConfigError.
        """
        owner, challenge = _owner(holder), challenge or Challenge()
        held = self._held_of(owner)
        if token := held.good(resource, challenge, self._clock()):
            return token
        return await self._to_the_end(self._wait_or_ask(owner, held, resource, challenge, held.failures))

    async def fresh(self, holder: Holder, resource: Resource = Resource.GRAPH) -> str:
        """A new token from Microsoft now, past everything that is remembered, for a test: what is in use stays.

        Raises as `token`; TokenUnavailable while Microsoft has asked to be left alone.
        """
        owner = _owner(holder)
        held = self._held_of(owner)
        # Who presses the button while a test asks gets its answer.
        asking = held.anew.get(resource)
        if asking is None or asking.done():
            asking = held.anew[resource] = self._begun(self._ask_anew(owner, held, resource))
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """Give up what is on its way."""
        asking = [*self._asking]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def source(self, holder: Holder, resource: Resource = Resource.GRAPH) -> TokenSource:
        """What a client of Microsoft asks for tokens."""
        return lambda challenge: self.token(holder, resource, challenge)

    async def doubt(self, holder: Holder) -> None:
        """A right was missing: a consent given meanwhile shows in a new token only, so do not keep this one long."""
        owner = _owner(holder)
        held = self._held_of(owner)
        if not held.doubted:
            held.doubted = True
            self._begun(self._let_go(owner, held))

    async def _let_go(self, owner: Holder, held: Held) -> str:
        """Keep the tokens that are in doubt not past a restart either."""
        async with held.lock, self._lease(held.owner):
            for entry in list(held.memory.cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN)):
                held.memory.cache.remove_at(entry)
            await self._keep(owner, held)
        return ""

    @asynccontextmanager
    async def replacing(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """While a sign-in takes the place of another, nobody renews the old one: it would be kept over the new one."""
        held = self._held_of(mailbox)
        async with held.lock, self._lease(held.owner):
            yield
            held.begin_anew()

    def forget(self, holder: Holder) -> None:
        """Begin anew: its credential, its IDs, or who is signed in has changed."""
        if isinstance(holder, Mailbox):
            self._held_of(holder).begin_anew()
            return
        # Mailboxes are renewed by its credential too; which ones is not worth knowing.
        for held in self._held.values():
            held.begin_anew()

    # ---- one owner

    async def _to_the_end(self, work: Coroutine[Any, Any, str]) -> str:
        """Whoever waits may give up; the request goes on, as a refresh token that it brings must not be lost."""
        return await asyncio.shield(self._begun(work))

    def _begun(self, work: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
        task = asyncio.create_task(work, name="token")
        self._asking.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited may have given up

    def _held_of(self, owner: Holder) -> Held:
        key = _key(owner)
        if key not in self._held:
            self._held[key] = Held(owner.cache_owner)
        return self._held[key]

    async def _wait_or_ask(self, owner: Holder, held: Held, resource: Resource, challenge: Challenge, seen: int) -> str:
        async with held.lock:
            # Whoever held the lock before may have fetched what we need, or failed at it.
            if token := held.good(resource, challenge, self._clock()):
                return token
            pause = held.pause(resource, seen, self._clock())
            try:
                if pause is not None:
                    raise pause.answer(self._clock())
                if held.challenged_again(resource, challenge, self._clock()):
                    raise TokenRefused("token.not_taken", resource=resource.value)
                return await self._renewed(owner, held, resource, challenge)
            except (TokenUnavailable, TokenRefused, ConfigError) as error:
                # The last one still lives: mail goes on leaving while there is no new one.
                last = held.last_resort(resource, challenge, self._clock())
                if last is None or isinstance(error, SignInNeeded):
                    raise
                self._log.warning("token.not_renewed", **_who(owner), reason=error.sentence)
                return last

    async def _ask_anew(self, owner: Holder, held: Held, resource: Resource) -> str:
        async with held.lock:
            now = self._clock()
            pause = held.pauses.get(resource)
            if pause is not None and pause.asked_to and pause.runs(now):
                raise pause.answer(now)
            return await self._renewed(owner, held, resource, Challenge(), anew=True)

    async def _renewed(
        self, owner: Holder, held: Held, resource: Resource, challenge: Challenge, *, anew: bool = False
    ) -> str:
        if isinstance(owner, Mailbox):
            # The caller's word of it may be old: somebody may have signed in since.
            owner = await self._store.mailbox_by_id(owner.id)
            if _owner(owner) is not owner:
                return await self.token(owner, resource, challenge)
        generation = held.generation
        try:
            token = await self._fetched(owner, held, resource, challenge, anew=anew or held.doubted)
        except PillarboxError as error:
            if held.generation != generation:
                # What was refused is not what counts now.
                return await self._renewed(owner, held, resource, challenge, anew=anew)
            await self._note(owner, held, resource, error, anew=anew)
            raise
        if held.generation == generation:
            held.keep(resource, token, challenge, self._clock())
            return token.value
        return await self._renewed(owner, held, resource, challenge, anew=anew)

    async def _note(self, owner: Holder, held: Held, resource: Resource, error: PillarboxError, *, anew: bool) -> None:
        """Remember a failure, for as long as asking again would be in vain."""
        now = self._clock()
        match error:
            case TokenUnavailable(retry_after=float() as wait):
                held.begin_pause(resource, error, now, wait, asked_to=True)
            case TokenUnavailable():
                # A test's failures make no pause longer for those who do not test.
                held.begin_pause(resource, error, now, 0.0 if anew else held.growing_pause(resource))
            case SignInNeeded():
                assert isinstance(owner, Mailbox)
                # Until `forget`: nothing but a person's sign-in can change it.
                held.begin_pause(resource, error, now, math.inf)
                held.tokens.clear()
                if await self._store.needs_sign_in(owner, f"AADSTS{error.number}" if error.number else error.code):
                    self._log.error("mailbox.needs_sign_in", mailbox=owner.address, reason=error.sentence)
            case TokenRefused() | ConfigError():
                held.begin_pause(resource, error, now, _REFUSED_FOR)

    async def _fetched(
        self, owner: Holder, held: Held, resource: Resource, challenge: Challenge, *, anew: bool
    ) -> Token:
        if isinstance(owner, Mailbox) and owner.state is MailboxState.NEEDS_SIGN_IN:
            code = "token.needs_sign_in" if owner.sign_in else "token.never_signed_in"
            raise SignInNeeded(code, mailbox=owner.address)
        async with self._lease(held.owner):
            await self._load(owner, held)
            # What is forgotten meanwhile takes this memory with it: nothing of it is kept.
            memory, last = held.memory, held.tokens.get(resource)
            if not anew and not challenge.claims:
                # Another process, or this one before it was started anew, may have got a good one.
                token = self._token_of(memory, await self._ask(owner, memory, Want(resource)))
                stale = {challenge.rejected, last.value if last else ""}
                if token.value not in stale and token.renew_at > self._clock():
                    await self._keep(owner, held)
                    return token
            result = await self._ask(owner, memory, Want(resource, renew=True, claims=challenge.claims))
            token = self._token_of(memory, result)
            await self._keep(owner, held)
            return token

    async def _ask(self, owner: Holder, memory: Memory, want: Want) -> Mapping[str, Any]:
        if isinstance(owner, Mailbox):
            result = await self._acquire.by_sign_in(owner, memory, want)
        else:
            result = await self._acquire.by_app(owner, memory, want)
        if result.get("token_source") != "cache":
            self._log.info(
                "token.fetched", **_who(owner), resource=want.resource.value, seconds=int(token_of(result)[1])
            )
        return result

    def _token_of(self, memory: Memory, result: Mapping[str, Any]) -> Token:
        value, left = token_of(result)
        life = max(left, _life(memory.cache, value))
        now = self._clock()
        # At 80 % of its life, not all at the same moment.
        renew_at = now + left - life * (0.2 + 0.05 * (self._chance() - 0.5))
        return Token(value, now - (life - left), renew_at, now + left)

    async def _load(self, owner: Holder, held: Held) -> None:
        if held.memory.cache.has_state_changed:
            # Newer than what is stored, which a full disk did not let it replace.
            return
        try:
            if stored := await self._store.load_token_cache(held.owner):
                held.memory.cache.deserialize(stored.decode())
        except ConfigError as error:
            if isinstance(owner, Mailbox):
                # The person's sign-in is in it, and is not at its end for that.
                raise
            # A cache is only a cache: one that does not open is fetched anew.
            self._log.warning("store.unusable", where="token cache", code=error.code, reason=error.sentence)

    async def _keep(self, owner: Holder, held: Held) -> None:
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


def _who(owner: Holder) -> dict[str, str]:
    return {"mailbox": owner.address} if isinstance(owner, Mailbox) else {"app": owner.name}


def _key(owner: Holder) -> str:
    """The name under which an owner is remembered: with other IDs an app registration is another owner."""
    app = owner.app if isinstance(owner, Mailbox) else owner
    return f"{owner.cache_owner} {app.tenant_id} {app.client_id}"


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
