"""The audit log in the store."""

import dataclasses
import re
from collections.abc import Iterator

import pytest

from pillarbox.store.audit import AuditLog, AuditRow
from pillarbox.store.database import queries
from pillarbox.store.sqlite import SqliteDatabase

ROW = AuditRow(0.0, "key", "k1", "crm", "http", "192.0.2.1", "add_mailbox", "a@x.example", ("app",), "r1", "", "")


@pytest.fixture
def ticks() -> Iterator[float]:
    return iter([100.0, 200.0, 300.0, 1000.0])


@pytest.fixture
def log(database: SqliteDatabase, ticks: Iterator[float]) -> AuditLog:
    return AuditLog(database, lambda: next(ticks))


@pytest.fixture
async def three(log: AuditLog) -> AuditLog:
    """Rows at 100, 200 and 300: of crm, of erp, of crm."""
    await log.begin(ROW)
    await log.begin(dataclasses.replace(ROW, actor="k2", actor_name="erp", action="remove_mailbox"))
    await log.begin(ROW)
    return log


async def test_a_row_comes_back_as_it_was_and_says_how_it_ended(log: AuditLog) -> None:
    seq = await log.begin(ROW)
    assert list(await log.list(limit=9)) == [dataclasses.replace(ROW, at=100.0, seq=seq)]
    await log.end(seq, "refused", "mailbox.taken")
    (row,) = await log.list(limit=9)
    assert (row.outcome, row.code) == ("refused", "mailbox.taken")


@pytest.mark.parametrize(
    ("wanted", "times"),
    [
        ({}, [300.0, 200.0, 100.0]),
        ({"actor": "crm"}, [300.0, 100.0]),
        ({"actor": "k2"}, [200.0]),
        ({"action": "remove_mailbox"}, [200.0]),
        ({"since": 200.0}, [300.0, 200.0]),
        ({"until": 200.0}, [100.0]),
        ({"before": 3}, [200.0, 100.0]),
    ],
)
@pytest.mark.parametrize("slice_rows", [1, 2, 100])
async def test_filters_choose(
    database: SqliteDatabase, three: AuditLog, wanted: dict[str, object], times: list[float], slice_rows: int
) -> None:
    log = AuditLog(database, lambda: 0.0, slice_rows)
    assert [row.at for row in await log.list(limit=9, **wanted)] == times  # type: ignore[arg-type]
    assert [row.at for row in await log.list(limit=1, **wanted)] == times[:1]  # type: ignore[arg-type]


async def test_an_empty_log_has_no_rows(log: AuditLog) -> None:
    assert list(await log.list(limit=9)) == []


@pytest.mark.parametrize("before", [1, 0, -5, 10**15])
async def test_a_place_that_is_none_is_no_fault(three: AuditLog, before: int) -> None:
    assert len(await three.list(limit=9, before=before)) == (3 if before > 3 else 0)


def test_a_page_is_found_by_its_place(database: SqliteDatabase) -> None:
    sql = queries("sqlite")["audit_list"]
    parameters = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub("--.*", "", sql)), 0)
    plan = [str(row[-1]) for row in database._writer.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
    assert plan == ["SEARCH audit USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"], plan


async def test_what_is_too_old_goes_a_few_at_a_time(three: AuditLog) -> None:
    assert await three.forget(750.0, limit=1) == 1
    assert [row.at for row in await three.list(limit=9)] == [300.0, 200.0]


def test_what_is_too_old_is_found_by_its_time(database: SqliteDatabase) -> None:
    sql = queries("sqlite")["audit_forget"]
    parameters = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub("--.*", "", sql)), 0)
    plan = [str(row[-1]) for row in database._writer.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
    assert any("audit_at" in line for line in plan), plan
