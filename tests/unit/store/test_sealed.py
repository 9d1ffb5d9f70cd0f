"""Sealed values: one row's does not open in another, and what is sealed anew never overwrites what is newer."""

import shutil
from pathlib import Path

import pytest

from pillarbox.core.caller import Role
from pillarbox.core.errors import ConfigError
from pillarbox.core.vault import Secret, Vault, header_of, key_id_of
from pillarbox.store import sealed
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import Migration, migrations
from pillarbox.store.people import PeopleStore, Person
from pillarbox.store.sealed import TABLES, SealedValue, SealedValues
from pillarbox.store.sign_ins import SignIns
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

OLD, NEW = Vault(b"o" * 32), Vault(b"n" * 32)
OLD_ID = key_id_of(OLD.header)


@pytest.fixture
def values(database: SqliteDatabase) -> SealedValues:
    return SealedValues(database)


async def fill(database: SqliteDatabase, vault: Vault, rows: int = 2) -> None:
    """So many rows in each table that holds sealed values, written as the program writes them."""
    accounts, sign_ins = Accounts(database, vault, lambda: 0.0), SignIns(database, vault, lambda: 0.0)
    people = PeopleStore(database, vault, lambda: 0.0)
    for number in range(rows):
        app = await accounts.add_app(f"app-{number}", "tenant", "client", Secret(f"secret {number}"))
        assert app is not None
        mailbox = await accounts.add_mailbox(f"box-{number}@contoso.example", app)
        assert mailbox is not None
        await accounts.save_token_cache(f"app/{number}", b"cache %d" % number)
        await sign_ins.keep(f"{number:064x}", mailbox.id, b"sign-in %d" % number, 60.0)
        assert await people.add(Person(str(number), f"person-{number}", frozenset({Role.ADMIN})))
        assert await people.enrol(str(number), b"authenticator %d" % number)


async def found(values: SealedValues, header: bytes = b"") -> list[SealedValue]:
    """All values but those under this header."""
    return [value async for page in values.pages(header, 3) for value in page]


async def test_every_table_with_a_sealed_column_is_known(database: SqliteDatabase) -> None:
    columns = "SELECT t.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = ?"
    holding = {name for (name,) in database._reader.execute(columns, ("sealed",))}
    assert holding == set(TABLES)


async def test_every_value_opens_in_the_place_that_is_said(database: SqliteDatabase, values: SealedValues) -> None:
    await fill(database, OLD)
    contents = {(value.table, OLD.open(value.sealed, value.place)) for value in await found(values)}
    assert contents == {
        *(("credentials", b"secret 0"), ("credentials", b"secret 1")),
        *(("second_factors", b"authenticator 0"), ("second_factors", b"authenticator 1")),
        *(("token_caches", b"cache 0"), ("token_caches", b"cache 1")),
        *(("sign_ins", b"sign-in 0"), ("sign_ins", b"sign-in 1")),
    }


@pytest.mark.parametrize("table", TABLES)
async def test_one_rows_value_does_not_open_in_another_row(
    table: str, database: SqliteDatabase, values: SealedValues
) -> None:
    await fill(database, OLD)
    one, other = (value for value in await found(values) if value.table == table)
    await values.replace([(other, one.sealed)])
    moved = next(value for value in await found(values) if value.id == other.id and value.table == table)
    assert moved.sealed == one.sealed
    with pytest.raises(ConfigError) as caught:
        OLD.open(moved.sealed, moved.place)
    assert (caught.value.code, caught.value.params) == ("vault.damaged", {"place": f"{table}/{other.id}/sealed"})


async def test_one_tables_value_does_not_open_in_another_table(database: SqliteDatabase, values: SealedValues) -> None:
    await fill(database, OLD, rows=1)
    for one in await found(values):
        for table in set(TABLES) - {one.table}:
            with pytest.raises(ConfigError):
                OLD.open(one.sealed, sealed.place(table, one.id))


async def test_pages_hold_every_row_once_and_leave_a_header_out(database: SqliteDatabase, values: SealedValues) -> None:
    await fill(database, OLD, rows=10)
    everything = await found(values)
    assert len({(value.table, value.id) for value in everything}) == len(everything) == 40
    await values.replace([(one, NEW.seal(b"x", one.place)) for one in everything[:7]])
    assert len(await found(values, NEW.header)) == 33
    assert {header_of(value.sealed) for value in await found(values, NEW.header)} == {OLD.header}


async def test_headers_are_counted_in_each_table(database: SqliteDatabase, values: SealedValues) -> None:
    await fill(database, OLD, rows=2)
    await Accounts(database, NEW, lambda: 0.0).save_token_cache("app/0", b"new")
    assert await values.headers() == {
        "credentials": {OLD.header: 2},
        "second_factors": {OLD.header: 2},
        "sign_ins": {OLD.header: 2},
        "token_caches": {OLD.header: 1, NEW.header: 1},
    }


async def test_headers_are_counted_after_what_was_handed_in_before(
    database: SqliteDatabase, values: SealedValues
) -> None:
    accounts = Accounts(database, OLD, lambda: 0.0)
    saves = [accounts.save_token_cache(f"app/{number}", b"x" * 100_000) for number in range(50)]
    # Each runs to its first await, at which it is in the queue.
    for save in saves:
        save.send(None)
    assert (await values.headers())["token_caches"] == {OLD.header: 50}
    for save in saves:
        save.close()


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_that_was_written_in_between_keeps_what_it_got(
    table: str, database: SqliteDatabase, values: SealedValues
) -> None:
    await fill(database, OLD, rows=1)
    (read,) = (value for value in await found(values) if value.table == table)
    newer = NEW.seal(b"newer", read.place)
    await values.replace([(read, newer)])
    await values.replace([(read, NEW.seal(b"older, sealed anew", read.place))])
    (kept,) = (value for value in await found(values) if value.table == table)
    assert kept.sealed == newer


async def test_a_row_that_went_away_in_between_does_not_come_back(
    database: SqliteDatabase, values: SealedValues
) -> None:
    await fill(database, OLD, rows=1)
    (read,) = (value for value in await found(values) if value.table == "sign_ins")
    await SignIns(database, OLD, lambda: 0.0).take(read.id)
    await values.replace([(read, NEW.seal(b"x", read.place))])
    assert not [value for value in await found(values) if value.table == "sign_ins"]


# ---- before the store is opened


async def test_the_keys_of_a_store_are_known_before_it_is_opened(database: SqliteDatabase, tmp_path: Path) -> None:
    await fill(database, OLD, rows=1)
    await Accounts(database, NEW, lambda: 0.0).save_token_cache("app/7", b"new")
    await database.close()
    assert sealed.needed(tmp_path / "store.db").counts == {OLD_ID: 4, key_id_of(NEW.header): 1}


async def test_a_value_without_a_header_is_counted_too(
    database: SqliteDatabase, values: SealedValues, tmp_path: Path
) -> None:
    await fill(database, OLD, rows=1)
    for value in await found(values):
        await values.replace([(value, b"\xff")])
    await database.close()
    assert sealed.needed(tmp_path / "store.db").counts == {"": 4}


async def test_looking_changes_no_byte_of_a_store_whose_process_was_killed(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    await fill(database, OLD, rows=1)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("store.db", "store.db-wal"):  # as a kill leaves it: nothing moved from the WAL into the file
        shutil.copy(tmp_path / name, left / name)
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    assert len(before["store.db-wal"]) > 0
    assert sealed.needed(left / "store.db").ids == {OLD_ID}
    assert {name: (left / name).read_bytes() for name in before} == before


async def test_looking_puts_nothing_beside_a_store_that_was_closed(database: SqliteDatabase, tmp_path: Path) -> None:
    await fill(database, OLD, rows=1)
    await database.close()
    folder = tmp_path / "a folder, 100 % odd?#"
    folder.mkdir()
    shutil.copy(tmp_path / "store.db", folder / "store.db")
    assert sealed.needed(folder / "store.db").ids == {OLD_ID}
    assert [path.name for path in folder.iterdir()] == ["store.db"]


async def test_a_store_of_the_first_schema_tells_its_keys_too(tmp_path: Path) -> None:
    first = await open_sqlite(tmp_path / "first.db", on_death=print, steps=migrations("sqlite")[:1])
    place = "credentials/contoso/sealed"
    with first._writer as writer:
        writer.execute("INSERT INTO apps VALUES (1, 'contoso', 't', 'c', 0)")
        writer.execute("INSERT INTO apps VALUES (2, 'fabrikam', 't', 'c', 0)")
        for number, secret in enumerate((b"first", b"second", b"newest"), start=1):
            writer.execute("INSERT INTO credentials VALUES (?, 1, ?, 0)", (number, OLD.seal(secret, place)))
        other = OLD.seal(b"other", "credentials/fabrikam/sealed")
        writer.execute("INSERT INTO credentials VALUES (4, 2, ?, 0)", (other,))
    await first.close()
    assert sealed.needed(tmp_path / "first.db").ids == {OLD_ID}
    upgraded = await open_sqlite(tmp_path / "first.db", on_death=print)
    kept = {value.id: OLD.open(value.sealed, value.place) for value in await found(SealedValues(upgraded))}
    accounts = Accounts(upgraded, OLD, lambda: 0.0)
    app = await accounts.app("contoso")
    assert app is not None
    in_order = [one.material.reveal() for one in await accounts.credentials(app)]
    await upgraded.close()
    assert kept == {"contoso": b"newest", "contoso:1": b"first", "contoso:2": b"second", "fabrikam": b"other"}
    assert in_order == ["newest", "second", "first"]


async def test_whose_a_value_is_can_be_asked(database: SqliteDatabase, values: SealedValues) -> None:
    await fill(database, OLD, rows=1)
    app = await Accounts(database, OLD, lambda: 0.0).app("app-0")
    assert app is not None
    for owner in (app.cache_owner, "mailbox/1", "mailbox/7"):
        await Accounts(database, OLD, lambda: 0.0).save_token_cache(owner, b"cache")
    holders = {(value.table, value.id): await values.holder(value) for value in await found(values)}
    (credential,) = (id for table, id in holders if table == "credentials")
    assert holders == {
        ("second_factors", "0"): "person-0",
        ("credentials", credential): "app-0",
        ("sign_ins", "0" * 64): "box-0@contoso.example",
        ("token_caches", "app/0"): "",
        ("token_caches", app.cache_owner): "app-0",
        ("token_caches", "mailbox/1"): "box-0@contoso.example",
        ("token_caches", "mailbox/7"): "",
    }


async def test_a_value_whose_key_id_was_changed_shows_that_its_key_is_there(
    database: SqliteDatabase, values: SealedValues, tmp_path: Path
) -> None:
    await fill(database, OLD, rows=1)
    for value in await found(values):
        await values.replace([(value, value.sealed[:3] + bytes([value.sealed[3] ^ 1]) + value.sealed[4:])])
    await database.close()
    needed = sealed.needed(tmp_path / "store.db")
    assert OLD_ID not in needed.ids
    assert [needed.sealed_by([key * 32]) for key in (b"o", b"n")] == [True, False]


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    assert sealed.needed(tmp_path / "store.db").counts == {}
    assert list(tmp_path.iterdir()) == []


async def test_what_the_look_finds_wrong_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    step = Migration(1, "CREATE TABLE one (id INTEGER) STRICT")
    await (await open_sqlite(tmp_path / "store.db", on_death=print, steps=[step])).close()
    before = (tmp_path / "store.db").read_bytes()

    def look(path: Path) -> None:
        assert path == tmp_path / "store.db"
        raise ConfigError("vault.key_missing", path=path, needed="8ad1c9f0")

    later = Migration(2, "CREATE TABLE two (id INTEGER) STRICT")
    with pytest.raises(ConfigError) as caught:
        await open_sqlite(tmp_path / "store.db", on_death=print, steps=[step, later], look=look)
    assert caught.value.code == "vault.key_missing"
    assert (tmp_path / "store.db").read_bytes() == before
    await (await open_sqlite(tmp_path / "store.db", on_death=print, steps=[step])).close()  # and nobody has it
