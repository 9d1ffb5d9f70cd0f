"""A command at a terminal: what it asks is answered when it has asked."""

import asyncio
import os
import pty
import sys
from collections.abc import Mapping, Sequence


async def at_terminal(
    arguments: Sequence[str], answers: Sequence[tuple[str, str]], environ: Mapping[str, str]
) -> tuple[int, str]:
    """Run `pillarbox` with a pseudo-terminal: its exit code, and all that stood on the screen.

    `answers` are pairs of the end of a question and what is typed then; click asks its last blank when it listens.
    """
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pillarbox", *arguments),
        env={**os.environ, **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    screen = ""
    waiting = list(answers)
    seen = 0
    try:
        while piece := await asyncio.to_thread(_read, master):
            screen += piece
            if waiting and screen[seen:].rstrip("\r\n").endswith(waiting[0][0]):
                os.write(master, waiting.pop(0)[1].encode() + b"\n")
                seen = len(screen)
    finally:
        os.close(master)
    return await process.wait(), screen


def _read(master: int) -> str:
    try:
        return os.read(master, 65536).decode()
    except OSError:  # EIO: nobody has the other side open any more.
        return ""
