"""The emulator as a process of its own, from the announcement to a clean end."""

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from pillarbox.emulator.run import parse_listen, serve, table

PROGRAM = """
import asyncio, pathlib, sys
from pillarbox.emulator.run import serve
say = lambda text: print(text, flush=True)
asyncio.run(serve("127.0.0.1:0", pathlib.Path(sys.argv[1]), announce=say, as_json=True, discard=False))
"""


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path / "ca"), stdout=pipe, stderr=pipe
    )
    yield started
    if started.returncode is None:
        started.kill()
        await started.wait()


async def first_line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout
    return await process.stdout.readline()


async def test_a_process_announces_itself_and_works(process: asyncio.subprocess.Process) -> None:
    facts = json.loads(await first_line(process))
    app = next(app for app in facts["apps"] if app["roles"] == ["Mail.Send"])
    form = {"grant_type": "client_credentials", "scope": f"{facts['url']}/.default"}
    form |= {name: app[name] for name in ("client_id", "client_secret")}
    context = ssl.create_default_context(cafile=facts["ca_file"])
    async with aiohttp.ClientSession() as session:
        url = f"{facts['authority']}/oauth2/v2.0/token"
        async with session.post(url, data=form, ssl=context) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_nothing_is_left(
    process: asyncio.subprocess.Process, tmp_path: Path, number: signal.Signals
) -> None:
    await first_line(process)
    process.send_signal(number)
    output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")
    assert os.listdir(tmp_path) == []


async def run_once(directory: Path, *, as_json: bool) -> list[str]:
    said: list[str] = []

    def announce(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), signal.SIGTERM)

    await serve("127.0.0.1:0", directory, announce=announce, as_json=as_json, discard=True)
    return said


async def test_one_json_line(tmp_path: Path) -> None:
    (line,) = await run_once(tmp_path / "ca", as_json=True)
    facts = json.loads(line)
    assert facts["event"] == "ready"
    assert "\n" not in line
    assert facts["graph"] == f"{facts['url']}/v1.0"
    assert facts["tenant_id"] in facts["authority"]
    assert "alice@contoso.example" in facts["users"]


async def test_a_table_for_people(tmp_path: Path) -> None:
    (text,) = await run_once(tmp_path / "ca", as_json=False)
    assert "Mail gateway (Mail.Send)" in text
    assert "No consent (no consent)" in text


def test_the_table_lists_every_fact() -> None:
    app = {"name": "A", "client_id": "1", "client_secret": "2", "roles": []}
    facts = dict.fromkeys(("url", "authority", "graph", "ca_file", "tenant_id", "domain"), "x")
    assert table(facts | {"apps": [app], "users": ["u"]}).count("\n") == 11


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8443", ("::1", 8443)), (":443", ("127.0.0.1", 443))],
)
def test_listen(text: str, parsed: tuple[str, int]) -> None:
    assert parse_listen(text) == parsed


@pytest.mark.parametrize("text", ["", "localhost", "localhost:", "localhost:x", "localhost:65536"])
def test_bad_listen(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_listen(text)
