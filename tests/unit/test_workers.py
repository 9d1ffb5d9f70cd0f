"""What `make test` does not tear apart (tests/workers.py), seen from outside: a run of pytest with two processes."""

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEST = """\
import os, pathlib, time

def note(name):
    pathlib.Path(f"{name}.ran").write_text(os.environ["PYTEST_XDIST_WORKER"])

"""


async def workers(folder: Path, **modules: str) -> list[str]:
    """Where the tests of these modules ran, by name."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in modules.items():
        (folder / f"test_{name}.py").write_text(TEST + text)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-n", "2"),
        *("-p", "xdist", "-p", "tests.workers", "-p", "no:cacheprovider"),
        cwd=folder,
        # Other plugins that are installed are loaded for nothing, some for ten seconds of CPU.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return [file.read_text() for file in sorted(folder.glob("*.ran"))]


def module(*names: str, body: str) -> str:
    """A test of each name, which notes where it runs."""
    return "".join(f"def test_{name}():\n    note('{name}')\n    {body}\n" for name in names)


async def test_the_tests_of_a_file_run_in_one_process(tmp_path: Path) -> None:
    one, two = module("a", "b", "c", body="pass"), module("d", "e", "f", body="pass")
    a, b, c, d, e, f = await workers(tmp_path, one=one, two=two)
    assert a == b == c != d == e == f


async def test_tests_that_read_a_clock_run_in_one_process(tmp_path: Path) -> None:
    one, two = (module(*names, body="time.process_time()") for names in ("abc", "def"))
    *timed, other = await workers(tmp_path, one=one, two=two, three=module("g", body="pass"))
    assert {*timed} == {timed[0]} != {other}
