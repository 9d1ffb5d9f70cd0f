"""The examples of docs/how-to/send-by-api.md do what the page says, run as they stand there."""

import asyncio
import email
import email.policy
import os
import re
import shutil
from pathlib import Path

import pytest

from pillarbox.core.graph_limits import MOST_MESSAGE
from pillarbox.delivery.uploads import KEPT, LARGEST
from pillarbox.endpoints.api.handed_in import MOST_JSON
from pillarbox.endpoints.api.sending import LONGEST_WAIT
from pillarbox.mime.base64_lines import encoded_size
from tests.conftest import House
from tests.http_api import make_key

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "send-by-api.md").read_text("utf-8")
SCRIPTS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
SCAN = b"%PDF" + os.urandom(2996)
ARRIVE = [
    ("Invoice 17", ["text/plain", "text/html"], b""),
    ("Shipped", ["text/plain"], b""),
    ("Now", ["text/plain"], b""),
    ("Scan", ["text/plain", "application/pdf"], SCAN),
    ("Scan", ["text/plain", "application/pdf"], SCAN),
    ("Raw", ["text/plain"], b""),
]
"""Of each example the subject, the parts, and the file that arrives."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("number", range(len(SCRIPTS)))
async def test_an_example_sends_one_message(house: House, tmp_path: Path, number: int) -> None:
    (tmp_path / "scan.pdf").write_bytes(SCAN)
    environ = {
        "PATH": os.environ["PATH"],
        "PILLARBOX_URL": f"http://{house.gateway.http_address}",
        "PILLARBOX_API_KEY": await make_key(house),
    }
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-euc", SCRIPTS[number]),
        cwd=tmp_path,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await shell.communicate()
    assert shell.returncode == 0, (output, errors)
    (row,), _ = await house.gateway.outbox.page(9)
    await house.settled(row["id"])
    (entry,) = house.microsoft.emulator.ledger.entries
    assert entry.raw is not None
    message = email.message_from_bytes(entry.raw, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    files = b"".join(part.get_content() for part in message.iter_attachments())
    assert (message["Subject"], [part.get_content_type() for part in parts], files) == ARRIVE[number]


def test_the_page_has_these_examples_and_these_numbers() -> None:
    assert len(SCRIPTS) == len(ARRIVE)
    assert f"up to {LONGEST_WAIT} seconds" in PAGE
    assert f"has {MOST_JSON // 2**20} MB at most" in PAGE
    assert f"up to {LARGEST // 2**20} MB" in PAGE
    assert f"after {KEPT / 3600:.0f} hours" in PAGE
    assert encoded_size(109 * 2**20) < MOST_MESSAGE < encoded_size(110 * 2**20)
