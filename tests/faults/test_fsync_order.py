"""The kernel's own word for it: between a message's 354 and its 250 there is an fdatasync that succeeded."""

import asyncio
import re
import shutil
import signal
import smtplib
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.service import furnish, serve

MAIL = "From: scanner@contoso.example\nSubject: x\n\nx\n"
CALLS = "trace=fdatasync,fsync,write,writev,sendto,sendmsg"
CALL = re.compile(r'(?P<sync>fdatasync|fsync)(?:\(\d+| resumed>)\) += 0|"(?P<reply>354|250 2\.0\.0 queued)')


def _submit(address: str, password: str, messages: int) -> None:
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port)) as client:
        client.login("printer", password)
        for _ in range(messages):
            client.sendmail("scanner@contoso.example", ["alice@contoso.example"], MAIL)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
async def test_no_250_without_an_fsync_after_its_354(microsoft: Microsoft, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-s", "40", "-o", str(trace), "-e", CALLS)
    service = await serve(tmp_path, microsoft.settings, under=strace)
    # While these three are on their way the worker commits nothing that could be mistaken for the door's commit.
    microsoft.emulator.faults.add(path="/sendMail", delay=2)
    app = microsoft.seed.gateway
    secret = microsoft.seed.secrets[app.client_id]
    password = await asyncio.to_thread(
        furnish, service, microsoft.seed.tenant.id, app.client_id, secret, "scanner@contoso.example"
    )
    await asyncio.to_thread(_submit, service.ready["smtp"], password, 10)
    await service.end(signal.SIGTERM)
    order = [match["sync"] or match["reply"] for line in trace.read_text().splitlines() if (match := CALL.search(line))]
    acknowledged = 0
    synced = False
    for what in order:
        if what == "354":
            synced = False
        elif what in ("fdatasync", "fsync"):
            synced = True
        else:
            acknowledged += 1
            assert synced, "a 250 left before its message was on the disk"
    assert acknowledged == 10
