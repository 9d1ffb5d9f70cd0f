"""What the doctor prints."""

import pytest

from pillarbox.admin.doctor import EXAMINATIONS
from pillarbox.cli.doctor import _print


def test_no_name_runs_into_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    names = [examination.name for examination in EXAMINATIONS]
    _print([{"name": name, "severity": "ok", "title": "It is well.", "hint": ""} for name in names])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[: len(names)]] == [
        ["ok", name, "It", "is", "well."] for name in names
    ]
