"""A process to be killed: it rotates the master key while token caches are saved, or is cut at one step of the file.

`load FOLDER CACHES SAVERS`: save and rotate until killed; a line `saved OWNER NUMBER` when a save is durable,
`rotated KEY` after a rotation.
`cuts FOLDER`: a rotation for each call that core/master_key.py makes, killed there, and then finished by
another process; a line of JSON for each.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pillarbox.admin.vault import Rotation
from pillarbox.core import master_key
from pillarbox.core.caller import Role
from pillarbox.core.log import make_logger
from pillarbox.core.master_key import KeyRing
from pillarbox.core.vault import Secret, Vault
from pillarbox.store import sealed
from pillarbox.store.accounts import Accounts
from pillarbox.store.people import PeopleStore, Person
from pillarbox.store.sealed import SealedValues
from pillarbox.store.sign_ins import SignIns
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

STORE, KEY = "pillarbox.db", "master.key"


class Desk:
    """A store with its vault and rotation, opened as the gateway opens them."""

    def __init__(self, database: SqliteDatabase, ring: KeyRing) -> None:
        self.database = database
        self.ring = ring
        self.vault = Vault(*ring.keys)
        self.accounts = Accounts(database, self.vault, lambda: 0.0)
        self.sign_ins = SignIns(database, self.vault, lambda: 0.0)
        self.people = PeopleStore(database, self.vault, lambda: 0.0)
        log = make_logger(sys.stderr, "warning", "text", lambda: 0.0)
        self.rotation = Rotation(self.vault, ring, SealedValues(database), os.urandom, log)

    @classmethod
    async def open(cls, folder: Path) -> "Desk":
        """Open the store in `folder`; the key first."""
        rings: list[KeyRing] = []

        def look(path: Path) -> None:
            rings.append(master_key.find(None, folder / KEY, sealed.needed(path), os.urandom))

        database = await open_sqlite(folder / STORE, on_death=print, look=look)
        return cls(database, rings[0])

    async def furnish(self, caches: int) -> None:
        """Rows in every table that holds sealed values."""
        app = await self.accounts.add_app("contoso", "tenant", "client", Secret("a secret"))
        assert app is not None
        mailbox = await self.accounts.add_mailbox("scanner@contoso.example", app)
        assert mailbox is not None
        await self.sign_ins.keep("00" * 32, mailbox.id, b"a sign-in", 60.0)
        assert await self.people.add(Person("00" * 8, "anna", frozenset({Role.ADMIN})))
        assert await self.people.enrol("00" * 8, b"a second factor")
        await asyncio.gather(*(self.save(f"app/{number}", 0) for number in range(caches)))

    async def save(self, owner: str, number: int) -> None:
        """Save the token cache of an owner, of the size that Microsoft's tokens make it."""
        await self.accounts.save_token_cache(owner, f"{number} ".encode() + bytes(6000))

    async def saved(self, owner: str) -> int:
        """The number that was saved last for this owner."""
        content = await self.accounts.load_token_cache(owner)
        assert content is not None
        return int(content.split()[0])


def key_ids_on_disk(folder: Path) -> dict[str, int]:
    """How many values lie under each key: read without a line of ours."""
    store = sqlite3.connect(folder / STORE)
    tables = ("credentials", "second_factors", "sign_ins", "token_caches")
    each = " UNION ALL ".join(f"SELECT hex(substr(sealed, 2, 4)) AS id FROM {table}" for table in tables)
    found = dict(store.execute(f"SELECT lower(id), count(*) FROM ({each}) GROUP BY 1").fetchall())
    store.close()
    return found


# ---- under load


async def load(folder: Path, caches: int, savers: int) -> None:
    """Save and rotate, until killed."""
    desk = await Desk.open(folder)
    desk.rotation.resume()
    print("ready", flush=True)
    async with asyncio.TaskGroup() as group:
        for number in range(savers):
            group.create_task(_save_on(desk, [f"app/{one}" for one in range(number, caches, savers)]))
        group.create_task(_rotate_on(desk))


async def _save_on(desk: Desk, owners: list[str]) -> None:
    """Save for these owners, by chance. Nobody else does: only a rotation could bring an older one back."""
    numbers = {owner: await desk.saved(owner) for owner in owners}
    while True:
        owner = random.choice(owners)
        assert await desk.saved(owner) == numbers[owner]
        numbers[owner] += 1
        await desk.save(owner, numbers[owner])
        print("saved", owner, numbers[owner], flush=True)


async def _rotate_on(desk: Desk) -> None:
    while True:
        status = await desk.rotation.rotate()
        assert status.advice.code == "vault.sound", status
        print("rotated", status.keys[0].id, flush=True)


# ---- cut at every step


def cuts(folder: Path) -> None:
    """Cut a rotation at each step of the file, until one comes to its end."""
    for step in itertools.count(1):
        place = folder / str(step)
        place.mkdir()
        _in_a_process(lambda place=place: _begin(place))  # type: ignore[misc]
        killed = _in_a_process(lambda place=place, step=step: _rotate_cut_at(place, step))  # type: ignore[misc]
        left = len(master_key.read(place / KEY).keys)
        before = master_key.read(place / KEY).ids[0]
        _in_a_process(lambda place=place: _finish(place))  # type: ignore[misc]
        after = master_key.read(place / KEY).ids
        told = {"step": step, "keys": left, "before": before, "after": after, "values": key_ids_on_disk(place)}
        print(json.dumps({**told, "files": sorted(path.name for path in place.glob(f"{KEY}*"))}), flush=True)
        if not killed:
            return


def _in_a_process(work: Callable[[], Any]) -> bool:
    """Do this in a process of its own; whether it was killed."""
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), code
        return code != 0
    try:
        asyncio.run(work())
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


async def _begin(place: Path) -> None:
    desk = await Desk.open(place)
    await desk.furnish(3)
    await desk.database.close()


async def _rotate_cut_at(place: Path, step: int) -> None:
    """Rotate, and be killed before the call number `step` that core/master_key.py makes."""
    desk = await Desk.open(place)
    calls = itertools.count(1)

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "c_call" and frame.f_code.co_filename == master_key.__file__ and next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)  # the file is written in a thread
    await desk.rotation.rotate()


async def _finish(place: Path) -> None:
    desk = await Desk.open(place)
    desk.rotation.resume()
    if desk.rotation._task is not None:
        await desk.rotation._task
    await desk.database.close()


if __name__ == "__main__":
    if sys.argv[1] == "load":
        asyncio.run(load(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    else:
        cuts(Path(sys.argv[2]))
