"""The guard against silent skips (tests/skips.py), seen from outside: each case is a run of pytest of its own."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTLESS = "needs root to mount a small file system"


async def run(folder: Path, test: str, *arguments: str, **environ: str) -> tuple[int, str]:
    """Run this text as a test module under the guard: exit code and output."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(f"import pytest, unittest\n{test}\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider", "-q", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


TEST = "def test_it(): "


@pytest.mark.parametrize(
    "test",
    [
        f"{TEST}pytest.skip('tired')",
        f"@pytest.mark.skip(reason='tired')\n{TEST}pass",
        f"@pytest.mark.skipif(True, reason='tired')\n{TEST}pass",
        f"@pytest.mark.xfail(reason='tired')\n{TEST}assert False",
        f"@pytest.mark.xfail(reason='tired', run=False)\n{TEST}pass",
        f"{TEST}pytest.xfail('tired')",
        f"{TEST}raise unittest.SkipTest('tired')",
        f"@pytest.fixture\ndef bed(): pytest.skip('tired')\ndef test_it(bed): pass\n{TEST.replace('it', 'well')}pass",
        f"pytest.skip('tired', allow_module_level=True)\n{TEST}pass",
        f"pytest.importorskip('no_such_module', reason='tired')\n{TEST}pass",
    ],
)
async def test_a_reason_that_is_not_listed_fails(tmp_path: Path, test: str) -> None:
    code, output = await run(tmp_path, test)
    assert code != 0
    assert "skipped for 'tired', which tests/skips.toml does not allow here" in output


@pytest.mark.parametrize(
    "test",
    [
        "pytest.importorskip('no_such_module')",
        f"@pytest.mark.skip\n{TEST}pass",
        f"@pytest.mark.xfail\n{TEST}assert False",
    ],
)
async def test_without_a_reason_it_fails(tmp_path: Path, test: str) -> None:
    code, output = await run(tmp_path, test)
    assert code != 0
    assert "which tests/skips.toml does not allow here" in output


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(
    ("test", "code"),
    [
        (f"{TEST}pytest.skip('{ROOTLESS}')", 0),
        (f"@pytest.mark.xfail(reason='{ROOTLESS}')\n{TEST}assert False", 0),
        (f"pytest.skip('{ROOTLESS}', allow_module_level=True)", 5),  # pytest's own: no tests were collected
    ],
)
async def test_a_listed_reason_passes_and_the_last_lines_name_it(
    tmp_path: Path, test: str, code: int, processes: str
) -> None:
    found, output = await run(tmp_path, test, "-n", processes, PILLARBOX_REQUIRE_TOOLS="1")
    assert (found, "skipped: 1" in output, f"{ROOTLESS} (run as root)" in output) == (code, True, True)


@pytest.mark.parametrize(
    "test", [f"{TEST}pytest.skip('tired')", f"pytest.skip('tired', allow_module_level=True)\n{TEST}pass"]
)
async def test_a_reason_that_is_not_listed_fails_in_several_processes_too(tmp_path: Path, test: str) -> None:
    code, output = await run(tmp_path, test, "-n", "2")
    assert code != 0
    assert "skipped for 'tired', which tests/skips.toml does not allow here" in output


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
async def test_a_missing_tool_fails_where_tools_are_required(tmp_path: Path, required: str, code: int) -> None:
    test = f"@pytest.mark.skipif(True, reason='needs curl')\n{TEST}pass"
    assert (await run(tmp_path, test, PILLARBOX_REQUIRE_TOOLS=required))[0] == code
