"""`pillarbox demo`, as a newcomer runs it: three mails, compared byte for byte, and nothing left behind."""

import asyncio
import json
import os
import signal
import sys
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


@pytest.mark.parametrize("environ", [{}, USELESS], ids=["empty environment", "useless CA and proxy variables"])
async def test_once_sends_three_mails_unchanged_and_leaves_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    mark = {"PILLARBOX_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path)}
    code, output, errors = await pillarbox("demo", "--once", "--json", environ={**environ, **mark})
    told = json.loads(output)
    assert (code, told["ok"], errors) == (0, True, "")
    assert [mail["state"] for mail in told["mails"]] == ["sent"] * 3
    assert [len(mail["arrived_at"]) for mail in told["mails"]] == [1, 3, 2]
    assert all(mail["reply"] == f"250 2.0.0 queued as {mail['queue_id']}" for mail in told["mails"])
    assert len({mail["request_id"] for mail in told["mails"]}) == 3
    assert (_processes(str(tmp_path)), list(tmp_path.iterdir())) == ([], [])


async def test_stays_up_until_ctrl_c_and_its_lines_to_try_work(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "demo"), stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "docs/how-to" not in lines[-1]:
        lines.append((await process.stdout.readline()).decode())
    socket = next(line.split()[-1] for line in lines if "outbox list" in line)
    code, listed, _ = await pillarbox("outbox", "list", "--socket", socket)
    assert (code, listed.count("\tsent\t")) == (0, 3)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


def test_a_changed_byte_is_seen() -> None:
    sent = demo.mails()[1].mime
    assert demo.differences(sent, sent), "the Bcc is still there"
    arrived = b"X-Pillarbox-Id: 1\r\n" + sent.replace(b"Bcc: carol@contoso.example\r\n", b"")
    assert demo.differences(sent, arrived) == []
    assert demo.differences(sent, arrived.replace(b"invoice is", b"invoice  is"))
    assert demo.differences(sent, arrived.replace(b"Invoice 4711", b"Invoice 4712"))
    assert demo.differences(sent, arrived.replace(b"\r\nCc:", b"\r\nX-New: 1\r\nCc:"))
