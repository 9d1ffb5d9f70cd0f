"""What every implementation of `store.database.Database` promises."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from pillarbox.core.errors import ConfigError, Unavailable
from pillarbox.store.database import ExpectationFailed, Migration, Series, Statement, migrations, queries, statement
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

OpenDatabase = Callable[..., Awaitable[SqliteDatabase]]


def app(name: str, **more: Any) -> Statement:
    """A statement that adds an app registration; nothing happens when the name is taken."""
    return Statement("app_add", {"name": name, "tenant_id": "t", "client_id": "c", "now": 1.0} | more)


def big(name: str, size: int = 50_000) -> Statement:
    return statement("token_cache_save", owner=name, sealed=bytes(size), now=1.0)


async def names(database: SqliteDatabase) -> list[str]:
    return [row["name"] for row in await database.read("app_list")]


@pytest.fixture
def deaths() -> list[BaseException]:
    """What the databases of this test died of."""
    return []


@pytest.fixture(params=["sqlite"])
async def open_database(
    request: pytest.FixtureRequest, tmp_path: Path, deaths: list[BaseException]
) -> AsyncIterator[OpenDatabase]:
    opened: list[SqliteDatabase] = []

    async def open_(**more: Any) -> SqliteDatabase:
        opened.append(await open_sqlite(tmp_path / "store.db", on_death=deaths.append, **more))
        return opened[-1]

    yield open_
    for database in opened:
        with suppress(apsw.Error):
            await database.close()


@pytest.fixture
async def database(open_database: OpenDatabase) -> SqliteDatabase:
    return await open_database()


# ---- transactions


async def test_what_is_written_is_seen_and_survives(database: SqliteDatabase, open_database: OpenDatabase) -> None:
    await database.write(app("a"))
    assert await names(database) == ["a"]
    await database.close()
    assert await names(await open_database()) == ["a"]


async def test_what_was_acknowledged_survives_a_hard_end(tmp_path: Path) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
from pillarbox.store.sqlite import open_sqlite
from tests.contract.test_database import app
async def main():
    database = await open_sqlite(Path({str(tmp_path / "store.db")!r}), on_death=print)
    await asyncio.gather(*(database.write(app(str(n))) for n in range(20)))
    os._exit(9)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 9
    database = await open_sqlite(tmp_path / "store.db", on_death=print)
    assert len(await names(database)) == 20
    await database.close()


async def test_each_statement_gives_its_rows(database: SqliteDatabase) -> None:
    first, second = await database.write(app("a"), statement("app_by_name", name="a"))
    assert (first, second[0]["client_id"]) == ([], "c")


async def test_an_expectation_that_fails_undoes_the_whole_transaction(database: SqliteDatabase) -> None:
    await database.write(app("taken"))
    with pytest.raises(ExpectationFailed):
        await database.write(
            app("new"), app("taken", client_id="other"), statement("app_by_name", name="taken", expect=1)
        )
    with pytest.raises(ExpectationFailed):
        await database.write(app("new"), Statement("app_add", app("taken").parameters, expect=1))
    assert await names(database) == ["taken"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (app("a", client_id=None), Unavailable),
        (app("a", client_id=object()), TypeError),
        (app("\udcff"), UnicodeEncodeError),
        (app("a", now=1 << 70), OverflowError),
        (Statement("no_such", {}), KeyError),
    ],
)
async def test_one_bad_transaction_harms_no_other_of_its_group(
    database: SqliteDatabase, deaths: list[BaseException], bad: Statement, error: type[Exception]
) -> None:
    group = [database.write(app("x")), database.write(app("y"), bad), database.write(app("z"))]
    results = await asyncio.gather(*group, return_exceptions=True)
    assert [type(one) for one in results] == [list, error, list]
    assert (await names(database), deaths) == (["x", "z"], [])


def series(make: Callable[[], Iterator[Statement]], size: int = 0) -> Series:
    return Series(make, size)


async def test_a_series_is_written_with_its_transaction(database: SqliteDatabase) -> None:
    first, of_series, last = await database.write(
        app("a"), series(lambda: (app(name) for name in "bcd")), statement("app_by_name", name="d")
    )
    assert (first, of_series, last[0]["name"]) == ([], [], "d")
    assert await names(database) == ["a", "b", "c", "d"]


async def test_a_series_is_made_while_it_is_written_and_never_whole(database: SqliteDatabase) -> None:
    alive, most = 0, 0

    class Held(Statement):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def make() -> Iterator[Statement]:
        nonlocal alive, most
        for number in range(100):
            alive += 1
            most = max(most, alive)
            yield Held("app_add", app(str(number)).parameters)

    await database.write(series(make))
    assert len(await names(database)) == 100
    assert most <= 2


async def test_a_series_that_breaks_undoes_its_transaction_and_no_other(database: SqliteDatabase) -> None:
    def make() -> Iterator[Statement]:
        yield app("half")
        raise OSError("the file is gone")

    group = [
        database.write(app("x")),
        database.write(app("y"), series(make)),
        database.write(series(lambda: iter([app("z")]))),
    ]
    results = await asyncio.gather(*group, return_exceptions=True)
    assert [type(one) for one in results] == [list, OSError, list]
    assert await names(database) == ["x", "z"]


async def test_an_expectation_counts_in_a_series_too(database: SqliteDatabase) -> None:
    await database.write(app("taken"))
    again = Statement("app_add", app("taken").parameters, expect=1)
    with pytest.raises(ExpectationFailed):
        await database.write(series(lambda: iter([app("new"), again])))
    assert await names(database) == ["taken"]


async def test_large_transactions_do_not_all_share_one_commit(database: SqliteDatabase) -> None:
    commits = itertools.count()
    database._writer.set_commit_hook(lambda: next(commits) < 0)
    large = [series(lambda name=str(n): iter([app(name)]), size=3 << 20) for n in range(30)]  # type: ignore[misc]
    await asyncio.gather(*(database.write(one) for one in large))
    assert next(commits) >= 10


async def test_transactions_of_one_caller_keep_their_order(database: SqliteDatabase) -> None:
    await asyncio.gather(
        *(database.write(statement("token_cache_save", owner="o", sealed=b"%d" % n, now=0.0)) for n in range(300))
    )
    assert (await database.read("token_cache_load", owner="o"))[0]["sealed"] == b"299"


async def test_concurrent_writers_share_commits(database: SqliteDatabase) -> None:
    commits = itertools.count()
    database._writer.set_commit_hook(lambda: next(commits) < 0)
    await asyncio.gather(*(database.write(app(str(number))) for number in range(200)))
    assert len(await names(database)) == 200
    assert next(commits) < 20


async def test_a_caller_that_is_canceled_harms_nobody_and_leaves_nothing_half_done(database: SqliteDatabase) -> None:
    task = asyncio.create_task(database.write(app("a"), app("b")))
    await asyncio.sleep(0)
    task.cancel()
    await database.write(app("c"))
    assert await names(database) == ["a", "b", "c"]
    assert task.cancelled()


# ---- the end


async def test_close_finishes_what_was_begun(database: SqliteDatabase, open_database: OpenDatabase) -> None:
    writing = [asyncio.create_task(database.write(app(str(number)))) for number in range(600)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writing)
    assert len(await names(await open_database())) == 600


async def test_after_close_nothing_is_taken(database: SqliteDatabase) -> None:
    await database.close()
    for late in (lambda: database.write(app("a")), lambda: database.read("app_list")):
        with pytest.raises(Unavailable) as caught:
            await late()
        assert caught.value.code == "store.stopped"
    await database.close()


async def test_a_full_disk_refuses_and_takes_again_when_there_is_room(open_database: OpenDatabase) -> None:
    database = await open_database(max_pages=40)
    with pytest.raises(Unavailable) as caught:
        await asyncio.gather(*(database.write(big(f"o{number}")) for number in range(20)))
    assert caught.value.code == "store.full"
    database._writer.pragma("max_page_count", 10_000)
    await database.write(big("more"))
    assert await database.read("token_cache_load", owner="more")


async def test_on_a_full_disk_what_fits_is_still_taken(open_database: OpenDatabase) -> None:
    database = await open_database(max_pages=40)
    results = await asyncio.gather(database.write(app("a")), database.write(big("b", 900_000)), return_exceptions=True)
    assert [type(one) for one in results] == [list, Unavailable]
    assert await names(database) == ["a"]


async def test_when_the_writer_dies_everybody_who_waits_is_told(
    database: SqliteDatabase, deaths: list[BaseException]
) -> None:
    # A connection that is gone cannot even be rolled back.
    database._writer.close()
    waiting = [database.write(app(str(number))) for number in range(600)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {one.code for one in results if isinstance(one, Unavailable)} == {"store.failed"}
    assert (len(results), len(deaths)) == (600, 1)
    with pytest.raises(Unavailable):
        await database.write(app("late"))


async def test_a_store_that_died_lets_go_of_its_files(database: SqliteDatabase, open_database: OpenDatabase) -> None:
    database._writer.close()
    with pytest.raises(Unavailable):
        await database.write(app("a"))
    await database.close()
    assert await names(await open_database()) == []


# ---- opening


async def test_a_second_process_is_told_who_has_the_store(database: SqliteDatabase, tmp_path: Path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from pillarbox.store.sqlite import open_sqlite
asyncio.run(open_sqlite(Path({str(tmp_path / "store.db")!r}), on_death=print))
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert f"Another process (process {os.getpid()}) has the store" in done.stderr


async def test_in_this_process_too_a_store_is_opened_once(
    database: SqliteDatabase, open_database: OpenDatabase
) -> None:
    with pytest.raises(Unavailable) as caught:
        await open_database()
    assert caught.value.code == "store.in_use"


STEPS = [
    *migrations("sqlite"),
    Migration(len(migrations("sqlite")) + 1, "ALTER TABLE apps ADD COLUMN note TEXT; UPDATE apps SET note = name;"),
    Migration(len(migrations("sqlite")) + 2, "ALTER TABLE apps DROP COLUMN note;"),
]


def schema(path: Path) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    return list(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name, type"))


async def test_an_older_store_is_brought_forward_with_what_it_holds(
    open_database: OpenDatabase, tmp_path: Path
) -> None:
    old = await open_database()
    await old.write(app("a"))
    await old.close()
    new = await open_database(steps=STEPS[:-1])
    assert await names(new) == ["a"]
    assert "note TEXT" in str(schema(tmp_path / "store.db"))


async def test_a_step_that_fails_changes_nothing(open_database: OpenDatabase, tmp_path: Path) -> None:
    await (await open_database()).close()
    before = schema(tmp_path / "store.db")
    bad = Migration(len(STEPS) - 1, "CREATE TABLE half (a INTEGER) STRICT; nonsense;")
    with pytest.raises(ConfigError):
        await open_database(steps=[*STEPS[:-2], bad])
    assert schema(tmp_path / "store.db") == before
    assert await names(await open_database()) == []


async def test_a_newer_store_is_left_alone(open_database: OpenDatabase) -> None:
    await (await open_database(steps=STEPS)).close()
    with pytest.raises(ConfigError) as caught:
        await open_database()
    assert caught.value.code == "store.newer_schema"
    assert (caught.value.params["found"], caught.value.params["known"]) == (len(STEPS), len(STEPS) - 2)
    await (await open_database(steps=STEPS)).close()


async def test_step_by_step_and_at_once_give_one_schema(tmp_path: Path) -> None:
    for name, counts in (("fresh.db", [len(STEPS)]), ("grown.db", range(1, len(STEPS) + 1))):
        for count in counts:
            await (await open_sqlite(tmp_path / name, on_death=print, steps=STEPS[:count])).close()
    assert schema(tmp_path / "fresh.db") == schema(tmp_path / "grown.db")


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.version for step in migrations("sqlite")] == list(range(1, len(migrations("sqlite")) + 1))


async def test_nobody_else_may_read_the_files(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(app("a"))
    found = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("store.db*")}
    assert found == {"store.db": 0, "store.db-wal": 0, "store.db-shm": 0, "store.db.lock": 0}


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_file_that_is_no_store(open_database: OpenDatabase, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        await open_database()
    assert caught.value.code == "store.corrupt"


@pytest.mark.parametrize("name", ["store.db", "store.db.lock"])
async def test_a_file_that_cannot_be_opened(open_database: OpenDatabase, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError) as caught:
        await open_database()
    assert caught.value.code == "config.state_dir"


async def test_a_store_that_cannot_be_read_says_so_as_unavailable(database: SqliteDatabase) -> None:
    await database._loop.run_in_executor(database._reading, database._reader.close)
    with pytest.raises(Unavailable) as caught:
        await database.read("app_list")
    assert caught.value.code == "store.failed"


def test_no_statement_is_defined_twice_and_each_has_a_sentence() -> None:
    assert len(queries("sqlite")) > 20
    for name, sql in queries("sqlite").items():
        assert sql.startswith("-- "), name


async def test_after_each_commit_a_bell_rings_when_a_read_sees_it(database: SqliteDatabase) -> None:
    seen: list[asyncio.Task[list[str]]] = []
    rung = asyncio.Event()

    def ring() -> None:
        seen.append(asyncio.get_running_loop().create_task(names(database)))
        rung.set()

    database.on_commit(ring)
    await database.write(app("one"))
    await rung.wait()
    assert await seen[0] == ["one"]


async def test_a_write_from_which_nothing_came_loses_no_later_bell(database: SqliteDatabase) -> None:
    rung = asyncio.Event()
    database.on_commit(rung.set)
    with pytest.raises(ExpectationFailed):
        await database.write(statement("app_remove", expect=1, id=7))
    rung.clear()
    await database.write(app("one"))
    await rung.wait()
