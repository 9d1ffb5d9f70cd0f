"""Submitters: printers, programs and people that hand us mail, and how each of them comes in.

All of them lie in memory, read when the store is opened and again after each change, so that a connection that was kept
open sees at its next message what an administrator has changed.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

from pillarbox.access import submitter_rules, tokens, unix_users
from pillarbox.access.guard import Patience
from pillarbox.access.logins import Logins, Sleep
from pillarbox.access.networks import NetworkTable
from pillarbox.access.passwords import HashCost, Passwords, make
from pillarbox.access.submitter_rules import Wanted
from pillarbox.core.accounts import Login, Submitter, UnixRule
from pillarbox.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from pillarbox.core.headers import address_key
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts
from pillarbox.store.submitters import Credentialed, SubmitterStore, Token

OPERATOR: Final = "local"
LEAST_PASSWORD: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_USED_EVERY: Final = 60.0
"""Seconds between two writes of when a submitter was last used."""


class Submitters:
    """Adds, changes and lists submitters, and says who comes in. `load` must have been called."""

    def __init__(
        self,
        accounts: Accounts,
        store: SubmitterStore,
        clock: Clock,
        random: Callable[[int], bytes],
        log: Logger,
        *,
        cost: HashCost,
        patience: Patience,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._random = random
        self._passwords = Passwords(cost, clock)
        self._logins = Logins(self._passwords, patience, clock, sleep, log)
        self._changing = asyncio.Lock()
        self._all: dict[str, Credentialed] = {}
        self._networks: NetworkTable[str] = NetworkTable({})
        self._unix: dict[UnixRule, str] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read all submitters."""
        found = [replace(one, submitter=replace(one.submitter, ways=_ways(one))) for one in await self._store.load()]
        self._all = {one.submitter.name: one for one in found}
        self._networks = NetworkTable({net: name for name, one in self._all.items() for net in one.submitter.networks})
        self._unix = {rule: name for name, one in self._all.items() for rule in one.submitter.unix}

    async def stop(self) -> None:
        """Finish what is being written and let go of the threads."""
        await asyncio.gather(*self._writing)
        self._logins.close()
        self._passwords.close()

    # ---- who comes in

    async def authenticate(self, login: Login) -> Submitter:
        """The submitter of this login.

        Raises AuthenticationFailed, after the same time for every name; Forbidden for one that is disabled;
        Unavailable `submitter.banned` for an address that failed too often, `submitter.busy` where too many fail.
        """
        found = self._all.get(login.name)
        await self._logins.check(login, found)
        return self.current(found.submitter if found else Submitter(0, login.name, {}))

    def of_network(self, peer: str) -> Submitter | None:
        """The submitter that a client at this address is, by the narrowest network that holds it."""
        return self._enabled(self._networks.find(peer))

    def of_unix(self, uid: int) -> Submitter | None:
        """The submitter that this user of this machine is: by itself, else by one of its groups."""
        return self._enabled(unix_users.of_uid(self._unix, uid))

    def is_banned(self, peer: str) -> bool:
        """Whether a client at this address has failed to log in so often that it need not even connect.

        Where a network says who it is, it may: whoever guesses passwords beside a printer must not shut it out.
        """
        return self._logins.is_banned(peer) and self.of_network(peer) is None

    def current(self, submitter: Submitter) -> Submitter:
        """A submitter that has come in, as it is now.

        Raises Forbidden `submitter.gone` and `submitter.disabled`; Unavailable `submitter.changed` where a way in of it
        is another one than when it came in, such as its password: it must log in again.
        """
        found = self._all.get(submitter.name)
        if found is None or found.submitter.id != submitter.id:
            raise Forbidden("submitter.gone", name=submitter.name)
        if not found.submitter.enabled:
            raise Forbidden("submitter.disabled", name=submitter.name)
        if found.submitter.ways != submitter.ways:
            raise Unavailable("submitter.changed", name=submitter.name)
        return found.submitter

    def used(self, submitter: Submitter) -> None:
        """It has handed in a message; kept in the background, at most once a minute."""
        found = self._all.get(submitter.name)
        if found is None or found.submitter.id != submitter.id:
            return
        now, last = self._clock(), found.submitter.last_used_at
        if last is not None and 0 <= now - last < _USED_EVERY:
            return
        self._all[submitter.name] = replace(found, submitter=replace(found.submitter, last_used_at=now))
        task = asyncio.get_running_loop().create_task(self._keep_used(submitter, now))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    # ---- what administrators do

    async def add(
        self, name: str, wish: Wanted, password: Secret | None = None, *, no_password: bool = False
    ) -> tuple[Submitter, Secret]:
        """Make a submitter; return it and its password, made here if none is given, empty with `no_password`.

        Raises InvalidInput, NotFound for a mailbox, Conflict for a name, a network or a user that is another one's.
        """
        if not _NAME.fullmatch(name) or name == OPERATOR:
            raise InvalidInput("submitter.bad_name", name=name)
        _check_password(password, no_password=no_password)
        async with self._changing:
            if name in self._all:
                raise Conflict("submitter.exists", name=name)
            new = await submitter_rules.wanted(
                self._accounts, Submitter(0, name, {}, has_password=not no_password), wish
            )
            self._check_ways(new, ())
            secret = Secret("") if no_password else password or make()
            digest = "" if no_password else await self._passwords.hash(secret)
            if not await self._store.add(new, digest):
                raise Conflict("submitter.exists", name=name)
            await self.load()
        return await self.get(name), secret

    async def change(
        self,
        name: str,
        wish: Wanted,
        password: Secret | None = None,
        *,
        no_password: bool = False,
        new_password: bool = False,
    ) -> tuple[Submitter, Secret]:
        """Change a submitter; return it and its `new_password`, empty where none was asked for.

        It counts at once, also for connections that are open. Raises as `add` does, and NotFound.
        """
        _check_password(password, no_password=no_password, new_password=new_password)
        async with self._changing:
            old = self._found(name)
            secret = make() if new_password else Secret("")
            digest = "" if no_password else old.password_hash
            if password is not None or new_password:
                digest = await self._passwords.hash(password or secret)
            kept = replace(old.submitter, has_password=bool(digest))
            new = await submitter_rules.wanted(self._accounts, kept, wish)
            self._check_ways(new, old.tokens)
            if not await self._store.change(new, digest):
                raise NotFound("submitter.not_found", name=name)
            await self.load()
        return await self.get(name), secret

    async def remove(self, name: str) -> None:
        """Forget a submitter: it cannot come in any more. Raises NotFound."""
        async with self._changing:
            if not await self._store.remove(name):
                raise NotFound("submitter.not_found", name=name)
            self._logins.forget(name)
            await self.load()

    async def get(self, name: str) -> Submitter:
        """The submitter of this name. Raises NotFound."""
        return self._found(name).submitter

    async def list(self) -> list[Submitter]:
        """All submitters, by name."""
        return [one.submitter for one in self._all.values()]

    async def operator(self) -> Submitter:
        """Whoever may open the local socket: may send from every mailbox."""
        boxes = await self._accounts.mailboxes()
        return Submitter(0, OPERATOR, {address_key(box.address): box for box in boxes}, fix_from=True)

    # ---- tokens

    async def add_token(self, name: str, token_id: str) -> Secret:
        """Make a token for a submitter; it is told only now. Raises InvalidInput, NotFound, Conflict for a taken id."""
        if not _NAME.fullmatch(token_id):
            raise InvalidInput("submitter.bad_token_id", id=token_id)
        async with self._changing:
            token = tokens.make(self._random(tokens.TOKEN_BYTES))
            if not await self._store.add_token(self._found(name).submitter, token_id, tokens.digest(token)):
                raise Conflict("submitter.token_exists", name=name, id=token_id)
            await self.load()
        return token

    async def tokens(self, name: str) -> tuple[Token, ...]:
        """The tokens of a submitter, oldest first. Raises NotFound."""
        return self._found(name).tokens

    async def remove_token(self, name: str, token_id: str) -> None:
        """Forget a token: nobody comes in by it any more. Raises NotFound."""
        async with self._changing:
            if not await self._store.remove_token(self._found(name).submitter, token_id):
                raise NotFound("submitter.no_token", name=name, id=token_id)
            await self.load()

    # ----

    def _found(self, name: str) -> Credentialed:
        found = self._all.get(name)
        if found is None:
            raise NotFound("submitter.not_found", name=name)
        return found

    def _enabled(self, name: str | None) -> Submitter | None:
        found = self._all.get(name) if name is not None else None
        return found.submitter if found is not None and found.submitter.enabled else None

    def _check_ways(self, new: Submitter, own_tokens: tuple[Token, ...]) -> None:
        if not (new.has_password or own_tokens or new.networks or new.unix):
            raise InvalidInput("submitter.no_way_in")
        for one in (one.submitter for name, one in self._all.items() if name != new.name):
            for network in new.networks:
                if network in one.networks:
                    raise Conflict("submitter.network_taken", network=network, other=one.name)
            for rule in new.unix:
                if rule in one.unix:
                    raise Conflict("submitter.unix_taken", kind=rule.kind, name=rule.name, other=one.name)

    async def _keep_used(self, submitter: Submitter, at: float) -> None:
        try:
            await self._store.used(submitter, at)
        except Unavailable:
            pass  # Only a figure for people; whoever writes mail to the same disk says what is the matter.


def _check_password(password: Secret | None, *, no_password: bool, new_password: bool = False) -> None:
    if sum((password is not None, no_password, new_password)) > 1:
        raise InvalidInput("submitter.one_password")
    if password is not None and len(password.reveal()) < LEAST_PASSWORD:
        raise InvalidInput("submitter.weak_password", least=LEAST_PASSWORD)


def _ways(one: Credentialed) -> str:
    """A text that is another one when the password, a token, a network or a user of the submitter is."""
    ways = (one.password_hash, [token.hash for token in one.tokens], one.submitter.networks, one.submitter.unix)
    return sha256(repr(ways).encode()).hexdigest()
