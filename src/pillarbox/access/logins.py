"""A login at a door: what is asked of the guard, when a password is hashed, and when a failure is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from pillarbox.access import tokens
from pillarbox.access.guard import Failure, Guard, Patience
from pillarbox.access.passwords import THREADS, Passwords
from pillarbox.core import ip
from pillarbox.core.accounts import Login
from pillarbox.core.errors import AuthenticationFailed, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.store.submitters import Credentialed

_T = TypeVar("_T")
Sleep = Callable[[float], Awaitable[None]]
_LATE: Final = 0.1
"""Seconds after the end of a ban at which it is told: timers and clocks do not agree to the last bit."""
_BUSY: Final = "submitter.busy"
BY_TOKEN: Final = ("XOAUTH2", "OAUTHBEARER")
"""The mechanisms in which a token of ours stands in the place of a password."""


class Logins:
    """Checks logins. Strangers one by one, so that what the guard says of each counts all that came before it.

    `clock` measures patience, and is no time of day: one of those may jump, and a ban would last until it is right.
    `learned` is told of a site and the name that is known there now, or still: to be `remember`ed after a start.
    `banned` is told of a site that is kept out from now on, and the name that it tried last.
    """

    def __init__(
        self,
        passwords: Passwords,
        patience: Patience,
        clock: Clock,
        sleep: Sleep,
        log: Logger,
        learned: Callable[[str, str], None],
        banned: Callable[[str, str], None] = lambda _site, _name: None,
    ) -> None:
        self._passwords = passwords
        self._patience = patience
        self._guard = Guard(patience)
        self._clock = clock
        self._sleep = sleep
        self._log = log
        self._learned = learned
        self._banned = banned
        # One thread is left to those who are known.
        self._strangers = asyncio.Semaphore(THREADS - 1)
        self._known = asyncio.Semaphore(THREADS)
        self._waiting = 0
        self._running: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Check nothing more, and tell of no more bans."""
        for task in self._running:
            task.cancel()
        self._set_timer(None)

    def is_banned(self, peer: str) -> bool:
        """Whether a client at this address need not even connect."""
        self._tell_ended()
        return self._guard.is_banned(ip.site(peer), self._clock())

    def banned_for(self, peer: str) -> float:
        """Seconds for which strangers at this address are kept out; 0 where they are not."""
        return self._guard.banned_for(ip.site(peer), self._clock())

    def let_in(self, peer: str) -> bool:
        """Forget what failed at this address; whether it was kept out."""
        self._tell_ended()
        site = ip.site(peer)
        was_banned = self._guard.pardon(site)
        if was_banned:
            self._log.info("login.unbanned", address=site)
        return was_banned

    def remember(self, site: str, name: str, ago: float) -> None:
        """A name logged in rightly from this site so many seconds ago, before the start."""
        self._guard.learn(site, name, self._clock() - ago)

    def forget(self, name: str) -> None:
        """A submitter is no more."""
        self._guard.forget(name)

    async def check(self, login: Login, found: Credentialed | None) -> None:
        """Whether the login is that of the submitter `found`, its name's; without one it fails just the same.

        Raises, each after a while, AuthenticationFailed `submitter.wrong_password`, Unavailable `submitter.banned` and
        `submitter.busy`.
        """
        self._tell_ended()
        began = self._clock()
        try:
            if login.mechanism in BY_TOKEN:
                failure = self._by_token(login, found)
            else:
                failure = await self._finished(self._by_password(login, found.password_hash if found else ""))
        except Unavailable:
            # The same for a name that was hashed first, as it is known there: longer than a hash takes.
            await self._sleep(max(0.0, began + self._patience.least_delay - self._clock()))
            raise
        if failure is not None:
            await self._sleep(failure.delay)
            raise AuthenticationFailed("submitter.wrong_password")

    async def _finished(self, check: Coroutine[Any, Any, Failure | None]) -> Failure | None:
        """What `check` says. It goes on where the client is gone: a failure whose hash was begun counts."""
        return await asyncio.shield(self._begin(check))

    def _begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever waited may be gone: asyncio need not complain that nobody looked.

    def _by_token(self, login: Login, found: Credentialed | None) -> Failure | None:
        digest = tokens.digest(login.secret)
        if found is not None and any(token.hash == digest for token in found.tokens):
            self._succeeded(login)
            return None
        self._guard.check_ban(ip.site(login.peer), self._clock())
        return self._failed(login, hashed=False)

    async def _by_password(self, login: Login, kept: str) -> Failure | None:
        if self._remembers(login, kept):
            return None
        beside = self._begin(self._is_right_where_known(login, kept)) if self._knows(login) else None
        # In line with the strangers from the first moment on, for where the password is wrong.
        as_stranger = self._begin(self._as_stranger(login, kept, beside))
        try:
            return None if beside and await beside else await as_stranger
        finally:
            as_stranger.cancel()

    async def _as_stranger(self, login: Login, kept: str, beside: "asyncio.Task[bool | None] | None") -> Failure | None:
        """What becomes of a login where the site is not known, or its password wrong: the same, after the same time.

        `beside`: what is found of a password of one who is known; nothing is counted before, and nothing hashed twice.
        """
        site = ip.site(login.peer)
        try:
            self._guard.check(site, login.name, self._clock())
            async with self._turn():
                # While it waited, others have failed, or the same device has come in by another connection.
                if self._remembers(login, kept):
                    return None
                self._guard.check(site, login.name, self._clock())
                right = await beside if beside else None
                if right is None:
                    right = await self._is_right(login, kept)
                return None if right else self._failed(login)
        except Unavailable as error:
            if beside and await beside:
                return None
            if error.code == _BUSY:
                self._tell_banned(login, self._guard.turned_away(site, self._clock()))
            raise

    async def _is_right_where_known(self, login: Login, kept: str) -> bool | None:
        """Whether the password is right; None where it was not looked at, as too many wrong ones came meanwhile."""
        async with self._known:
            if self._remembers(login, kept):
                return True
            if not self._knows(login):
                return None
            right = await self._is_right(login, kept)
            if not right:
                self._guard.mistaken(ip.site(login.peer), login.name, self._clock())
            return right

    async def _is_right(self, login: Login, kept: str) -> bool:
        right = await self._passwords.verify(kept, login.secret)
        if right:
            self._passwords.remember(login.name, kept, login.secret)
            self._succeeded(login)
        return right

    def _remembers(self, login: Login, kept: str) -> bool:
        remembered = self._passwords.remembers(login.name, kept, login.secret)
        if remembered:
            self._succeeded(login)
        return remembered

    def _knows(self, login: Login) -> bool:
        return self._guard.knows(ip.site(login.peer), login.name, self._clock())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for a stranger's turn to hash. Raises Unavailable `submitter.busy` where too many wait already."""
        if self._waiting >= self._patience.waiting:
            raise Unavailable(_BUSY)
        self._waiting += 1
        try:
            async with self._strangers:
                yield
        finally:
            self._waiting -= 1

    def _succeeded(self, login: Login) -> None:
        site = ip.site(login.peer)
        if self._guard.succeeded(site, login.name, self._clock()):
            self._learned(site, login.name)

    def _failed(self, login: Login, *, hashed: bool = True) -> Failure:
        failure = self._guard.failed(ip.site(login.peer), login.name, self._clock(), hashed=hashed)
        self._tell_banned(login, failure)
        return failure

    def _tell_banned(self, login: Login, failure: Failure) -> None:
        if failure.banned:
            site = ip.site(login.peer)
            self._log.warning("login.banned", address=site, submitter=login.name, seconds=self._patience.ban)
            self._banned(site, login.name)
            self._tell_ended()

    def _tell_ended(self) -> None:
        """Tell which bans are over, and look again when the next one is."""
        for site in self._guard.take_ended(self._clock()):
            self._log.info("login.unbanned", address=site)
        self._set_timer(self._guard.next_end())

    def _set_timer(self, when: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None:
            wait = max(when - self._clock(), 0.0) + _LATE
            self._timer = asyncio.get_running_loop().call_later(wait, self._tell_ended)
