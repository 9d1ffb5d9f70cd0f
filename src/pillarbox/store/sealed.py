"""The sealed values of all tables as one: under which keys they lie, and how they are sealed anew."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from pillarbox.core.master_key import Needed
from pillarbox.core.vault import Vault, header_of, key_id_of
from pillarbox.store.database import Database, Statement, queries, statement

TABLES: Final = ("credentials", "second_factors", "sign_ins", "token_caches")
"""Each has one sealed column, `sealed`."""
_TRIED: Final = 4
"""Values of each table that are tried where the store seems to be sealed by another key."""


@dataclass(frozen=True, slots=True)
class SealedValue:
    """The sealed value of one row."""

    table: str
    id: str
    sealed: bytes

    @property
    def header(self) -> bytes:
        """Version and key id."""
        return header_of(self.sealed)

    @property
    def place(self) -> str:
        """What it is bound to."""
        return place(self.table, self.id)


def place(table: str, id: str) -> str:
    """What the sealed value of a row is bound to: table, row and column.

    Behind a colon stands what tells rows apart whose values were sealed for the same place: migration 0002.
    """
    return f"{table}/{id.partition(':')[0]}/sealed"


class SealedValues:
    """The sealed values of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def headers(self) -> Mapping[str, Mapping[bytes, int]]:
        """Of each table, how many values begin with which header.

        It is counted in the order of the writes: whatever was handed to the database before is in it.
        """
        counted = await self._database.write(*map(_headers, TABLES))
        return {
            table: {row["header"]: row["count"] for row in rows} for table, rows in zip(TABLES, counted, strict=True)
        }

    async def pages(self, header: bytes, size: int) -> AsyncIterator[Sequence[SealedValue]]:
        """All values that do not begin with `header`, `size` at a time."""
        for table in TABLES:
            after = ""
            while True:
                page = _page(table, header, after, size)
                rows = await self._database.read(page.name, **page.parameters)
                if not rows:
                    break
                yield [SealedValue(table, row["id"], row["sealed"]) for row in rows]
                after = rows[-1]["id"]

    async def holder(self, value: SealedValue) -> str:
        """Whose it is: name of an app registration or a person, address of a mailbox; empty for what is nobody's."""
        query = _holder(value)
        rows = await self._database.read(query.name, **query.parameters)
        return str(rows[0]["holder"]) if rows else ""

    async def replace(self, changes: Iterable[tuple[SealedValue, bytes]]) -> None:
        """Put new sealed values in the places of old ones; a row that was written in between keeps what it got."""
        await self._database.write(*(_replacing(old, new) for old, new in changes))


def needed(path: Path) -> Needed:
    """The keys that the values of the store file `path` are sealed by; none where there is no file.

    Nobody else may have it open. It is read and not changed, whatever its schema. Raises apsw.Error.
    """
    if not path.exists():
        return Needed()
    wal = path.with_name(path.name + "-wal")
    # Without this word SQLite would put an empty WAL beside the file.
    immutable = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    reader = apsw.Connection(
        f"{path.absolute().as_uri()}?mode=ro{immutable}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    counts: Counter[str] = Counter()
    some: list[SealedValue] = []
    try:
        for table in TABLES:
            if reader.table_exists(None, table):
                for header, count in reader.execute(queries("sqlite")[_headers(table).name]):
                    counts[key_id_of(header) or ""] += count
                page = _page(table, b"", "", _TRIED)
                rows = reader.execute(queries("sqlite")[page.name], page.parameters)
                some += [SealedValue(table, str(id), sealed) for id, sealed in rows]
    finally:
        reader.close()
    return Needed(counts, lambda keys: any(Vault(*keys).sealed(value.sealed, value.place) for value in some))


def _headers(table: str) -> Statement:
    return {
        "credentials": statement("sealed_headers_of_credentials"),
        "second_factors": statement("sealed_headers_of_second_factors"),
        "sign_ins": statement("sealed_headers_of_sign_ins"),
        "token_caches": statement("sealed_headers_of_token_caches"),
    }[table]


def _page(table: str, header: bytes, after: str, limit: int) -> Statement:
    return {
        "credentials": statement("sealed_page_of_credentials", header=header, after=after, limit=limit),
        "second_factors": statement("sealed_page_of_second_factors", header=header, after=after, limit=limit),
        "sign_ins": statement("sealed_page_of_sign_ins", header=header, after=after, limit=limit),
        "token_caches": statement("sealed_page_of_token_caches", header=header, after=after, limit=limit),
    }[table]


def _holder(value: SealedValue) -> Statement:
    return {
        "credentials": statement("sealed_holder_of_credential", id=value.id),
        "second_factors": statement("sealed_holder_of_second_factor", id=value.id),
        "sign_ins": statement("sealed_holder_of_sign_in", id=value.id),
        "token_caches": statement("sealed_holder_of_token_cache", owner=value.id),
    }[value.table]


def _replacing(old: SealedValue, new: bytes) -> Statement:
    return {
        "credentials": statement("sealed_replace_in_credentials", id=old.id, old=old.sealed, new=new),
        "second_factors": statement("sealed_replace_in_second_factors", id=old.id, old=old.sealed, new=new),
        "sign_ins": statement("sealed_replace_in_sign_ins", id=old.id, old=old.sealed, new=new),
        "token_caches": statement("sealed_replace_in_token_caches", id=old.id, old=old.sealed, new=new),
    }[old.table]
