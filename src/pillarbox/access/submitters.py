"""Submitters: printers, programs and people that hand us mail, and how each of them comes in.

All of them lie in memory, read when the store is opened and again after each change, so that a connection that was kept
open sees at its next message what an administrator has changed.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from hashlib import sha256
from heapq import nlargest
from typing import Any, Final

from pillarbox.access import submitter_rules, tokens
from pillarbox.access.audit import Actor, Audit
from pillarbox.access.guard import Patience
from pillarbox.access.logins import BY_TOKEN, Logins, Sleep
from pillarbox.access.networks import NetworkTable
from pillarbox.access.passwords import HashCost, Passwords, make
from pillarbox.access.refusals import Refusals
from pillarbox.access.submitter_rules import Wanted
from pillarbox.access.unix_users import REFRESHED, UnixTable
from pillarbox.core import ip
from pillarbox.core.accounts import NAME, Login, Submitter
from pillarbox.core.errors import (
    AuthenticationFailed,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PillarboxError,
    Unavailable,
)
from pillarbox.core.headers import address_key
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts
from pillarbox.store.submitters import Credentialed, KnownSite, SubmitterStore, Token

OPERATOR: Final = "local"
LEAST_PASSWORD: Final = 8
_Way = tuple[str, str]
"""The name of a submitter and one of its ways in, as `_way` writes it."""
_USED_EVERY: Final = 60.0
"""Seconds between two writes of when a submitter was last used."""
_LONGEST_NAME: Final = 64
_MOST_COMPARED: Final = 1000
"""Names whose letters a mistyped one is compared with: it takes 10 ms, in which nobody else is served."""
_MOST_ALIKE: Final = 10
"""Of them those whose order of letters is compared too, which takes much longer: strangers choose what they type."""
_LIKE: Final = 0.85
"""How much alike two names are, of 1, that a person may take for one."""
_ENDS: Final = frozenset(
    {"smtp.timeout", "smtp.stopping", "smtp.idle_commands", "smtp.too_many_failures", "smtp.too_many_errors"}
)
"""Why a connection was ended, which is of no mail; or what was refused in it says more."""
_LATELY: Final = 86_400.0
"""Seconds."""


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
        audit: Audit | None = None,
        monotonic: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        refreshed: float = REFRESHED,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._random = random
        self._passwords = Passwords(cost, monotonic)
        self._patience = patience
        self._log = log
        self._audit = audit
        self._logins = Logins(self._passwords, patience, monotonic, sleep, log, self._learned, self._banned)
        self.refusals = Refusals(clock)
        self._changing = asyncio.Lock()
        self._all: dict[str, Credentialed] = {}
        self._by_way: dict[_Way, Submitter] = {}
        self._by_token: dict[str, str] = {}
        self._networks: NetworkTable[_Way] = NetworkTable({})
        self._unix: UnixTable[_Way] = UnixTable({})
        self._refreshed = refreshed
        self._refreshing: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read all submitters, and from where they logged in lately."""
        await self._read()
        for known in await self._store.known_sites(self._known_since(), self._patience.remembered):
            # What comes from the future, as the clock went back, was just now.
            self._logins.remember(known.site, known.name, max(0.0, self._clock() - known.at))

    async def refresh(self) -> None:
        """Mailboxes send otherwise than before: read all submitters anew, as each holds its mailboxes."""
        async with self._changing:
            await self._read()

    async def _read(self) -> None:
        found = {one.submitter.name: one for one in await self._store.load()}
        everybody = found.items()
        rules = {rule: (name, _way(*rule)) for name, one in everybody for rule in one.submitter.unix}
        unix = await asyncio.to_thread(UnixTable, rules)
        # No await from here on: all of it is of one moment.
        self._all, self._unix = found, unix
        self._by_way = {
            (name, way): replace(one.submitter, way=way) for name, one in everybody for way in _ways_in(one)
        }
        self._by_token = {token.hash: name for name, one in everybody for token in one.tokens}
        self._networks = NetworkTable(
            {net: (name, _way("network", net)) for name, one in everybody for net in one.submitter.networks}
        )
        if rules and self._refreshing is None:
            self._refreshing = asyncio.create_task(self._keep_unix_fresh())

    async def stop(self) -> None:
        """Finish what is being written and let go of the threads."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        await asyncio.gather(*self._writing)
        self._logins.close()
        self._passwords.close()

    # ---- who comes in

    async def authenticate(self, login: Login) -> Submitter:
        """The submitter of this login.

        Raises AuthenticationFailed, after the same time for every name, also of one that is disabled; Unavailable
        `submitter.banned` for an address that failed too often, `submitter.busy` where too many fail.
        """
        digest = tokens.digest(login.secret) if login.mechanism in BY_TOKEN else ""
        if login.mechanism == "OAUTHBEARER" and not login.name:
            # RFC 7628 section 3.1: the token may say alone who it is.
            login = replace(login, name=self._by_token.get(digest, ""))
        found = self._all.get(login.name) or Credentialed(Submitter(0, login.name, {}), "")
        try:
            # Who is disabled has no password that could be right, and so learns nothing by its reply.
            await self._logins.check(login, found if found.submitter.enabled else None)
        except AuthenticationFailed:
            if not found.submitter.enabled:
                self._log.warning("login.disabled", submitter=login.name, address=login.peer)
                if self._audit is not None:
                    actor = Actor("submitter", login.name, login.name, "smtp", login.peer)
                    self._audit.soon(actor, "log_in", login.name, outcome="refused")
            raise
        self.refusals.came_in(login.peer)
        way = _way("token", digest) if digest else _way("password", found.password_hash)
        return self._as_now(found.submitter.name, found.submitter.id, way)

    def _banned(self, site: str, name: str) -> None:
        if self._audit is not None:
            self._audit.soon(Actor("nobody", "", name, "smtp", site), "ban_address", site)

    def of_network(self, peer: str) -> Submitter | None:
        """The submitter that a client at this address is, by the narrowest network that holds it."""
        return self._enabled(self._networks.find(peer))

    def of_unix(self, uid: int) -> Submitter | None:
        """The submitter that this user of this machine is: by itself, else by one of its groups.

        Raises Forbidden `submitter.disabled`: mail in the fallback folder waits for it.
        """
        way = self._unix.find(uid)
        found = self._enabled(way)
        if way is not None and found is None:
            raise Forbidden("submitter.disabled", name=way[0])
        return found

    def is_banned(self, peer: str) -> bool:
        """Whether a client at this address has failed to log in so often that it need not even connect.

        Where a network says who it is, it may: whoever guesses passwords beside a printer must not shut it out.
        """
        return self._logins.is_banned(peer) and self.of_network(peer) is None

    def kept_out_until(self, peer: str) -> float | None:
        """Until when logins from this address are refused, as too many failed there; None where they are not."""
        left = self._logins.banned_for(peer)
        return self._clock() + left if left else None

    def let_in(self, peer: str) -> bool:
        """Forget what failed at this address, so that it may log in at once; whether it was kept out."""
        self.refusals.let_in(peer)
        return self._logins.let_in(peer)

    def current(self, submitter: Submitter) -> Submitter:
        """A submitter that has come in, as it is now.

        Raises Forbidden `submitter.gone` and `submitter.disabled`; Unavailable `submitter.changed` where the way by
        which it came in, such as its password, is none any more: it must log in again. The others do not matter.
        """
        return self._as_now(submitter.name, submitter.id, submitter.way)

    def _as_now(self, name: str, number: int, way: str) -> Submitter:
        found = self._all.get(name)
        if found is None or found.submitter.id != number:
            raise Forbidden("submitter.gone", name=name)
        if not found.submitter.enabled:
            raise Forbidden("submitter.disabled", name=name)
        now = self._by_way.get((name, way))
        if now is None:
            raise Unavailable("submitter.changed", name=name)
        return now

    def used(self, submitter: Submitter) -> None:
        """It has handed in a message; kept in the background, at most once a minute."""
        found = self._all.get(submitter.name)
        if found is None or found.submitter.id != submitter.id:
            return
        self.refusals.works(submitter.name)
        now, last = self._clock(), found.submitter.last_used_at
        if last is not None and 0 <= now - last < _USED_EVERY:
            return
        self._all[submitter.name] = replace(found, submitter=replace(found.submitter, last_used_at=now))
        self._write(self._store.used(submitter, now))

    def refused(self, submitter: str, claimed: str, error: PillarboxError, peer: str) -> None:
        """The door refused something to this submitter, or to a stranger (empty) who may have `claimed` to be one."""
        name = submitter or claimed
        # A name that is nobody's may be a password, typed in the wrong place.
        known = name if name in self._all else ""
        self.refusals.note(known, self._in_full(error, claimed, peer), peer, proved=bool(submitter))

    def _in_full(self, error: PillarboxError, claimed: str, peer: str) -> PillarboxError:
        """What was refused, for administrators: the client is not told which names there are, nor who failed."""
        if error.code == "submitter.wrong_password":
            found = self._all.get(claimed)
            if found is not None and not found.submitter.enabled:
                return error  # Its password was not looked at.
            if found is not None:
                return AuthenticationFailed("submitter.password_refused", name=claimed)
            if meant := _like(claimed, self._all):
                return AuthenticationFailed("submitter.name_mistyped", name=meant)
        if error.code == "submitter.banned" and (until := self.kept_out_until(peer)):
            moment = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
            if failed := self.refusals.failed_last(peer):
                return Unavailable("submitter.banned_beside", address=peer, moment=moment, name=failed)
            return Unavailable("submitter.banned_until", address=peer, moment=moment)
        return error

    def turned_away(self) -> dict[str, PillarboxError]:
        """Submitters that may come in, were refused something in the last day and handed in no message after it.

        Each with its last refusal, the newest first.
        """
        since, found = self._clock() - _LATELY, dict[str, PillarboxError]()
        for one in sorted(self.refusals, key=lambda one: -one.last_at):
            of = self._all.get(one.submitter)
            if one.works_since is not None or one.last_at < since or one.code in _ENDS or one.submitter in found:
                continue
            if of is not None and of.submitter.enabled:
                found[one.submitter] = PillarboxError(one.code, **one.params)
        return found

    def strangers(self) -> dict[str, PillarboxError]:
        """Addresses of this house where somebody we do not know was refused in the last day, and nobody came in since.

        Each with its last refusal, the newest first. Whoever guesses from the Internet is none of them: there always is
        somebody, nobody here could do anything about it, and the warning would never go. A device is nearer. The price
        are devices that come from public addresses; /submitters and the log have them.
        """
        since, found = self._clock() - _LATELY, dict[str, PillarboxError]()
        for one in sorted(self.refusals, key=lambda one: -one.last_at):
            is_over = one.works_since is not None or one.last_at < since or self.of_network(one.peer) is not None
            if not (one.submitter or is_over or one.code in _ENDS or one.peer in found) and ip.is_private(one.peer):
                found[one.peer] = PillarboxError(one.code, **one.params)
        return found

    # ---- what administrators do

    async def add(
        self, name: str, wish: Wanted, password: Secret | None = None, *, no_password: bool = False
    ) -> tuple[Submitter, Secret]:
        """Make a submitter; return it and its password, made here if none is given, empty with `no_password`.

        Raises InvalidInput, NotFound for a mailbox, Conflict for a name, a network or a user that is another one's.
        """
        if not NAME.fullmatch(name) or name == OPERATOR:
            raise InvalidInput("submitter.bad_name", name=name)
        _check_password(password, no_password=no_password)
        async with self._changing:
            if name in self._all:
                raise Conflict("submitter.exists", name=name)
            new = await submitter_rules.wanted(
                self._accounts, Submitter(0, name, {}, has_password=not no_password), wish
            )
            await self._check_ways(new, ())
            secret = Secret("") if no_password else password or make()
            digest = "" if no_password else await self._passwords.hash(secret)
            if not await self._store.add(new, digest):
                raise Conflict("submitter.exists", name=name)
            await self._read()
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
            await self._check_ways(new, old.tokens)
            if not await self._store.change(new, digest):
                raise NotFound("submitter.not_found", name=name)
            await self._read()
        return await self.get(name), secret

    async def remove(self, name: str) -> None:
        """Forget a submitter: it cannot come in any more. Raises NotFound."""
        async with self._changing:
            if not await self._store.remove(name):
                raise NotFound("submitter.not_found", name=name)
            self._logins.forget(name)
            self.refusals.forget(name)
            await self._read()

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
        if not NAME.fullmatch(token_id):
            raise InvalidInput("submitter.bad_token_id", id=token_id)
        async with self._changing:
            token = tokens.make(self._random(tokens.TOKEN_BYTES))
            if not await self._store.add_token(self._found(name).submitter, token_id, tokens.digest(token)):
                raise Conflict("submitter.token_exists", name=name, id=token_id)
            await self._read()
        return token

    async def tokens(self, name: str) -> tuple[Token, ...]:
        """The tokens of a submitter, oldest first. Raises NotFound."""
        return self._found(name).tokens

    async def remove_token(self, name: str, token_id: str) -> None:
        """Forget a token: nobody comes in by it any more. Raises NotFound."""
        async with self._changing:
            if not await self._store.remove_token(self._found(name).submitter, token_id):
                raise NotFound("submitter.no_token", name=name, id=token_id)
            await self._read()

    # ----

    def _found(self, name: str) -> Credentialed:
        found = self._all.get(name)
        if found is None:
            raise NotFound("submitter.not_found", name=name)
        return found

    def _enabled(self, way: _Way | None) -> Submitter | None:
        found = self._by_way.get(way) if way is not None else None
        return found if found is not None and found.enabled else None

    async def _check_ways(self, new: Submitter, own_tokens: tuple[Token, ...]) -> None:
        if not (new.has_password or own_tokens or new.networks or new.unix):
            raise InvalidInput("submitter.no_way_in")
        for one in (one.submitter for name, one in self._all.items() if name != new.name):
            for network in new.networks:
                if network in one.networks:
                    raise Conflict("submitter.network_taken", network=network, other=one.name)
            for rule in new.unix:
                if rule in one.unix:
                    raise Conflict("submitter.unix_taken", kind=rule.kind, name=rule.name, other=one.name)
        for rule in new.unix:
            # It may have it by the number, or by a second name.
            holder = await asyncio.to_thread(self._unix.holder, rule)
            if holder is not None and holder[0] != new.name:
                raise Conflict("submitter.unix_taken", kind=rule.kind, name=rule.name, other=holder[0])

    def _learned(self, site: str, name: str) -> None:
        known = KnownSite(site, name, self._clock())
        self._write(self._store.keep_site(known, self._known_since(), self._patience.remembered))

    def _known_since(self) -> float:
        return self._clock() - self._patience.lasting

    async def _keep_unix_fresh(self) -> None:
        """Look again and again who belongs to a group, and whose a number is: also while nobody comes.

        Otherwise the first to come after a night would be who the user was in the evening.
        """
        while True:
            await asyncio.sleep(self._refreshed)
            old = self._unix
            new = await asyncio.to_thread(old.again)
            if self._unix is old:
                self._unix = new

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background that is not worth a wait."""
        task = asyncio.get_running_loop().create_task(_unless_unavailable(work))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def _like(name: str, names: Collection[str]) -> str:
    """The one of these names that is most like this one, as it was mistyped; empty where none is."""
    if len(name) > _LONGEST_NAME or len(names) > _MOST_COMPARED:
        return ""
    matcher = SequenceMatcher(b=name.lower())

    def alike(one: str, how: Callable[[], float]) -> float:
        matcher.set_seq1(one.lower())
        return how()

    near = nlargest(_MOST_ALIKE, names, key=lambda one: alike(one, matcher.quick_ratio))
    likest = max(((alike(one, matcher.ratio), one) for one in near), default=(0.0, ""))
    return likest[1] if likest[0] >= _LIKE else ""


def _check_password(password: Secret | None, *, no_password: bool, new_password: bool = False) -> None:
    if sum((password is not None, no_password, new_password)) > 1:
        raise InvalidInput("submitter.one_password")
    if password is not None and len(password.reveal()) < LEAST_PASSWORD:
        raise InvalidInput("submitter.weak_password", least=LEAST_PASSWORD)


async def _unless_unavailable(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Unavailable:
        pass  # Whoever writes mail to the same disk says what is the matter.


def _way(kind: str, proof: str) -> str:
    """One way in: another text for another password, token, network or user."""
    return sha256(f"{kind}\0{proof}".encode()).hexdigest()


def _ways_in(one: Credentialed) -> Iterator[str]:
    if one.password_hash:
        yield _way("password", one.password_hash)
    for token in one.tokens:
        yield _way("token", token.hash)
    for network in one.submitter.networks:
        yield _way("network", network)
    for rule in one.submitter.unix:
        yield _way(*rule)
