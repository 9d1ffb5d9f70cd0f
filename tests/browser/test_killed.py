"""A run of these tests that is killed leaves no process behind: no service, no Chromium, no worker."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.browser.conftest import OpenSite
from tests.browser.site import NOBODY, PROGRAM
from tests.service import STARTED

ROOT: Final = Path(__file__).resolve().parents[2]
BEGUN: Final = b"everything runs"
_PATIENCE: Final = 60
"""Seconds; a worker of pytest-xdist that has lost its controller gives its test 15 to end."""


@pytest.mark.asyncio(loop_scope="session")
async def does_not_end(new_site: OpenSite) -> None:
    """What is killed. By its name it is no test, but in the run below."""
    site = await new_site()
    async with site.visitor(NOBODY) as page:
        await page.goto(f"{site.url}/sign-in")
        os.write(2, BEGUN)
        await asyncio.Event().wait()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A run within a run, each with folders of its own, is too deep for the name of a local socket (107 bytes)."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.timeout(2 * _PATIENCE)
@pytest.mark.parametrize(("by", "workers"), [(signal.SIGKILL, "0"), (signal.SIGTERM, "1")])
async def test_a_run_that_is_killed_leaves_nothing_behind(short_folder: Path, by: signal.Signals, workers: str) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip("needs chromium")
    words = ("-s", "-n", workers, "-p", "no:cacheprovider", "-o", f"python_functions={does_not_end.__name__}", __file__)
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", f"--basetemp={short_folder / 'run'}", *words),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    STARTED.append(run)
    assert run.stderr is not None
    await run.stderr.readuntil(BEGUN)
    with watched(run.pid) as processes:
        commands = {pid: command(pid) for pid in processes}
        assert [one for one in commands.values() if "serve" in one]
        assert [one for one in commands.values() if "--type=renderer" in one]
        run.send_signal(by)
        left = await alive(processes)
        assert not left, "\n".join(commands[pid] for pid in left)
    await run.communicate()
    assert run.returncode == -by


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Mapping[int, int]]:
    """All processes below one: a file descriptor for each (pidfd_open(2)). At the end they are killed."""
    processes = {child: os.pidfd_open(child) for child in below(pid)}
    try:
        yield processes
    finally:
        for process in processes.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
            os.close(process)


def below(pid: int) -> Iterator[int]:
    """The processes that one has started, and those that these have started (proc(5), children)."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from below(child)


def command(pid: int) -> str:
    """The words with which a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


async def alive(processes: Mapping[int, int]) -> list[int]:
    """Those that have not ended in time."""
    ending = {asyncio.create_task(ended(process)): pid for pid, process in processes.items()}
    _, waiting = await asyncio.wait(ending, timeout=_PATIENCE)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return [ending[task] for task in waiting]


async def ended(process: int) -> None:
    """Until a process has ended, by its descriptor."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(process, over.set)
    try:
        await over.wait()
    finally:
        asyncio.get_running_loop().remove_reader(process)
