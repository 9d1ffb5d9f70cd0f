"""What the doctor says of what is kept."""

from pathlib import Path

import pytest

from pillarbox.admin.examine.keeping import judge_version, judge_waiting, waiting
from pillarbox.core.content import in_memory
from pillarbox.core.mail import Envelope
from pillarbox.delivery.submission import Terms
from pillarbox.store.soundness import look_through
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite
from tests.conftest import House

HOUR = 3600.0
MAIL = b"From: scanner@contoso.example\r\nTo: a@fabrikam.example\r\nSubject: x\r\n\r\nx\r\n"


@pytest.mark.parametrize(("version", "severity"), [("3.51.2", "problem"), ("3.51.3", "ok"), ("3.100.0", "ok")])
def test_an_sqlite_that_loses_writes_is_told(version: str, severity: str) -> None:
    assert judge_version(version).severity == severity


@pytest.mark.parametrize(
    ("state", "age", "severity"),
    [
        ("queued", 60.0, "ok"),
        ("queued", HOUR, "warning"),
        ("deferred", 5 * HOUR, "problem"),
        ("held", 60.0, "problem"),
    ],
)
def test_mail_that_waits_long_is_told(state: str, age: float, severity: str) -> None:
    (finding,) = judge_waiting(state, 3, age)
    assert (finding.severity, finding.evidence["messages"]) == (severity, 3)


async def test_what_waits_for_an_approval_is_no_problem(house: House) -> None:
    letter = Envelope("scanner@contoso.example", ("a@fabrikam.example",))
    printer = await house.gateway.submitters.get("printer")
    await house.gateway.submission.accept(letter, in_memory(MAIL), printer, terms=Terms(approval=True))
    (finding,) = await waiting(house.gateway.examined(0.0))
    assert (finding.severity, finding.code, finding.evidence["messages"]) == ("warning", "doctor.for_approval", 1)


async def test_a_store_that_is_whole_is_called_so(database: SqliteDatabase, tmp_path: Path) -> None:
    (path,) = tmp_path.rglob("*.db")
    looked = await look_through(path, 60)
    assert (looked.damage, looked.finished) == ((), True)


async def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = await open_sqlite(path, on_death=lambda _error: None)
    try:
        await database.close()
        content = bytearray(path.read_bytes())
        content[8192:] = b"\xff" * (len(content) - 8192)
        path.write_bytes(content)
        looked = await look_through(path, 60)
        assert looked.damage
    finally:
        await database.close()


async def test_a_store_that_takes_too_long_is_left(database: SqliteDatabase, tmp_path: Path) -> None:
    (path,) = tmp_path.rglob("*.db")
    looked = await look_through(path, -1)
    assert (looked.damage, looked.finished) == ((), False)
