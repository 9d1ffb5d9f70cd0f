"""The kernel refuses a write or a sync: no 250 for what is not in the store afterwards (F5).

`make faults`: each of the first forty calls of each kind. strace plays the disk.
"""

import asyncio
import contextlib
import shutil
import signal
import smtplib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.faults import scale
from tests.faults.test_fsync_order import MAIL
from tests.service import Service, furnish, serve

CALLS = scale.figure("CALLS", 4, 40)
STEP = scale.figure("CALLS_STEP", 3, 1)
MAILS = 12
EXIT_TEMPORARY = 75


def _submit(address: str, password: str) -> list[tuple[int, str]]:
    """Hand in mails, each by a connection of its own; what was said to them, as far as anything was."""
    host, _, port = address.rpartition(":")
    replies: list[tuple[int, str]] = []
    for _ in range(MAILS):
        with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP(host, int(port)) as client:
            client.login("printer", password)
            client.mail("scanner@contoso.example")
            client.rcpt("alice@contoso.example")
            code, text = client.data(MAIL)
            replies.append((code, text.decode()))
            assert code in (250, 421, 451, 452), replies
    return replies


async def _furnished(folder: Path, microsoft: Microsoft) -> tuple[Service, str]:
    """A service with a mailbox, and the password of its submitter."""
    service = await serve(folder, microsoft.settings)
    app = microsoft.seed.gateway
    secret, tenant = microsoft.seed.secrets[app.client_id], microsoft.seed.tenant.id
    password = await asyncio.to_thread(furnish, service, tenant, app.client_id, secret, "scanner@contoso.example")
    return service, password


def _told(replies: list[tuple[int, str]]) -> list[str]:
    """The queue ids that were told."""
    return [text.split()[-1] for code, text in replies if code == 250]


def _kept(state: Path) -> set[str]:
    with closing(sqlite3.connect(state / "pillarbox.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in store.execute("SELECT id FROM outbox")}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
async def test_a_commit_that_the_disk_does_not_sync_is_451_and_nothing_is_acknowledged(
    microsoft: Microsoft, tmp_path: Path
) -> None:
    service, password = await _furnished(tmp_path, microsoft)
    # Each second time: three in succession end the service.
    strace = await _strace(service, "fdatasync", "error=EIO:when=1+2")
    replies = await asyncio.to_thread(_submit, service.ready["smtp"], password)
    refused = [(code, text[:5]) for code, text in replies if code != 250]
    assert refused
    assert set(refused) == {(451, "4.3.0")}
    assert _kept(tmp_path / "state") == set(_told(replies))
    strace.terminate()
    await strace.communicate()
    assert await service.end(signal.SIGTERM) == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
async def test_a_disk_that_does_not_sync_three_times_in_succession_ends_the_service(
    microsoft: Microsoft, tmp_path: Path
) -> None:
    service, password = await _furnished(tmp_path, microsoft)
    strace = await _strace(service, "fdatasync", "error=EIO:when=1+")
    assert _told(await asyncio.to_thread(_submit, service.ready["smtp"], password)) == []
    assert await service.process.wait() == EXIT_TEMPORARY
    await strace.communicate()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.timeout(60 + 15 * CALLS)
@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("pwrite64", "ENOSPC")])
async def test_no_250_for_what_the_disk_did_not_take(
    microsoft: Microsoft, tmp_path: Path, call: str, error: str
) -> None:
    service, password = await _furnished(tmp_path, microsoft)
    assert await service.end(signal.SIGTERM) == 0
    told: list[str] = []
    refused = 0
    for number in range(1, CALLS * STEP + 1, STEP):
        service = await serve(tmp_path, microsoft.settings)
        strace = await _strace(service, call, f"error={error}:when={number}..{number + 1}")
        ids = _told(await asyncio.to_thread(_submit, service.ready["smtp"], password))
        told += ids
        refused += MAILS - len(ids)
        strace.terminate()
        await strace.communicate()
        if service.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                await service.end(signal.SIGTERM)
        assert await service.process.wait() in (0, EXIT_TEMPORARY)
        assert set(told) <= _kept(tmp_path / "state")
    print(f"{error} of {call}: {len(told)} acknowledged and kept, {refused} refused")
    assert told
    assert refused


async def _strace(service: Service, call: str, inject: str) -> asyncio.subprocess.Process:
    """Attached to the service, with the calls counted from now on, by thread."""
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-p", str(service.ready["pid"]), "-o", "/dev/null"),
        *("-e", f"trace={call}", "-e", f"inject={call}:{inject}"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    assert b"attached" in await process.stderr.readline()
    return process
