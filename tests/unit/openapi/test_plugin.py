"""The plugin, seen from outside: each case is a run of pytest of its own."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TEST = """\
from pillarbox.emulator.http import Answer, Call

def test_it(recorder):
    call = Call("POST", "https://localhost", "/v1.0/me/sendMail", "", {}, b"", 0.0, "1")
    recorder(call, Answer(ANSWER, {"request-id": "1", "client-request-id": "1"}), None)
"""


async def run(folder: Path, answer: str, *arguments: str, tests: str = TEST) -> tuple[int, str, Any]:
    """Run a test whose emulator gives this answer: exit code, output, and what was written."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(tests.replace("ANSWER", answer))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "tests.openapi.plugin", "-p", "no:cacheprovider", "-q"),
        *("--emulator-coverage", "heard.json", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), json.loads((folder / "heard.json").read_text())


async def test_a_test_whose_emulator_speaks_like_microsoft_passes(tmp_path: Path) -> None:
    code, _, heard = await run(tmp_path, "202, b''")
    assert code == 0
    assert heard["graph"]["POST /me/sendMail"] == {"succeeded": 1, "refused": 0, "validated": 1}


async def test_a_test_whose_emulator_does_not_fails_and_says_why(tmp_path: Path) -> None:
    code, output, heard = await run(tmp_path, "202, b'{}'")
    assert code == 1
    assert "POST /me/sendMail 202: the body must be empty and has 2 bytes" in output
    assert heard["graph"]["POST /me/sendMail"]["validated"] == 0


async def test_what_several_processes_have_heard_is_added(tmp_path: Path) -> None:
    """Two tests and two processes: each gets one."""
    code, _, heard = await run(
        tmp_path, "202, b''", "-n", "2", tests=TEST + TEST.partition("\n\n")[2].replace("it", "that")
    )
    assert code == 0
    assert heard["graph"]["POST /me/sendMail"] == {"succeeded": 2, "refused": 0, "validated": 2}


async def test_only_what_tests_of_a_folder_heard_is_counted_where_one_is_named(tmp_path: Path) -> None:
    """It is judged all the same."""
    code, _, heard = await run(tmp_path, "202, b''", "--coverage-of", "elsewhere")
    assert code == 0
    assert heard["graph"]["POST /me/sendMail"]["succeeded"] == 0
    code, _, heard = await run(tmp_path, "202, b'{}'", "--coverage-of", ".")
    assert code == 1
    assert heard["graph"]["POST /me/sendMail"]["succeeded"] == 1
