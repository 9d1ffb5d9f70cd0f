"""Memory of an idle `pillarbox serve`, and what each import costs."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from bench.processes import met, running, spread

AIM = 95.0
IMPORTS = (
    "asyncio",
    "cryptography.x509",
    "pydantic",
    "structlog",
    "apsw",
    "argon2",
    "click",
    "fastapi",
    "uvicorn",
    "requests",
    "msal",
    "aiohttp",
    "uvloop",
    "pillarbox.gateway",
)
_PROBE = """
import importlib, json, os, sys, time
def rss(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
rows = [("python", rss(), 0.0)]
for name in sys.argv[1:]:
    before, began = rss(), time.process_time()
    importlib.import_module(name)
    rows.append((name, rss() - before, (time.process_time() - began) * 1000))
print(json.dumps(rows))
"""


async def run(rounds: int, _messages: int) -> None:
    """Print the figures."""
    print(f"idle: RSS of `pillarbox serve` (SMTP door, delivery, local socket), {rounds} starts")
    values = [await _rss() for _ in range(rounds)]
    print(f"  RSS MB {spread(values, 1)}   aim < {AIM:.0f}: {met(max(values) < AIM)}")
    print("  what each import adds, one after the other in one process:")
    for name, size, milliseconds in await _imports():
        print(f"    {name:20} {size:6.1f} MB {milliseconds:7.0f} ms CPU")


async def _rss() -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        environ = {
            "PILLARBOX_STATE_DIR": str(folder / "state"),
            "PILLARBOX_SOCKET": str(folder / "run" / "api.sock"),
            "PILLARBOX_SMTP__LISTEN": "127.0.0.1:0",
        }
        async with running(["pillarbox", "serve", "--json"], environ, folder / "log") as gateway:
            await asyncio.sleep(2)
            return gateway.rss()


async def _imports() -> list[tuple[str, float, float]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROBE, *IMPORTS, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return [tuple(row) for row in json.loads(output)]
