"""The database port: named statements, written in transactions that are committed together, read in between.

The SQL stands in `sql/<dialect>/*.sql`, each statement with a name and a sentence; Python builds none.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Protocol

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a transaction. With `expect`, another number of changed rows undoes the whole transaction."""

    name: str
    parameters: Mapping[str, object]
    expect: int | None = None


def statement(name: str, /, *, expect: int | None = None, **parameters: object) -> Statement:
    """A statement by name, its parameters by theirs."""
    return Statement(name, parameters, expect)


@dataclass(frozen=True, slots=True)
class Series:
    """Statements of a transaction that are made one by one while it runs, so that what they hold is never whole.

    `make` is called in the writer's thread, and again where the transaction has to be. `size` is about how many bytes
    they hold. A series has no rows.
    """

    make: Callable[[], Iterator[Statement]]
    size: int


class ExpectationFailed(Exception):
    """A statement changed another number of rows than expected; its transaction was undone."""


class Database(Protocol):
    """What the modules of the store need of a database. tests/contract/test_database.py says how it behaves."""

    async def write(self, *statements: Statement | Series) -> list[list[Row]]:
        """Run the statements in one transaction; each one's rows, when they are durable.

        Transactions of several callers may be committed together; one that fails does not harm the others.
        Raises ExpectationFailed, or Unavailable `store.full`, `store.failed`, `store.stopped`.
        """

    async def read(self, name: str, /, **parameters: object) -> list[Row]:
        """The rows of one query over what is committed."""

    def on_commit(self, ring: Callable[[], None]) -> None:
        """Call `ring` in the event loop after each commit, when a read sees what it wrote; one `ring` at a time."""

    async def close(self) -> None:
        """Finish what was begun and let go of the files."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number, from 1 on without gaps, and its SQL."""

    version: int
    sql: str


@cache
def queries(dialect: str) -> Mapping[str, str]:
    """All named statements of a dialect."""
    found: dict[str, str] = {}
    for file in _files(dialect):
        for name, sql in _parse(file.read_text("utf-8")):
            if name in found:
                raise ValueError(f"{file.name}: {name} is defined twice")
            found[name] = sql
    return found


@cache
def migrations(dialect: str) -> tuple[Migration, ...]:
    """All migrations of a dialect, first to last."""
    files = sorted(_files(f"{dialect}/migrations"), key=lambda file: file.name)
    return tuple(Migration(int(file.name[:4]), file.read_text("utf-8")) for file in files)


def _files(folder: str) -> Iterator[Traversable]:
    root = resources.files(__package__ or __name__).joinpath("sql", *folder.split("/"))
    return (file for file in root.iterdir() if file.name.endswith(".sql"))


def _parse(text: str) -> Iterator[tuple[str, str]]:
    for block in text.split("-- name: ")[1:]:
        name, _, sql = block.partition("\n")
        yield name.strip(), sql.strip()
