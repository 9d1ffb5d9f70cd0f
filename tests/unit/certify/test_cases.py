"""The cases know nothing of the emulator: they must run unchanged against a tenant."""

import re
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[2] / "contract" / "microsoft"
CASES = sorted(SUITE.glob("test_*.py"))
CLIENTS = [
    SUITE / f"{name}.py"
    for name in ("web", "entra", "graph", "mailbox", "mails", "assertion", "target", "names", "naming", "hosts")
]


@pytest.mark.parametrize("file", [*CASES, *CLIENTS], ids=lambda file: file.stem)
def test_nothing_of_ours_is_imported(file: Path) -> None:
    assert not re.search(r"^\s*(from|import) pillarbox", file.read_text("utf-8"), re.M)
    assert "emulated" not in file.read_text("utf-8")


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_no_case_waits_by_itself(file: Path) -> None:
    assert "sleep(" not in file.read_text("utf-8")


def test_every_case_of_the_suite_is_found() -> None:
    assert len(CASES) >= 12
