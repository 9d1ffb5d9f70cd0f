"""Each broken configuration gives one line that names the place and the cure, and exit code 78.

A folder holds `pillarbox.toml` or `environment` (NAME=VALUE lines) and `expected-error`, a regular expression of the
line. All run beside each other, as each is a process of its own.
"""

import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).with_name("pillarbox")
FOLDERS = sorted(path.parent.name for path in HERE.glob("*/expected-error"))


def check(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder, with nothing but the folder's own variables in its environment."""
    lines = (folder / "environment").read_text("utf-8").splitlines() if (folder / "environment").exists() else []
    environ = {"HOME": str(home), "LC_ALL": "C.UTF-8"} | dict(line.split("=", 1) for line in lines)
    file = ["--config", "pillarbox.toml"] if (folder / "pillarbox.toml").exists() else []
    command = [str(COMMAND), "config", "check", *file]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, "Future[subprocess.CompletedProcess[str]]"]:
    """What the command says about each folder."""
    home = tmp_path_factory.mktemp("home")
    pool = ThreadPoolExecutor(4)
    return {name: pool.submit(check, HERE / name, home) for name in FOLDERS}


@pytest.mark.parametrize("name", FOLDERS)
def test_one_line_that_names_place_and_cure(
    results: dict[str, "Future[subprocess.CompletedProcess[str]]"], name: str
) -> None:
    done = results[name].result()
    expected = (HERE / name / "expected-error").read_text("utf-8").strip()
    assert re.fullmatch(f"pillarbox: {expected}\n", done.stderr), done.stderr
    assert (done.returncode, done.stdout) == (78, "")
    assert "canary" not in done.stderr


def test_a_good_configuration_passes(tmp_path: Path) -> None:
    (tmp_path / "pillarbox.toml").write_text('[smtp]\nlisten = "[::1]:2525"\n[log]\nformat = "json"\n')
    assert check(tmp_path, tmp_path).returncode == 0


def test_every_folder_is_a_case() -> None:
    folders = {path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert folders == set(FOLDERS)
    assert len(FOLDERS) >= 15
