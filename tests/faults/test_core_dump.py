"""A crash leaves no picture of the memory, in which keys and tokens lie in clear."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.service import serve

ROOT = Path(__file__).parents[2]


async def test_a_process_that_forbade_it_leaves_no_core_when_it_crashes(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.crashing", "forbidden"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert output.decode().split() == ["True", "0", "0"]  # done, the limit, dumpable
    assert process.returncode == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) == []


async def test_the_service_leaves_no_core_when_it_crashes(tmp_path: Path) -> None:
    service = await serve(tmp_path, {})
    limits = Path(f"/proc/{service.ready['pid']}/limits").read_text().splitlines()
    (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]  # soft and hard
    assert await service.end(signal.SIGSEGV) == -signal.SIGSEGV
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "state"]
