"""A crash leaves no picture of the memory, in which keys and tokens lie in clear."""

import asyncio
import os
import pty
import resource
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


async def test_a_command_that_asks_for_a_secret_leaves_no_core_when_it_crashes(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    ids = ("--tenant-id", "11111111-2222-4333-8444-555555555555", "--client-id", "66666666-7777-4888-8999-aaaaaaaaaaaa")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "app", "add", "contoso", *ids),
        cwd=tmp_path,
        env={**os.environ, "PILLARBOX_STATE_DIR": str(tmp_path / "state"), "PYTHONPATH": str(ROOT / "src")},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_allow_core_dumps,
    )
    os.close(slave)
    screen = b""
    while b"secret" not in screen.lower():
        screen += await asyncio.to_thread(os.read, master, 1024)
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    (core,) = (line.split() for line in lines if line.startswith("Max core file size"))
    process.send_signal(signal.SIGSEGV)
    assert await process.wait() == -signal.SIGSEGV
    os.close(master)
    assert core[4:6] == ["0", "0"]  # soft and hard
    assert list(tmp_path.iterdir()) == []


def _allow_core_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
