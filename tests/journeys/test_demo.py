"""`pillarbox demo`, as a newcomer runs it: three mails, compared byte for byte, and nothing left behind."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pillarbox import demo
from tests.service import pillarbox

USELESS = {
    "REQUESTS_CA_BUNDLE": "/nowhere/ca.pem",
    "CURL_CA_BUNDLE": "/nowhere/ca.pem",
    "SSL_CERT_FILE": "/nowhere/ca.pem",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
}


def _processes(mark: str) -> list[str]:
    """The ids of processes whose environment holds `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder whose path is short enough for sockets; pytest's are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        USELESS,
        {"HTTPS_PROXY": "socks5://127.0.0.1:1080"},
        {"PILLARBOX_CLIENT_SECRET": "another one", "PILLARBOX_SUBMITTER_PASSWORD": "another one"},
    ],
    ids=["empty environment", "useless CA and proxy variables", "a proxy of another kind", "another installation's"],
)
async def test_once_sends_three_mails_unchanged_and_leaves_nothing(environ: dict[str, str], short: Path) -> None:
    mark = {"PILLARBOX_TEST_MARK": str(short), "TMPDIR": str(short)}
    code, output, errors = await pillarbox("demo", "--once", "--json", environ={**environ, **mark})
    told = json.loads(output)
    assert (code, told["ok"], errors) == (0, True, "")
    assert [mail["state"] for mail in told["mails"]] == ["sent"] * 3
    assert [len(mail["arrived_at"]) for mail in told["mails"]] == [1, 3, 2]
    assert all(mail["reply"] == f"250 2.0.0 queued as {mail['queue_id']}" for mail in told["mails"])
    assert len({mail["request_id"] for mail in told["mails"]}) == 3
    assert (_processes(str(short)), list(short.iterdir())) == ([], [])


@asynccontextmanager
async def _staying(**environ: str) -> AsyncIterator[list[str]]:
    """The demo without --once: what it printed until it waits for Ctrl-C, which comes at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "demo"), stdout=asyncio.subprocess.PIPE, env={**os.environ, **environ}
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        while not lines or "docs/how-to" not in lines[-1]:
            line = await process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
        yield lines
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def _sent(lines: list[str]) -> int:
    """How many messages the demo's own line finds as sent."""
    socket = next(line.split()[-1] for line in lines if "outbox list" in line)
    code, listed, _ = await pillarbox("outbox", "list", "--socket", socket)
    assert code == 0
    return listed.count("\tsent\t")


async def test_stays_up_until_ctrl_c_and_its_lines_to_try_work() -> None:
    async with _staying() as lines:
        assert await _sent(lines) == 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_its_curl_lines_work() -> None:
    async with _staying() as lines:
        first = next(number for number, line in enumerate(lines) if line.lstrip().startswith("curl --ssl-reqd"))
        await _shell("".join(lines[first : first + 2]))
        while await _sent(lines) < 4:
            pass
        ledger = await _shell(next(line for line in lines if "_emulator/ledger" in line))
        assert len(json.loads(ledger)) == 4


async def _shell(line: str) -> str:
    process = await asyncio.create_subprocess_shell(
        line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_a_long_temporary_folder_is_no_hindrance(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    async with _staying(TMPDIR=str(long)) as lines:
        folder = Path(next(line for line in lines if line.startswith("Look further")).split()[-1].rstrip("):"))
        assert folder.parent == Path("/tmp")
        assert await _sent(lines) == 3
    assert (folder.exists(), list(long.iterdir())) == (False, [])


def test_a_changed_byte_is_seen() -> None:
    sent = demo.mails()[1].mime
    assert demo.differences(sent, sent), "the Bcc is still there"
    arrived = b"X-Pillarbox-Id: 1\r\n" + sent.replace(b"Bcc: carol@contoso.example\r\n", b"")
    assert demo.differences(sent, arrived) == []
    assert demo.differences(sent, arrived.replace(b"invoice is", b"invoice  is"))
    assert demo.differences(sent, arrived.replace(b"Invoice 4711", b"Invoice 4712"))
    assert demo.differences(sent, arrived.replace(b"\r\nCc:", b"\r\nX-New: 1\r\nCc:"))
