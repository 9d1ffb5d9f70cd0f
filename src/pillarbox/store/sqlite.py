"""SQLite behind the database port: one writer thread with group commit, one reader.

SQLite comes with apsw: the standard library's may be older than 3.51.3 and then has the WAL-reset bug, which needs two
writing connections to bite. There is one connection that writes and checkpoints; the reader opens the file read-only.
`synchronous=FULL`: a commit that was reported is on the disk. Group commit makes that cheap: while one fsync runs, the
transactions of the other callers gather, and the next commit takes them all.
"""

import asyncio
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import apsw

from pillarbox.core.errors import DISK_FULL, ConfigError, PillarboxError, Unavailable
from pillarbox.store.database import ExpectationFailed, Migration, Row, Series, Statement, migrations, queries

_GROUP_LIMIT: Final = 256
_GROUP_BYTES: Final = 8 * 1024 * 1024
_CHECKPOINT_IDLE_PAGES: Final = 1_000
_CHECKPOINT_BUSY_PAGES: Final = 8_000
_SYNCS_IN_VAIN: Final = 3
"""Commits in succession that the disk did not sync, after which it is not believed any more."""
_LEAST_ROOM: Final = 64 * 1024
"""Bytes of disk with which a store can be opened: the index of a WAL begins with 32 KiB."""


@dataclass(slots=True)
class _Transaction:
    statements: Sequence[Statement | Series]
    future: asyncio.Future[list[list[Row]]]
    result: list[list[Row]] | Exception | None = None

    @property
    def size(self) -> int:
        return sum(one.size for one in self.statements if isinstance(one, Series))


class SqliteDatabase:
    """A SQLite file that this process alone has open. Make one with `open_sqlite`."""

    def __init__(self, path: Path, lock: TextIO, on_death: Callable[[BaseException], None]) -> None:
        self._lock = lock
        self._on_death = on_death
        self._ring: Callable[[], None] = _nobody
        self._queries = queries("sqlite")
        self._writer = _connect(path)
        self._writer.set_wal_hook(self._count_wal_pages)
        self._wal_pages = 0
        self._in_vain = 0
        self._waiting: queue.SimpleQueue[_Transaction | None] = queue.SimpleQueue()
        self._closed = False
        self._released = False
        self._loop = asyncio.get_running_loop()
        self._reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._reader.set_busy_timeout(5000)
        _keep_plans(self._reader)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, *statements: Statement | Series) -> list[list[Row]]:
        """See `Database.write`."""
        if self._closed:
            raise Unavailable("store.stopped")
        transaction = _Transaction(statements, self._loop.create_future())
        self._waiting.put(transaction)
        # A caller that is canceled must not cancel what others share, nor leave its own half done.
        return await asyncio.shield(transaction.future)

    async def read(self, name: str, /, **parameters: object) -> list[Row]:
        """See `Database.read`."""
        if self._closed:
            raise Unavailable("store.stopped")
        return await self._loop.run_in_executor(self._reading, self._select, name, parameters)

    def on_commit(self, ring: Callable[[], None]) -> None:
        """See `Database.on_commit`."""
        self._ring = ring

    async def close(self) -> None:
        """See `Database.close`."""
        if self._released:
            return
        self._closed = self._released = True
        self._waiting.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._reading.shutdown()
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def _select(self, name: str, parameters: dict[str, object]) -> list[Row]:
        try:
            return _rows(self._reader.execute(self._queries[name], parameters))
        except (apsw.Error, MemoryError) as error:
            raise _translated(error) from error

    # ---- the writer thread

    def _run(self) -> None:
        group: list[_Transaction] = []
        try:
            while group := self._next_group():
                self._commit(group)
                self._loop.call_soon_threadsafe(self._committed, group)
                self._checkpoint()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._die, group, error)

    def _committed(self, group: Sequence[_Transaction]) -> None:
        _resolve(group)
        self._ring()

    def _die(self, group: Sequence[_Transaction], error: BaseException) -> None:
        """Without a writer nothing may be acknowledged any more: everybody who waits is told, and the process ends.

        Runs in the loop, as `write` does, so that no transaction slips in between.
        """
        self._closed = True
        waiting = [*group]
        while more := self._drain():
            waiting += more
        for transaction in waiting:
            transaction.result = Unavailable("store.failed", reason=error)
        _resolve(waiting)
        self._on_death(error)

    def _next_group(self) -> list[_Transaction]:
        """What waits, at least one; empty when the store is to close."""
        first = self._waiting.get()
        return [] if first is None else [first, *self._drain(first.size)]

    def _drain(self, size: int = 0) -> list[_Transaction]:
        group: list[_Transaction] = []
        while len(group) < _GROUP_LIMIT and size < _GROUP_BYTES:
            try:
                transaction = self._waiting.get_nowait()
            except queue.Empty:
                break
            if transaction is None:
                self._waiting.put(None)
                break
            group.append(transaction)
            size += transaction.size
        return group

    def _commit(self, group: Sequence[_Transaction]) -> None:
        """Commit the group at once; where one fails, each by itself, so that it fails alone.

        A disk that does not sync again and again ends the writer: what such a disk says is no ground for a 250.
        """
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for transaction in group:
                transaction.result = self._apply(transaction.statements)
            self._writer.execute("COMMIT")
            self._in_vain = 0
        except Exception as error:
            # Also a mistake of ours, such as a parameter that cannot be bound, fails alone.
            self._roll_back()
            self._in_vain += getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC
            if self._in_vain >= _SYNCS_IN_VAIN:
                raise
            if len(group) == 1:
                group[0].result = _translated(error)
            else:
                for transaction in group:
                    self._commit([transaction])

    def _apply(self, statements: Sequence[Statement | Series]) -> list[list[Row]]:
        results: list[list[Row]] = []
        for one in statements:
            if isinstance(one, Series):
                for made in one.make():
                    self._execute(made)
                results.append([])
            else:
                results.append(self._execute(one))
        return results

    def _execute(self, one: Statement) -> list[Row]:
        rows = _rows(self._writer.execute(self._queries[one.name], one.parameters))
        if one.expect is not None and self._writer.changes() != one.expect:
            raise ExpectationFailed(one.name)
        return rows

    def _roll_back(self) -> None:
        # After some errors (a full disk) SQLite has rolled back by itself.
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _count_wal_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Move the WAL into the file when nobody waits, or when it has grown long."""
        limit = _CHECKPOINT_IDLE_PAGES if self._waiting.empty() else _CHECKPOINT_BUSY_PAGES
        if self._wal_pages < limit:
            return
        try:
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.FullError, apsw.IOError, apsw.BusyError):
            pass  # Everything is safe in the WAL; the next commit will meet the same disk and say so.
        self._wal_pages = 0


def _nobody() -> None:
    """Nobody waits for commits."""


def _resolve(group: Sequence[_Transaction]) -> None:
    for transaction in group:
        if transaction.future.done():
            continue
        if isinstance(transaction.result, Exception):
            transaction.future.set_exception(transaction.result)
            # Whoever waited may have been canceled: asyncio need not complain that nobody looked.
            transaction.future.exception()
        else:
            transaction.future.set_result(transaction.result or [])


def _rows(cursor: apsw.Cursor) -> list[Row]:
    first = cursor.fetchone()
    if first is None:
        return []
    names = [column[0] for column in cursor.get_description()]
    return [dict(zip(names, row, strict=True)) for row in (first, *cursor)]


def _translated(error: Exception) -> Exception:
    if not isinstance(error, apsw.Error | MemoryError):
        return error
    return Unavailable("store.full") if isinstance(error, apsw.FullError) else Unavailable("store.failed", reason=error)


# ---- opening


async def open_sqlite(
    path: Path,
    *,
    on_death: Callable[[BaseException], None],
    steps: Sequence[Migration] | None = None,
    max_pages: int | None = None,
    look: Callable[[Path], None] = lambda _path: None,
) -> SqliteDatabase:
    """Open or make the store `path`, alone, and bring its schema up to date.

    `look` may look at the file before anything in it is changed; what it raises leaves the file as it is. `max_pages`
    limits the file's size; writes beyond it fail as on a full disk. Raises Unavailable `store.in_use` when another
    process has it, ConfigError `store.newer_schema` when a newer Pillarbox wrote it.
    """
    lock = _take_lock(path)
    try:
        look(path)
        _prepare(path, migrations("sqlite") if steps is None else steps)
        database = SqliteDatabase(path, lock, on_death)
        if max_pages is not None:
            database._writer.pragma("max_page_count", max_pages)
        return database
    except (apsw.Error, OSError) as error:
        lock.close()
        raise _not_opened(path, error) from error
    except PillarboxError:
        lock.close()
        raise


def _take_lock(path: Path) -> TextIO:
    try:
        # For us alone: whoever can open it can hold it.
        lock = os.fdopen(os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise _not_opened(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise Unavailable("store.in_use", path=path, owner=f"process {owner}") from None
    try:
        # Past the buffer: what a full disk does not take must not wait in it.
        os.ftruncate(lock.fileno(), 0)
        os.pwrite(lock.fileno(), b"%d\n" % os.getpid(), 0)
    except OSError as error:
        lock.close()
        raise _not_opened(path, error) from error
    return lock


def _not_opened(path: Path, error: apsw.Error | OSError) -> PillarboxError:
    """A full disk is over when there is room; all else is for a person to mend."""
    # SQLite calls it an I/O error where the index of the WAL gets no room (SQLITE_IOERR_SHMSIZE).
    full = isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno in DISK_FULL)
    if full or (isinstance(error, apsw.IOError) and _is_full(path.parent)):
        return Unavailable("store.full")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return ConfigError("store.corrupt", path=path, reason=error)
    return ConfigError("config.state_dir", path=path.parent, reason=error)


def _is_full(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < _LEAST_ROOM


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(5000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    _keep_plans(connection)
    return connection


def _keep_plans(connection: apsw.Connection) -> None:
    """Prepare each statement once. Where there are partial indexes, SQLite else does so again for each new value.

    A claim costs 5 us then, and not 80 (queryplanner-ng.html of sqlite.org, "query planner stability guarantee").
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _prepare(path: Path, steps: Sequence[Migration]) -> None:
    connection = apsw.Connection(str(path))
    os.chmod(path, 0o600)
    try:
        # Both must be set before the first table: pages that fit a mail of ten kilobytes, and giving room back later.
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        found = int(connection.pragma("user_version"))
        known = steps[-1].version
        if found > known:
            raise ConfigError("store.newer_schema", path=path, found=found, known=known)
        for step in steps[found:]:
            with connection:
                connection.execute(step.sql)
                connection.pragma("user_version", step.version)
    finally:
        connection.close()
