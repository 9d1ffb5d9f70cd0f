"""`make setup` says in one line what is missing, before it makes anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CURE = "apt install python3-venv"


def _setup(python: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHON": python, "VENV": str(folder / "venv")}
    return subprocess.run(["sh", ROOT / "tools/setup.sh"], env=environ, capture_output=True, text=True)


def _lacking(module: str, folder: Path) -> str:
    """A Python that is what we need but for one module."""
    shim = folder / "python"
    shim.write_text(f'#!/bin/sh\ncase "$2" in *{module}*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    return str(shim)


@pytest.mark.parametrize("module", ["version_info", "ensurepip"], ids=["too old", "without ensurepip"])
def test_a_python_that_will_not_do_is_told_with_the_cure(module: str, tmp_path: Path) -> None:
    done = _setup(_lacking(module, tmp_path), tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert CURE in done.stderr
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all_is_told_with_the_cure(tmp_path: Path) -> None:
    assert CURE in _setup("/nowhere/python3", tmp_path).stderr


def test_the_locks_hold_the_same_versions_and_no_index_host() -> None:
    run, extras, dev = ((ROOT / "requirements" / f"{name}.txt").read_text() for name in ("run", "extras", "dev"))
    pins = [{line for line in lock.splitlines() if "==" in line} for lock in (run, extras, dev)]
    assert len(pins[0]) > 20
    assert pins[0] < pins[1] < pins[2]
    assert "http" not in (run + extras + dev).replace("aiohttp", "").replace("httptools", "")
