"""The emulator as a process of its own, from the announcement to a clean end."""

import asyncio
import fcntl
import json
import os
import re
import secrets
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillarbox.emulator import Certificates
from pillarbox.emulator.run import Options, parse_host, parse_listen, serve
from pillarbox.emulator.state import FILE, load

PROGRAM = """
import asyncio, pathlib, sys
from pillarbox.emulator.run import Options, serve
say = lambda text: print(text, flush=True)
asyncio.run(serve(Options(pathlib.Path(sys.argv[1])), say, as_json=True))
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


async def run_once(options: Options, *, as_json: bool = True) -> str:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), signal.SIGTERM)

    await serve(options, say, as_json=as_json)
    (text,) = said
    return text


async def test_one_json_line(tmp_path: Path) -> None:
    line = await run_once(Options(tmp_path / "ca"))
    facts = json.loads(line)
    assert facts["event"] == "ready"
    assert "\n" not in line
    assert facts["graph"] == f"{facts['url']}/v1.0"
    assert facts["tenant_id"] in facts["authority"]
    assert (facts["smtp"]["host"], facts["imap"]["host"]) == ("127.0.0.1", "127.0.0.1")
    assert set(facts["environment"]) == {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
    (alice,) = [user for user in facts["users"] if user["upn"] == "alice@contoso.example"]
    assert alice["password"]
    assert alice["id"]
    assert {"id", "client_id", "client_secret", "object_id", "service_principal_id"} - set(facts["apps"][0]) == {"id"}


async def test_a_table_for_people(tmp_path: Path) -> None:
    text = await run_once(Options(tmp_path / "ca"), as_json=False)
    assert re.search(r"^app +Mail gateway\nclient_id .*\nclient_secret .*\nroles +Mail\.Send$", text, re.MULTILINE)
    assert re.search(r"^user +alice@contoso\.example +password \S+$", text, re.MULTILINE)
    assert re.search(r"^export URL=https://localhost:\d+$", text, re.MULTILINE)
    assert re.search(r"^redirect_uris +https://localhost/oauth/callback$", text, re.MULTILINE)
    assert f"export SSL_CERT_FILE={tmp_path / 'ca' / 'ca.pem'}" in text.splitlines()
    assert "/etc/hosts" not in text


async def test_a_seed_file_takes_the_place_of_contoso(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text('[[tenant]]\ndomain = "fabrikam.example"\n')
    facts = json.loads(await run_once(Options(tmp_path / "ca", seed=tmp_path / "seed.toml")))
    assert (facts["domain"], facts["apps"], facts["users"]) == ("fabrikam.example", [], [])


async def test_state_outlives_the_process(tmp_path: Path) -> None:
    options = Options(state=tmp_path / "state")
    first = json.loads(await run_once(options))
    ca = Path(first["ca_file"]).read_bytes()
    second = json.loads(await run_once(options))
    for name in ("apps", "users", "tenant_id", "ca_file"):
        assert first[name] == second[name], name
    assert Path(second["ca_file"]).read_bytes() == ca


async def test_limits_switches_and_rules_hold_for_one_run(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[limits]\nconcurrent_requests = 1\n[switches]\nsent_copy_delay = 900\n")
    await run_once(Options(state=tmp_path / "state", faults=tmp_path / "rules.toml"))
    await run_once(Options(state=tmp_path / "state"))
    kept = load(tmp_path / "state", secrets.token_bytes)
    assert kept
    assert (kept.world.limits.concurrent_requests, kept.world.sent_copy_delay) == (4, 0)


async def test_the_state_is_there_before_its_secrets_are_told(tmp_path: Path) -> None:
    found: list[bool] = []

    def say(text: str) -> None:
        found.append((tmp_path / "state" / FILE).exists())
        os.kill(os.getpid(), signal.SIGHUP)

    await serve(Options(state=tmp_path / "state"), say, as_json=True)
    assert found == [True]


async def test_a_second_signal_loses_nothing(tmp_path: Path) -> None:
    def say(text: str) -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)

    await serve(Options(state=tmp_path / "state"), say, as_json=True)
    assert load(tmp_path / "state", secrets.token_bytes)


@pytest.mark.parametrize(
    ("listen", "host", "shown"),
    [
        ("127.0.0.1:0", None, "localhost"),
        ("127.0.0.9:0", None, "127.0.0.9"),
        ("[::1]:0", None, "[::1]"),
        ("0.0.0.0:0", None, "localhost"),
        ("127.0.0.1:0", "emulator.test", "emulator.test"),
        ("[::1]:0", "::1", "[::1]"),
    ],
)
async def test_the_url_and_the_certificate_fit_the_address(
    tmp_path: Path, listen: str, host: str | None, shown: str
) -> None:
    seen: list[str] = []

    async def check(facts: dict[str, Any]) -> None:
        port = int(facts["url"].rpartition(":")[2])
        context = ssl.create_default_context(cafile=facts["ca_file"])
        address = listen.rpartition(":")[0].strip("[]")
        name = facts["url"].removeprefix("https://").rpartition(":")[0].strip("[]")
        _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
        writer.close()
        seen.append(facts["url"].rpartition(":")[0])
        os.kill(os.getpid(), signal.SIGTERM)

    tasks: list[asyncio.Task[None]] = []
    await serve(
        Options(listen=listen, host=host),
        lambda text: tasks.append(asyncio.create_task(check(json.loads(text)))),
        as_json=True,
    )
    await tasks[0]
    assert seen == [f"https://{shown}"]


async def test_somebody_elses_ca_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another directory"):
        await run_once(Options(tmp_path))
    assert (tmp_path / "ca.pem").read_text() == "mine"


async def test_a_ca_file_that_a_killed_emulator_left_is_replaced(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca)
    assert json.loads(await run_once(Options(tmp_path)))["ca_file"] == str(tmp_path / "ca.pem")


async def test_two_emulators_do_not_share_a_state(tmp_path: Path) -> None:
    options = Options(tmp_path / "ca", state=tmp_path / "state")
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another emulator uses"):
            await run_once(options)


async def test_fault_rules_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[fault]]\npath = 3\n")
    with pytest.raises(ValueError, match=r"rules\.toml: fault 1: wrong type: path"):
        await run_once(Options(tmp_path / "ca", faults=tmp_path / "rules.toml"))


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


@pytest.mark.parametrize("text", ["a b", "*", "mail.example:99", "ü.example", "", "https://x"])
def test_bad_hosts(text: str) -> None:
    with pytest.raises(ValueError, match="not a host name or address"):
        parse_host(text)


async def test_a_state_folder_with_somebodys_ca_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another directory"):
        await run_once(Options(state=tmp_path))
    assert (tmp_path / "ca.pem").read_text() == "mine"
