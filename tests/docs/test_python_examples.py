"""The examples in Python run as they stand, before a real service and the emulator."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.http_door import DRAFTS, HttpDoor, http_door

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
LINES = 18
"""An example fits on a screen."""
SITE = """
from django.conf import settings
site = {{}}
exec({settings!r}, site)
settings.configure(**{{name: value for name, value in site.items() if name.isupper()}} | {{"PILLARBOX_URL": {url!r}}})
"""


def examples(page: str) -> list[str]:
    found = BLOCK.findall((HOW_TO / page).read_text("utf-8"))
    assert found
    return found


@pytest.fixture
async def door(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[HttpDoor]:
    async with http_door(microsoft, tmp_path, "send", "outbox.read", "events.read", roles=DRAFTS) as opened:
        yield opened


async def run(program: str, folder: Path, environ: Mapping[str, str]) -> str:
    """What a program prints; it ends well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        cwd=folder,
        env=dict(environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    return output.decode()


@pytest.mark.parametrize("page", ["python-client.md", "django.md"])
def test_an_example_is_short(page: str) -> None:
    assert max(len(example.splitlines()) for example in examples(page)) <= LINES


async def test_the_examples_of_the_client_are_typed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(examples("python-client.md")))
    checked = await run(f"from mypy.main import main\nmain(args={['--strict', str(program)]!r})", tmp_path, {})
    assert checked.startswith("Success")


async def test_the_examples_of_the_client_run(door: HttpDoor, tmp_path: Path, microsoft: Microsoft) -> None:
    send, by_asyncio, look_back, large, refused = examples("python-client.md")
    assert " sent" in await run(send, tmp_path, door.environ)
    assert await run(by_asyncio, tmp_path, door.environ) == "sent\n"
    (first, second) = microsoft.emulator.ledger.entries
    told = await run(look_back, tmp_path, door.environ)
    assert first.request_id in told
    assert second.request_id in told
    assert told.count("send.sent ") == 2
    # Graph takes a file of that size as a draft only.
    erp, wish = "/api/v1/mailboxes/erp@contoso.example", {"assurance": "draft"}
    await asyncio.to_thread(door.service.api.patch, erp, wish)
    assert "queued" in await run(large, tmp_path, door.environ)
    await door.service.logged(lambda lines: sum("state=sent" in line for line in lines) >= 3)
    assert (await run(refused, tmp_path, door.environ)).startswith("mailbox.not_found ")


async def test_the_examples_of_django_run(door: HttpDoor, tmp_path: Path, microsoft: Microsoft) -> None:
    settings, mails = examples("django.md")
    (tmp_path / "key").write_text(door.key)
    settings = settings.replace("/run/secrets/pillarbox", str(tmp_path / "key"))
    await run(SITE.format(settings=settings, url=door.url) + mails, tmp_path, {})
    await door.service.logged(lambda lines: sum("state=sent" in line for line in lines) >= 2)
    assert sorted(sorted(one.recipients) for one in microsoft.emulator.ledger.entries) == [
        ["alice@contoso.example"],
        ["alice@contoso.example", "bob@contoso.example"],
    ]
