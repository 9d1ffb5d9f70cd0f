"""pillarbox serve: what whoever starts it is shown."""

import asyncio
import os
import pty
import sys
from pathlib import Path

from tests.service import STARTED


async def started(folder: Path, errors: int) -> asyncio.subprocess.Process:
    """The service of an empty folder, once it is ready; what it tells people goes to the descriptor `errors`."""
    places = {"state_dir": folder / "state", "socket": folder / "api.sock"}
    doors = dict.fromkeys(("smtp.listen", "http.listen"), "127.0.0.1:0")
    settings = [word for key, value in {**places, **doors}.items() for word in ("--set", f"{key}={value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "serve", "--json", *settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    STARTED.append(process)
    assert process.stdout is not None
    assert await process.stdout.readline()
    return process


async def test_who_starts_it_at_a_terminal_sees_the_link_of_the_first_administrator(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = await started(tmp_path, slave)
    os.close(slave)
    screen = ""
    while "makes another one" not in screen:
        screen += (await asyncio.to_thread(os.read, master, 65536)).decode()
    link = (tmp_path / "state" / "first-admin").read_text().strip()
    assert f"    {link}\r\n" in screen
    process.terminate()
    assert await process.wait() == 0
    os.close(master)


async def test_a_log_that_is_kept_names_the_file_and_never_the_link(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = await started(tmp_path, log.fileno())
        process.terminate()
        assert await process.wait() == 0
    told = (tmp_path / "log").read_text()
    assert str(tmp_path / "state" / "first-admin") in told
    assert "/setup/" not in told
