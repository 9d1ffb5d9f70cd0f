"""What a mail costs by pillarbox-sendmail: the whole process beside a Python that does nothing."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.processes import met, running, spread

AIM = 100.0
RUNS = 20
MAIL = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> backup\n\n" + b"disk is full\n" * 100


async def run(_rounds: int, _messages: int) -> None:
    """Print the figures."""
    print(f"sendmail: start to exit, ms, {RUNS} runs each, in turn")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        environ = {
            "PILLARBOX_STATE_DIR": str(folder / "state"),
            "PILLARBOX_SOCKET": str(folder / "run" / "api.sock"),
            "PILLARBOX_SMTP__LISTEN": "127.0.0.1:0",
            "PILLARBOX_SENDMAIL__SOCKET": str(folder / "run-sendmail" / "sendmail.sock"),
            "PILLARBOX_SENDMAIL__FOLDER": str(folder / "spool" / "maildrop"),
        }
        program = folder / "sendmail"  # as an installer makes it
        program.write_text(f"#!{sys.executable}\nfrom pillarbox.sendmail import main\nmain()\n")
        program.chmod(0o755)
        async with running(["pillarbox", "serve", "--json"], environ, folder / "log"):
            await _furnish(environ)
            calls = {
                "python -c pass": [sys.executable, "-c", "pass"],
                "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
                "sendmail, to the service": [str(program), "-i", "root"],
            }
            rows = await _measure(calls, environ)
        rows |= await _measure({"sendmail, to the folder": [str(program), "-i", "root"]}, environ)
    for what, values in rows.items():
        aim = f"   aim < {AIM:.0f}: {met(statistics.median(values) < AIM)}" if what.startswith("sendmail") else ""
        print(f"  {what:26} {spread(values, 0)}{aim}")


async def _furnish(environ: Mapping[str, str]) -> None:
    """An account that is never asked for a token, and a submitter for who measures."""
    address = "ops@contoso.example"
    app = ["app", "add", "contoso", "--public", "--tenant-id", "11111111-2222-3333-4444-555555555555"]
    app += ["--client-id", "66666666-7777-8888-9999-000000000000"]
    rule = ["--mailbox", address, "--user", str(os.geteuid()), "--force-from", "--no-password"]
    for arguments in (
        app,
        ["mailbox", "add", address, "--app", "contoso"],
        ["submitter", "add", "cron", *rule],
    ):
        await _run([sys.executable, "-m", "pillarbox", *arguments], environ, b"")


async def _measure(calls: Mapping[str, Sequence[str]], environ: Mapping[str, str]) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {what: [] for what in calls}
    for _ in range(RUNS):
        for what, call in calls.items():
            began = time.perf_counter()
            await _run(call, environ, MAIL)
            rows[what].append((time.perf_counter() - began) * 1000)
    return rows


async def _run(call: Sequence[str], environ: Mapping[str, str], given: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        *call,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(given)
    if process.returncode:
        raise RuntimeError(f"{call} failed: {output.decode(errors='replace')}")
