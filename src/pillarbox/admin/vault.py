"""The master key's life: under which keys the sealed values lie, and the rotation that puts them under a new one.

A rotation makes a key, writes it in front of the old one, seals every value anew, and only when the old key is needed
by none of them takes it out. What lies on the disk says how far it is, so one that was cut off anywhere goes on.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pillarbox.core import master_key
from pillarbox.core.errors import ConfigError, Conflict, PillarboxError, Unavailable
from pillarbox.core.log import Logger
from pillarbox.core.master_key import KEY_BYTES, KeyRing, key_id
from pillarbox.core.vault import Vault, key_id_of
from pillarbox.store.sealed import SealedValue, SealedValues

_BATCH: Final = 64
"""Values that are sealed anew in one transaction: others that write wait a few milliseconds."""
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key of the ring: how many values of each table it sealed and opens."""

    id: str
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """The ring, first the key that seals, and what it opens. `advice` is said, not raised."""

    origin: str
    rotates_itself: bool
    """Whether the key lies in our own file, so that a rotation needs nobody's hand."""
    keys: Sequence[KeyUse]
    undecryptable: Mapping[str, int]
    """Of each table, how many values do not open."""
    damaged: Sequence[PillarboxError]
    """Of the first that do not open: which it is, and what to do about it."""
    advice: PillarboxError


class Rotation:
    """The ring of a vault, in use. There is one in a process, and one process has the store."""

    def __init__(
        self, vault: Vault, ring: KeyRing, values: SealedValues, random: Callable[[int], bytes], log: Logger
    ) -> None:
        self._vault = vault
        self._ring = ring
        self._values = values
        self._random = random
        self._log = log
        self._task: asyncio.Task[None] | None = None

    async def rotate(self) -> Status:
        """Put everything under a new key, or finish what was begun; a second call while one runs waits for its end.

        Where the keys come from elsewhere, everything is put under the first of them. Raises Conflict `vault.one_key`
        where there is but one, Unavailable where key or store cannot be written, ConfigError for a file that was
        changed by hand.
        """
        try:
            await asyncio.shield(self._running())
        except Unavailable as error:
            if error.code not in ("store.full", "store.failed"):
                raise
            raise Unavailable("vault.cut_off", reason=error.sentence) from error
        return await self.status()

    def resume(self) -> None:
        """Finish in the background what a killed process has left; the log tells."""
        if len(self._ring.keys) > 1:
            self._running().add_done_callback(self._tell)

    async def stop(self) -> None:
        """Stop in the middle, as a kill may do at any time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _running(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="rotation")
        return self._task

    def _tell(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("vault.unfinished", error=str(error))

    async def _run(self) -> None:
        if self._ring.file is not None:
            await self._read_again(self._ring.file)
        if len(self._ring.keys) == 1:
            if self._ring.file is None:
                raise Conflict("vault.one_key", origin=self._ring.origin)
            await self._write(self._ring.file, (self._random(KEY_BYTES), *self._ring.keys))
        self._log.info("vault.rotating", key=self._ring.ids[0], older=",".join(self._ring.ids[1:]))
        moved = await self._seal_anew()
        if self._ring.file is not None:
            await self._write(self._ring.file, await self._needed())
        self._log.info("vault.rotated", key=self._ring.ids[0], values=moved, older=",".join(self._ring.ids[1:]))

    async def _needed(self) -> tuple[bytes, ...]:
        """The first key, and older ones that sealed a value which could not be opened: it may be mended yet."""
        ids = await self._ids_in_use()
        left = [value async for page in self._values.pages(self._vault.header, _BATCH) for value in page]
        first, *older = self._ring.keys

        def needed(key: bytes) -> bool:
            # Of a value whose key id was changed too.
            return key_id(key).hex() in ids or any(Vault(key).sealed(value.sealed, value.place) for value in left)

        return (first, *filter(needed, older))

    async def _ids_in_use(self) -> set[str | None]:
        return {key_id_of(header) for headers in (await self._values.headers()).values() for header in headers}

    async def _read_again(self, file: Path) -> None:
        """The file may hold other keys than we do: by hand, or by a write of ours whose end failed."""
        needed = {*self._ring.ids} & {self._ring.ids[0], *await self._ids_in_use()}
        found = await asyncio.to_thread(master_key.read, file, needed)
        found.require(needed)
        self._use(found)

    async def _write(self, file: Path, keys: tuple[bytes, ...]) -> None:
        try:
            await asyncio.to_thread(master_key.write, file, keys)
        except OSError as error:
            raise Unavailable("vault.cannot_write", path=file, reason=error.strerror or error) from error
        self._use(KeyRing(keys, self._ring.origin, file))

    def _use(self, ring: KeyRing) -> None:
        # The vault opens by the last ring too: somebody may hold a value that he read a moment ago.
        self._vault.use(tuple(dict.fromkeys((*ring.keys, *self._ring.keys))))
        self._ring = ring

    async def _seal_anew(self) -> int:
        """Seal all values that are under an older key anew; how many."""
        # What others sealed by an older key and handed to the database, is in it after this; it is found below.
        await self._values.headers()
        moved = 0
        async for page in self._values.pages(self._vault.header, _BATCH):
            changes = [
                (value, self._vault.seal(content, value.place))
                for value in page
                if (content := self._opened(value)) is not None
            ]
            if changes:
                await self._values.replace(changes)
            moved += len(changes)
        return moved

    def _opened(self, value: SealedValue) -> bytes | None:
        try:
            return self._vault.open(value.sealed, value.place)
        except ConfigError:
            return None

    async def status(self) -> Status:
        """Under which keys the values lie. Every value is opened once."""
        ring = self._ring
        sealed_by: dict[str, Counter[str]] = {id: Counter() for id in ring.ids}
        undecryptable: Counter[str] = Counter()
        damaged: list[PillarboxError] = []
        async for page in self._values.pages(b"", _BATCH):
            for value in page:
                key = key_id_of(value.header)
                if key in sealed_by and self._opened(value) is not None:
                    sealed_by[key][value.table] += 1
                else:
                    undecryptable[value.table] += 1
                    if len(damaged) < _MOST_NAMED:
                        damaged.append(await self._damaged(value))
        older = sum(sealed_by[id].total() for id in ring.ids[1:])
        return Status(
            origin=ring.origin,
            rotates_itself=ring.file is not None,
            keys=[KeyUse(id, values) for id, values in sealed_by.items()],
            undecryptable=undecryptable,
            damaged=damaged,
            advice=_advice(ring, older, undecryptable.total()),
        )

    async def _damaged(self, value: SealedValue) -> PillarboxError:
        """Which value does not open, and how it is got rid of."""
        holder = await self._values.holder(value)
        match value.table, value.id.partition("/")[0]:
            case "credentials", _:
                return Unavailable("vault.damaged_credential", id=value.id, name=holder)
            case "second_factors", _:
                return Unavailable("vault.damaged_second_factor", name=holder)
            case "token_caches", "mailbox":
                return Unavailable("vault.damaged_sign_in", address=holder)
            case "token_caches", _:
                return Unavailable("vault.damaged_tokens", name=holder)
        return Unavailable("vault.damaged_journey", address=holder)


def _advice(ring: KeyRing, older: int, undecryptable: int) -> PillarboxError:
    """What is to be done next, where `older` values are under older keys and can be sealed anew."""
    if older or (ring.file is not None and len(ring.keys) > 1 and not undecryptable):
        return Unavailable("vault.unfinished", count=older)
    if undecryptable:
        return Unavailable("vault.undecryptable", count=undecryptable)
    if len(ring.keys) > 1:
        return Conflict("vault.older_key_free", keys=", ".join(ring.ids[1:]), origin=ring.origin)
    return Conflict("vault.sound", key=ring.ids[0])
