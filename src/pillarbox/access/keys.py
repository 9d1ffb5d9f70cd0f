"""API keys: by which programs come in at the HTTP API, and what each may do there.

A key reads `pbx_ID_SECRET`: the prefix so that a scanner for leaked secrets knows one, the id so that people can tell
which one it is, and 256 bits of chance. It is shown once; what is kept is the SHA-256 of the whole text. All of them
lie in memory, so that one is found without the store, and a change counts at the next request.
"""

import asyncio
import base64
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pillarbox.access import key_rules, tokens
from pillarbox.access.guard import Guard, Patience
from pillarbox.access.key_rules import Wanted
from pillarbox.access.networks import NetworkTable
from pillarbox.access.submitters import OPERATOR
from pillarbox.core import ip
from pillarbox.core.accounts import NAME, Submitter
from pillarbox.core.caller import ApiKey, Caller
from pillarbox.core.errors import AuthenticationFailed, Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.mail import Clock
from pillarbox.core.vault import Secret
from pillarbox.store.accounts import Accounts
from pillarbox.store.keys import HashedKey, KeyStore

_ID_BYTES: Final = 5
"""Of chance in the id of a key: eight letters and digits."""
_USED_EVERY: Final = 60.0
"""Seconds between two writes of when a key was last used."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A key in memory: as it is kept, and the networks that it comes in from."""

    kept: HashedKey
    networks: NetworkTable[bool]

    @property
    def key(self) -> ApiKey:
        return self.kept.key


def _known(kept: HashedKey) -> _Known:
    return _Known(kept, NetworkTable(dict.fromkeys(kept.key.networks, True)))


class Keys:
    """Adds, changes and lists keys, and says whose a key is. `load` must have been called.

    `clock` is the time of day, `monotonic` measures patience with those who try keys that are none.
    """

    def __init__(
        self,
        accounts: Accounts,
        store: KeyStore,
        clock: Clock,
        random: Callable[[int], bytes],
        log: Logger,
        *,
        patience: Patience,
        monotonic: Clock,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._clock = clock
        self._random = random
        self._log = log
        self._patience = patience
        self._guard = Guard(patience)
        self._monotonic = monotonic
        self._changing = asyncio.Lock()
        self._by_name: dict[str, _Known] = {}
        self._by_hash: dict[str, _Known] = {}
        self._used: dict[str, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read all keys."""
        self._know(await self._store.load())

    def _know(self, kept: Iterable[HashedKey]) -> None:
        """These are all the keys. After a change they are not read anew: that may fail when the change is kept."""
        found = [_known(one) for one in kept]
        self._by_name = {one.key.name: one for one in found}
        self._by_hash = {one.kept.hash: one for one in found}

    def _now(self, key: ApiKey, digest: str) -> None:
        """This key is kept so now."""
        self._know([*self._others(key), HashedKey(key, digest)])

    def _others(self, key: ApiKey) -> Iterator[HashedKey]:
        return (one.kept for one in self._by_name.values() if one.key.id != key.id)

    async def stop(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._writing)

    # ---- who comes in

    def check(self, secret: Secret, peer: str, *, is_unclear: bool = False) -> ApiKey:
        """The key that a client at this address shows; one that is unclear, as it may be a proxy's, is in no network.

        Raises AuthenticationFailed `access.bad_key`, the same for one that is none, is over or is disabled; Forbidden
        `access.wrong_network`; Unavailable `access.banned` for an address that showed too many that are none. A right
        one comes in from there all the same: nobody can guess it, and others behind the same address may try.
        """
        found = self._by_hash.get(tokens.digest(secret))
        if found is None or not self._is_good(found.key):
            self._refused(peer)
            raise AuthenticationFailed("access.bad_key")
        if found.key.networks and (is_unclear or not found.networks.find(peer)):
            raise Forbidden("access.wrong_network", key=found.key.name)
        self._note_use(found.key)
        return found.key

    def named(self, secret: Secret) -> ApiKey | None:
        """The key whose text this is, good or not; None where it is none."""
        found = self._by_hash.get(tokens.digest(secret))
        return found.key if found else None

    def _is_good(self, key: ApiKey) -> bool:
        return key.enabled and (key.expires_at is None or self._clock() < key.expires_at)

    def _refused(self, peer: str) -> None:
        """Count a key that is none. Raises Unavailable `access.banned`."""
        site, now = ip.site(peer), self._monotonic()
        try:
            self._guard.check_ban(site, now)
        except Unavailable:
            # When it began is nobody's business: after so long it is surely over.
            raise Unavailable("access.banned", seconds=math.ceil(self._patience.ban)) from None
        if self._guard.failed(site, "", now, hashed=False).banned:
            self._log.warning("login.banned", address=site, submitter="API key", seconds=self._patience.ban)

    def _note_use(self, key: ApiKey) -> None:
        """When it was used; kept in the background, at most once a minute."""
        now, last = self._clock(), self._used.get(key.id, key.last_used_at)
        if last is not None and 0 <= now - last < _USED_EVERY:
            return
        self._used[key.id] = now
        self._write(self._store.used(key, now))

    async def sender_of(self, caller: Caller) -> Submitter:
        """As whom a caller of the API hands in mail: from every mailbox that it knows of.

        A key is `key:NAME`, a person `person:NAME`; neither can be the name of a submitter. Raises AuthenticationFailed
        `access.bad_key` for a key that was removed meanwhile.
        """
        boxes = await self._accounts.by_key()
        if caller.mailboxes is not None:
            boxes = {key: box for key, box in boxes.items() if caller.knows(box.id)}
        name = OPERATOR if caller.kind == "local" else caller.sender
        sender = Submitter(0, name, boxes, fix_from=True)
        if caller.kind == "key":
            key = self._of(caller)
            return replace(sender, recipients=key.recipients, on_other_recipients=key.on_other_recipients)
        return sender

    # ---- what administrators do

    async def add(self, name: str, wish: Wanted) -> tuple[ApiKey, Secret]:
        """Make a key; return it and its text, which is told only now.

        Raises InvalidInput, NotFound for a mailbox, Conflict for a name that is taken.
        """
        if not NAME.fullmatch(name):
            raise InvalidInput("key.bad_name", name=name)
        async with self._changing:
            new_id = base64.b32encode(self._random(_ID_BYTES)).decode("ascii").lower()
            now = self._clock()
            new = await key_rules.wanted(self._accounts, ApiKey(new_id, name, created_at=now), wish, now)
            secret = self._secret(new_id)
            digest = tokens.digest(secret)
            if name in self._by_name or not await self._store.add(new, digest):
                raise Conflict("key.exists", name=name)
            self._now(new, digest)
            return new, secret

    async def change(self, name: str, wish: Wanted) -> ApiKey:
        """Change a key; it counts from the next request on. Raises as `add` does, and NotFound."""
        async with self._changing:
            old = self._found(name)
            new = await key_rules.wanted(self._accounts, old.key, wish, self._clock())
            if not await self._store.change(new):
                raise NotFound("key.not_found", name=name)
            self._now(new, old.kept.hash)
            return self.get(name)

    async def rotate(self, name: str) -> tuple[ApiKey, Secret]:
        """Give a key another text, which is told only now; the last one is over at once. Raises NotFound."""
        async with self._changing:
            key = self._found(name).key
            secret = self._secret(key.id)
            digest = tokens.digest(secret)
            if not await self._store.rotate(key, digest):
                raise NotFound("key.not_found", name=name)
            self._now(key, digest)
            return self.get(name), secret

    async def remove(self, name: str) -> None:
        """Forget a key: nobody comes in by it any more. Raises NotFound."""
        async with self._changing:
            key = self._found(name).key
            if not await self._store.remove(key):
                raise NotFound("key.not_found", name=name)
            self._know(list(self._others(key)))

    def get(self, name: str) -> ApiKey:
        """The key of this name. Raises NotFound."""
        return self._shown(self._found(name))

    def list(self) -> list[ApiKey]:
        """All keys, by name."""
        return [self._shown(self._by_name[name]) for name in sorted(self._by_name)]

    def _secret(self, key_id: str) -> Secret:
        return tokens.make(self._random(tokens.TOKEN_BYTES), key_id)

    def _shown(self, known: _Known) -> ApiKey:
        key = known.key
        return replace(key, last_used_at=self._used.get(key.id, key.last_used_at))

    def _of(self, caller: Caller) -> ApiKey:
        """The key that came in as this caller. Raises AuthenticationFailed where it was removed meanwhile."""
        found = self._by_name.get(caller.name)
        if found is None or found.key.id != caller.id:
            raise AuthenticationFailed("access.bad_key")
        return found.key

    def _found(self, name: str) -> _Known:
        found = self._by_name.get(name)
        if found is None:
            raise NotFound("key.not_found", name=name)
        return found

    def _write(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background that is not worth a wait."""
        task = asyncio.get_running_loop().create_task(_unless_unavailable(work))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


async def _unless_unavailable(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Unavailable:
        pass  # Whoever writes mail to the same disk says what is the matter.
