"""Postfix's own load generator, as a witness for ours. It knows neither AUTH nor TLS."""

import asyncio
import shutil
import time

from bench.mails import RECIPIENT


async def rate(address: str, sender: str, messages: int, connections: int, *, kept: bool) -> float:
    """Messages a second, of about 10 KB."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin")
    if program is None:
        raise SystemExit("This bench needs the Debian package postfix: run `make test-tools` as root.")
    amount = ("-s", str(connections), "-m", str(messages), "-l", "10240", *(("-d",) if kept else ()))
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        program, *amount, "-f", sender, "-t", RECIPIENT.decode(), f"inet:{address}"
    )
    if await process.wait():
        raise RuntimeError("smtp-source failed")
    return messages / (time.perf_counter() - began)
