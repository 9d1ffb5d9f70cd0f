"""A rotation leaves nothing under the old key, loses nothing that is written meanwhile, and goes on when it was cut."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from pillarbox.admin.vault import Rotation, Status
from pillarbox.core import master_key
from pillarbox.core.errors import ConfigError, Conflict, PillarboxError, Unavailable
from pillarbox.core.log import make_logger
from pillarbox.core.master_key import KEY_BYTES, KeyRing, key_id
from pillarbox.core.vault import Vault
from pillarbox.store.accounts import Accounts
from pillarbox.store.sealed import SealedValue, SealedValues
from pillarbox.store.sqlite import SqliteDatabase
from tests.conftest import Log
from tests.unit.store.test_sealed import fill, found

OLD, NEW, THIRD = b"o" * KEY_BYTES, b"n" * KEY_BYTES, b"t" * KEY_BYTES
OLD_ID, NEW_ID = key_id(OLD).hex(), key_id(NEW).hex()


class Desk:
    """A store, its ring of keys and the rotation, as the gateway puts them together."""

    def __init__(self, database: SqliteDatabase, ring: KeyRing) -> None:
        self.database = database
        self.vault = Vault(*ring.keys)
        self.values = SealedValues(database)
        self.accounts = Accounts(database, self.vault, lambda: 0.0)
        self.log = Log()
        self.made: list[bytes] = []
        self.before_a_key_is_made: Callable[[], object] = lambda: None
        self.rotation = Rotation(
            self.vault, ring, self.values, self._random, make_logger(self.log, "info", "text", lambda: 0.0)
        )

    def _random(self, size: int) -> bytes:
        self.before_a_key_is_made()
        key = (NEW, THIRD)[len(self.made)]
        self.made.append(key)
        return key[:size]

    async def under(self) -> set[bytes]:
        """The keys that the values are sealed by, each of which opens."""
        keys = {Vault(key).header: key for key in (OLD, NEW, THIRD)}
        values = await found(self.values)
        for value in values:
            Vault(keys[value.header]).open(value.sealed, value.place)
        return {keys[value.header] for value in values}

    async def damage(self, table: str) -> str:
        """Change a byte of a value of this table; its place."""
        value = next(value for value in await found(self.values) if value.table == table)
        await self.values.replace([(value, value.sealed[:-1] + bytes([value.sealed[-1] ^ 1]))])
        return value.place


MakeDesk = Callable[[KeyRing], Desk]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "master.key"
    master_key.write(path, [OLD])
    return path


@pytest.fixture
def desk(database: SqliteDatabase, file: Path) -> Desk:
    return Desk(database, master_key.read(file))


async def refusal(work: Awaitable[object]) -> PillarboxError:
    """The error that the work raises."""
    with pytest.raises(PillarboxError) as caught:
        await work
    assert str(caught.value)
    return caught.value


def summary(status: Status) -> tuple[str, list[tuple[str, int]], int]:
    """What is advised, how many values are under each key, how many do not open."""
    keys = [(key.id, sum(key.values.values())) for key in status.keys]
    return status.advice.code, keys, sum(status.undecryptable.values())


# ---- our own file


async def test_a_rotation_puts_everything_under_a_new_key(desk: Desk, database: SqliteDatabase, file: Path) -> None:
    await fill(database, desk.vault, rows=70)  # more than one batch of each table
    before = {value.place: desk.vault.open(value.sealed, value.place) for value in await found(desk.values)}
    assert summary(await desk.rotation.status()) == ("vault.sound", [(OLD_ID, 280)], 0)
    assert summary(await desk.rotation.rotate()) == ("vault.sound", [(NEW_ID, 280)], 0)
    assert master_key.read(file).keys == (NEW,)
    after = {value.place: Vault(NEW).open(value.sealed, value.place) for value in await found(desk.values)}
    assert after == before
    assert f"event=vault.rotated key={NEW_ID} values=280" in desk.log.getvalue()
    assert OLD.hex() not in desk.log.getvalue()


async def test_what_is_sealed_after_a_rotation_is_under_the_new_key(desk: Desk, database: SqliteDatabase) -> None:
    await desk.rotation.rotate()
    await fill(database, desk.vault)
    assert await desk.under() == {NEW}


async def test_what_was_read_before_a_rotation_opens_after_it(desk: Desk, database: SqliteDatabase) -> None:
    await fill(database, desk.vault, rows=1)
    value = (await found(desk.values))[0]
    await desk.rotation.rotate()
    assert desk.vault.open(value.sealed, value.place)


async def test_a_second_rotation_makes_a_third_key(desk: Desk, database: SqliteDatabase, file: Path) -> None:
    await fill(database, desk.vault)
    await desk.rotation.rotate()
    await desk.rotation.rotate()
    assert (await desk.under(), master_key.read(file).keys) == ({THIRD}, (THIRD,))


async def test_a_rotation_while_one_runs_waits_for_it_and_makes_no_third_key(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    both = await asyncio.gather(desk.rotation.rotate(), desk.rotation.rotate())
    assert [summary(status) for status in both] == [("vault.sound", [(NEW_ID, 8)], 0)] * 2
    assert (desk.made, master_key.read(file).keys) == ([NEW], (NEW,))


async def test_what_is_written_during_a_rotation_is_never_lost(desk: Desk, database: SqliteDatabase) -> None:
    await fill(database, desk.vault, rows=20)
    rotating = asyncio.create_task(desk.rotation.rotate())
    saved: dict[int, int] = {}
    while not rotating.done():
        for number in range(20):
            saved[number] = saved.get(number, 0) + 1
            await desk.accounts.save_token_cache(f"app/{number}", b"version %d" % saved[number])
    await rotating
    for number, version in saved.items():
        assert await desk.accounts.load_token_cache(f"app/{number}") == b"version %d" % version
    assert await desk.under() == {NEW}


async def test_what_waits_to_be_written_under_the_old_key_is_not_left_behind(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    saves = [desk.accounts.save_token_cache(f"app/{number}", bytes(1_000_000)) for number in range(60)]
    # Each runs to its first await: sealed by the old key, in a queue that is longer than the switch of keys.
    desk.before_a_key_is_made = lambda: [save.send(None) for save in saves]
    await desk.rotation.rotate()
    for save in saves:
        save.close()
    assert (await desk.under(), master_key.read(file).keys) == ({NEW}, (NEW,))
    assert len(await found(desk.values)) == 60


@pytest.mark.parametrize("moved", [0, 4, 8], ids=["nothing was moved", "half", "everything"])
@pytest.mark.parametrize("way", ["rotate", "resume"])
async def test_a_rotation_that_was_cut_goes_on_and_makes_no_third_key(
    moved: int, way: str, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, Vault(OLD))
    values = SealedValues(database)
    some = (await found(values))[:moved]
    await values.replace([(one, Vault(NEW).seal(Vault(OLD).open(one.sealed, one.place), one.place)) for one in some])
    master_key.write(file, [NEW, OLD])
    desk = Desk(database, master_key.read(file))
    expected = [(NEW_ID, moved), (OLD_ID, 8 - moved)]
    assert summary(await desk.rotation.status()) == ("vault.unfinished", expected, 0)
    if way == "resume":
        desk.rotation.resume()
        assert desk.rotation._task is not None
        await desk.rotation._task
    else:
        await desk.rotation.rotate()
    assert (await desk.under(), master_key.read(file).keys, desk.made) == ({NEW}, (NEW,), [])


async def test_a_start_with_one_key_rotates_nothing(desk: Desk) -> None:
    desk.rotation.resume()
    assert desk.rotation._task is None


async def test_a_rotation_in_the_background_that_fails_is_told_in_the_log(database: SqliteDatabase, file: Path) -> None:
    master_key.write(file, [NEW, OLD])
    desk = Desk(database, master_key.read(file))
    file.unlink()
    desk.rotation.resume()
    assert desk.rotation._task is not None
    await asyncio.wait([desk.rotation._task])
    await asyncio.sleep(0)
    assert "event=vault.unfinished" in desk.log.getvalue()


async def test_a_rotation_that_is_stopped_in_the_middle_can_go_on(desk: Desk, database: SqliteDatabase) -> None:
    await fill(database, desk.vault, rows=200)
    rotating = asyncio.create_task(desk.rotation.rotate())
    while not desk.log.lines("vault.rotating"):
        await desk.log.next()
    await desk.rotation.stop()
    with pytest.raises(asyncio.CancelledError):
        await rotating
    await desk.rotation.rotate()
    assert (await desk.under(), desk.made) == ({NEW}, [NEW])


async def test_nothing_is_stopped_where_nothing_runs(desk: Desk) -> None:
    await desk.rotation.stop()


async def test_a_value_that_does_not_open_is_told_and_its_key_is_kept(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    place = await desk.damage("token_caches")
    status = await desk.rotation.rotate()
    assert summary(status) == ("vault.undecryptable", [(NEW_ID, 7), (OLD_ID, 0)], 1)
    assert (status.undecryptable, [one.code for one in status.damaged]) == (
        {"token_caches": 1},
        ["vault.damaged_tokens"],
    )
    assert master_key.read(file).keys == (NEW, OLD)
    await fill_again(desk, place)
    assert summary(await desk.rotation.rotate()) == ("vault.sound", [(NEW_ID, 8)], 0)
    assert (master_key.read(file).keys, desk.made) == ((NEW,), [NEW])


async def fill_again(desk: Desk, place: str) -> None:
    """Write the token cache of this place anew."""
    await desk.accounts.save_token_cache(place.removeprefix("token_caches/").removesuffix("/sealed"), b"new")


async def test_a_value_without_a_header_is_told(desk: Desk, database: SqliteDatabase) -> None:
    await fill(database, desk.vault)
    value = (await found(desk.values))[0]
    await desk.values.replace([(value, b"\xff")])
    assert (await desk.rotation.status()).undecryptable == {value.table: 1}
    assert (await desk.rotation.rotate()).undecryptable == {value.table: 1}


async def test_a_key_that_was_put_into_the_file_by_hand_is_taken(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    master_key.write(file, [THIRD, OLD])
    await desk.rotation.rotate()
    assert (await desk.under(), master_key.read(file).keys, desk.made) == ({THIRD}, (THIRD,), [])


@pytest.mark.parametrize("change", ["gone", "another key", "readable", "garbage"])
async def test_a_file_that_lost_the_key_meanwhile_stops_a_rotation_before_it_begins(
    change: str, desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    if change == "gone":
        file.unlink()
    elif change == "another key":
        master_key.write(file, [THIRD])
    elif change == "readable":
        file.chmod(0o644)
    else:
        file.write_text("garbage")
    before = file.read_bytes() if file.exists() else None
    assert isinstance(await refusal(desk.rotation.rotate()), ConfigError)
    assert (file.read_bytes() if file.exists() else None) == before
    assert (await desk.under(), desk.made) == ({OLD}, [])
    await fill_again(desk, "token_caches/app/9/sealed")
    assert await desk.under() == {OLD}


async def test_a_file_that_cannot_be_written_stops_it_and_nothing_is_sealed_by_the_new_key(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    in_the_way = file.with_name("master.key.new")
    in_the_way.mkdir()
    error = await refusal(desk.rotation.rotate())
    assert (error.code, type(error)) == ("vault.cannot_write", Unavailable)
    assert (await desk.under(), master_key.read(file).keys) == ({OLD}, (OLD,))
    in_the_way.rmdir()
    assert summary(await desk.rotation.rotate()) == ("vault.sound", [(key_id(THIRD).hex(), 8)], 0)


async def test_a_last_write_whose_end_failed_does_not_stop_the_next_rotation(
    database: SqliteDatabase, file: Path
) -> None:
    await fill(database, Vault(NEW))
    desk = Desk(database, KeyRing((NEW, OLD), str(file), file))
    master_key.write(file, [NEW])
    desk.made.append(NEW)
    await desk.rotation.rotate()
    assert (await desk.under(), master_key.read(file).keys) == ({THIRD}, (THIRD,))


# ---- keys from elsewhere


def elsewhere(*keys: bytes) -> KeyRing:
    return KeyRing(keys, "PILLARBOX_MASTER_KEY")


async def test_one_key_from_elsewhere_is_not_rotated_and_the_way_is_told(database: SqliteDatabase, file: Path) -> None:
    desk = Desk(database, elsewhere(OLD))
    await fill(database, desk.vault)
    error = await refusal(desk.rotation.rotate())
    assert (type(error), error.code) == (Conflict, "vault.one_key")
    assert "PILLARBOX_MASTER_KEY" in error.sentence
    assert (await desk.under(), desk.made) == ({OLD}, [])


async def test_a_ring_from_elsewhere_goes_under_its_first_key_and_says_when_the_older_is_free(
    database: SqliteDatabase, file: Path
) -> None:
    desk = Desk(database, elsewhere(NEW, OLD))
    await fill(database, Vault(OLD))
    assert summary(await desk.rotation.status()) == ("vault.unfinished", [(NEW_ID, 0), (OLD_ID, 8)], 0)
    status = await desk.rotation.rotate()
    assert summary(status) == ("vault.older_key_free", [(NEW_ID, 8), (OLD_ID, 0)], 0)
    assert f"key {OLD_ID} " in status.advice.sentence
    assert "PILLARBOX_MASTER_KEY" in status.advice.cure
    assert (await desk.under(), desk.made, master_key.read(file).keys) == ({NEW}, [], (OLD,))
    assert summary(await Desk(database, elsewhere(NEW)).rotation.status()) == ("vault.sound", [(NEW_ID, 8)], 0)


async def test_a_key_behind_a_link_is_not_written(database: SqliteDatabase, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(file)
    error = await refusal(Desk(database, master_key.read(link)).rotation.rotate())
    assert error.code == "vault.one_key"
    assert (link.is_symlink(), os.listdir(tmp_path).count("link.key.new")) == (True, 0)


async def test_each_damaged_value_is_told_with_what_gets_rid_of_it(desk: Desk, database: SqliteDatabase) -> None:
    await fill(database, desk.vault, rows=1)
    await desk.accounts.save_token_cache("mailbox/1", b"a sign-in")
    app = await desk.accounts.app("app-0")
    assert app is not None
    await desk.accounts.save_token_cache(app.cache_owner, b"tokens")
    for value in await found(desk.values):
        await desk.values.replace([(value, value.sealed[:-1] + bytes([value.sealed[-1] ^ 1]))])
    (credential,) = await desk.accounts.credentials(app)
    told = {one.code: one.cure for one in (await desk.rotation.status()).damaged}
    assert f"`pillarbox app credential remove app-0 {credential.id}`" in told["vault.damaged_credential"]
    assert told["vault.damaged_sign_in"] == "`pillarbox mailbox sign-in box-0@contoso.example`"
    assert "`pillarbox token get --app app-0 --fresh`" in told["vault.damaged_tokens"]
    assert told["vault.damaged_journey"]
    assert told["vault.damaged_second_factor"] == "Run: pillarbox person invite person-0 --drop-second-factor"


class FullDisk(SealedValues):
    """Values on a disk without room."""

    async def replace(self, changes: Iterable[tuple[SealedValue, bytes]]) -> None:
        """Fails."""
        raise Unavailable("store.full")


async def test_a_rotation_that_a_full_disk_cuts_off_says_to_run_it_again(
    desk: Desk, database: SqliteDatabase, file: Path
) -> None:
    await fill(database, desk.vault)
    log = make_logger(desk.log, "info", "text", lambda: 0.0)
    full = Rotation(desk.vault, master_key.read(file), FullDisk(database), desk._random, log)
    error = await refusal(full.rotate())
    assert (error.code, error.entry.exit) == ("vault.cut_off", 75)
    assert ("disk" in error.sentence, "`pillarbox vault rotate` again" in error.cure) == (True, True)
    assert master_key.read(file).keys == (NEW, OLD)
    again = Desk(database, master_key.read(file))
    await again.rotation.rotate()
    assert (await again.under(), again.made) == ({NEW}, [])
