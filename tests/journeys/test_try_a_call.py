"""Any call in ten seconds: `pillarbox token` and `pillarbox graph`, beside a service and without one."""

import asyncio
import base64
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import jwt
import pytest

from pillarbox.cli.local import Refused
from pillarbox.core.graph_limits import MOST_SENT
from pillarbox.endpoints.api.body_limit import MOST
from tests.conftest import Microsoft
from tests.service import Service, furnish, pillarbox, serve

ERP = "erp@contoso.example"
DRAFTS = f"/users/{ERP}/messages"


@pytest.fixture
def environ(tmp_path: Path, microsoft: Microsoft) -> dict[str, str]:
    """An environment whose store and socket lie in this test's folder."""
    (tmp_path / "pillarbox.toml").write_text(
        f'[microsoft]\ncloud = "custom"\nauthority_url = "{microsoft.emulator.url}"\n'
        f'graph_url = "{microsoft.emulator.url}"\nca_file = "{microsoft.emulator.ca_file}"\n'
    )
    return {
        "PILLARBOX_STATE_DIR": str(tmp_path / "state"),
        "PILLARBOX_SOCKET": str(tmp_path / "run" / "api.sock"),
        "PILLARBOX_CONFIG": str(tmp_path / "pillarbox.toml"),
    }


@pytest.fixture
async def service(tmp_path: Path, microsoft: Microsoft, environ: dict[str, str]) -> AsyncIterator[Service]:
    """A service with the app that reads and writes mail, and one mailbox."""
    running = await serve(tmp_path, {**microsoft.settings, "log.level": "debug"})
    app = microsoft.seed.writer
    secret = microsoft.seed.secrets[app.client_id]
    await asyncio.to_thread(furnish, running, microsoft.seed.tenant.id, app.client_id, secret, ERP)
    yield running
    if running.process.returncode is None:
        await running.end(signal.SIGTERM)


async def at_a_terminal(*arguments: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command with a terminal as output and errors: exit code, and what stood on the screen."""
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", *arguments),
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    screen = await asyncio.to_thread(read_to_the_end, master)
    return await process.wait(), screen.replace("\r\n", "\n")


def read_to_the_end(master: int) -> str:
    pieces = []
    try:
        while piece := os.read(master, 65536):
            pieces.append(piece)
    except OSError:  # EIO: the other end is closed
        pass
    finally:
        os.close(master)
    return b"".join(pieces).decode()


async def test_the_four_verbs(service: Service, environ: dict[str, str], tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text('{"subject":"one"}')
    code, output, errors = await pillarbox("graph", "post", DRAFTS, "--data", str(draft), environ=environ)
    assert (code, errors) == (0, "")
    message = f"{DRAFTS}/{json.loads(output)['id']}"
    draft.write_text('{"subject":"two"}')
    assert (await pillarbox("graph", "patch", message, "--data", str(draft), environ=environ))[0] == 0
    code, output, _ = await pillarbox("graph", "get", f"{message}?$select=subject", environ=environ)
    assert (code, json.loads(output)["subject"]) == (0, "two")
    assert await pillarbox("graph", "delete", message, environ=environ) == (0, "", "")
    code, output, errors = await pillarbox("graph", "get", message, environ=environ)
    assert (code, output) == (3, "")
    assert errors.startswith("pillarbox: Microsoft Graph does not find it (404 ErrorItemNotFound): ")


async def test_an_answer_without_a_body_prints_nothing_and_its_head_on_demand(
    service: Service, environ: dict[str, str], tmp_path: Path, microsoft: Microsoft
) -> None:
    mail = tmp_path / "mail.json"
    to = [{"emailAddress": {"address": "alice@contoso.example"}}]
    mail.write_text(json.dumps({"message": {"subject": "hi", "toRecipients": to}}))
    words = ("graph", "post", f"/users/{ERP}/sendMail", "--data", str(mail))
    assert await pillarbox(*words, environ=environ) == (0, "", "")
    code, output, errors = await pillarbox(*words, "-i", environ=environ)
    assert (code, errors) == (0, "")
    assert output.startswith("HTTP/1.1 202 Accepted\n")
    sent = microsoft.emulator.ledger.entries
    assert f"request-id: {sent[1].request_id}\n" in output
    # A draft is sent by a call without a body, which needs its length.
    _, output, _ = await pillarbox("graph", "post", DRAFTS, "--data", str(draft_of(mail)), environ=environ)
    send = f"{DRAFTS}/{json.loads(output)['id']}/send"
    assert await pillarbox("graph", "post", send, environ=environ) == (0, "", "")
    assert len(sent) == 3


def draft_of(mail: Path) -> Path:
    mail.write_text(json.dumps(json.loads(mail.read_text())["message"]))
    return mail


async def test_all_pages_are_one_array(service: Service, environ: dict[str, str], microsoft: Microsoft) -> None:
    draft = Path(environ["PILLARBOX_CONFIG"]).with_name("draft.json")
    draft.write_text("{}")
    for _ in range(5):
        assert (await pillarbox("graph", "post", DRAFTS, "--data", str(draft), environ=environ))[0] == 0
    microsoft.emulator.ledger.clear()
    code, output, errors = await pillarbox("graph", "get", f"{DRAFTS}?$top=2&$select=id", "--all", environ=environ)
    assert (code, errors, len(json.loads(output))) == (0, "", 5)
    assert microsoft.emulator.ledger.requests == {"GET /v1.0/users/{user}/messages": 3}
    _, output, _ = await pillarbox("graph", "get", f"{DRAFTS}?$filter=isRead eq false", "--all", environ=environ)
    assert json.loads(output) == []
    words = ("graph", "get", f"{DRAFTS}?$top=2", "--all", "--max-pages", "2")
    code, output, errors = await pillarbox(*words, environ=environ)
    assert (code, errors.startswith("pillarbox: There are more than 2 pages.")) == (1, True)
    microsoft.emulator.faults.add(path="/messages", next_link_host="evil.example", nth=2)
    code, output, errors = await pillarbox("graph", "get", f"{DRAFTS}?$top=2", "--all", environ=environ)
    assert (code, errors.startswith("pillarbox: https://evil.example/v1.0/")) == (5, True)
    # What is not the whole is not to be taken for it.
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(output)


async def test_bytes_come_as_they_are_and_json_is_laid_out_at_a_terminal(
    service: Service, environ: dict[str, str], tmp_path: Path
) -> None:
    draft = tmp_path / "draft.json"
    draft.write_text('{"subject":"\\u001b[2J \u6536\u64da"}')
    _, made, _ = await pillarbox("graph", "post", DRAFTS, "--data", str(draft), environ=environ)
    message = f"{DRAFTS}/{json.loads(made)['id']}"
    code, piped, _ = await pillarbox("graph", "get", f"{message}?$select=subject", environ=environ)
    assert (code, piped.count("\n")) == (0, 0)
    code, screen = await at_a_terminal("graph", "get", f"{message}?$select=subject", environ=environ)
    assert code == 0
    assert json.loads(screen) == json.loads(piped)
    assert '\n  "subject": "' in screen
    assert "\x1b" not in screen
    _, mime, _ = await pillarbox("graph", "get", f"{message}/$value", environ=environ)
    assert "Subject:" in mime


async def test_a_refusal_says_cause_and_cure_and_ends_by_its_code(service: Service, environ: dict[str, str]) -> None:
    code, output, errors = await pillarbox("graph", "get", "/me", environ=environ)
    assert (code, output) == (1, "")
    assert f"Write /users/{ERP} in place of /me" in errors
    code, output, errors = await pillarbox("graph", "get", "/users", environ=environ)
    assert (code, output) == (5, "")
    assert "(403 Authorization_RequestDenied): Insufficient privileges" in errors
    assert "request-id" in errors
    code, output, errors = await pillarbox("graph", "get", "/users", "-i", "--json", environ=environ)
    assert json.loads(errors)["code"] == "graph.forbidden"
    assert output.startswith("HTTP/1.1 403 Forbidden\n")
    assert json.loads(output.partition("\n\n")[2])["error"]["code"] == "Authorization_RequestDenied"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get", "//evil.example/"), "is no path of Graph"),
        (("get", "https://evil.example/v1.0/me"), "the token was not sent there"),
        (("get", "/me/../../x"), "is no path of Graph"),
        (("get", "/me\r\nX: y"), "is no path of Graph"),
        (("get", "/me", "--header", "Authorization: Bearer x"), "Pillarbox's own"),
        (("get", "/me", "--header", "Prefer"), "--header takes NAME:VALUE"),
        (("get", "/me", "--all", "-i"), "leave -i out"),
        (("get", "/me", "--app", "contoso", "--mailbox", ERP), "Say one of --app and --mailbox"),
        (("get", "/me", "--header", "Prefer: a", "--header", "prefer: b"), "--header prefer is given twice"),
    ],
)
async def test_what_could_lead_astray_is_refused_before_a_token_is_asked_for(
    service: Service, environ: dict[str, str], microsoft: Microsoft, words: tuple[str, ...], said: str
) -> None:
    code, output, errors = await pillarbox("graph", *words, environ=environ)
    assert (code in (2, 5), output) == (True, "")
    assert said in errors
    assert microsoft.emulator.ledger.token_requests == 0


async def test_a_token_is_shown_by_its_claims(service: Service, environ: dict[str, str], microsoft: Microsoft) -> None:
    code, output, errors = await pillarbox("token", "get", environ=environ)
    assert (code, errors) == (0, "")
    lines = dict(line.split(":", 1) for line in output.splitlines())
    assert lines["kind"].strip().startswith("app-only: ")
    assert lines["appid"].strip() == microsoft.seed.writer.client_id
    assert "Mail.Send" in lines["roles"]
    assert "valid for " in lines["ends"]
    code, output, _ = await pillarbox("token", "get", "--app", "contoso", "--json", environ=environ)
    assert json.loads(output)["tid"] == microsoft.seed.tenant.id
    assert microsoft.emulator.ledger.token_requests == 1
    assert (await pillarbox("token", "get", "--resource", "exchange", "--fresh", environ=environ))[0] == 0
    assert microsoft.emulator.ledger.token_requests == 2


async def test_the_token_leaves_with_raw_alone(service: Service, environ: dict[str, str], tmp_path: Path) -> None:
    code, token, errors = await pillarbox("token", "get", "--raw", environ=environ)
    assert (code, errors, token.count("\n")) == (0, "", 1)
    signature = token.strip().rpartition(".")[2]
    assert jwt.decode(token.strip(), options={"verify_signature": False})["idtyp"] == "app"
    code, screen = await at_a_terminal("token", "get", "--raw", environ=environ)
    assert code == 0
    assert screen.splitlines()[0] == token.strip()
    assert "Whoever reads this token" in screen.splitlines()[1]
    for words in (("token", "get"), ("token", "get", "--json"), ("graph", "get", "/users", "-i")):
        _, output, errors = await pillarbox(*words, environ=environ)
        assert signature not in output + errors
    assert (await pillarbox("token", "get", "--raw", "--json", environ=environ))[0] == 2
    answer = await asyncio.to_thread(service.api.post, "/api/v1/tokens", {})
    assert (answer["token"], answer["claims"]["idtyp"]) == (None, "app")
    await service.end(signal.SIGTERM)
    log = "\n".join(service.lines)
    assert log.count("event=token.revealed") == 2
    assert signature not in log
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(signature.encode() in content for content in kept)


async def test_without_a_service_the_same_commands_work(service: Service, environ: dict[str, str]) -> None:
    await service.end(signal.SIGTERM)
    code, output, errors = await pillarbox("graph", "get", DRAFTS, environ=environ)
    assert (code, errors, json.loads(output)["value"]) == (0, "", [])
    code, output, errors = await pillarbox("graph", "get", DRAFTS, "--all", environ=environ)
    assert (code, errors, output) == (0, "", "[]\n")
    code, output, errors = await pillarbox("token", "get", environ=environ)
    assert (code, errors) == (0, "")


async def test_the_command_reads_no_more_than_graph_takes_and_asks_nobody(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pillarbox", "graph", "post", "/me/messages", "--data", "-"),
        *("--socket", str(tmp_path / "nobody.sock")),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(bytes(MOST_SENT + 1))
    # The pipe stays open: who read on would never end.
    errors = (await process.stderr.read()).decode()
    assert await process.wait() == 2
    assert f"larger than {MOST_SENT} bytes" in errors
    process.stdin.close()


async def test_no_request_fills_the_memory_of_the_service(service: Service, microsoft: Microsoft) -> None:
    call = {"method": "POST", "path": "/me/messages", "body": "A" * MOST}
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(service.api.post, "/api/v1/graph", call)
    assert f"longer than {MOST} bytes" in caught.value.sentence
    call["body"] = base64.b64encode(bytes(MOST_SENT)).decode()
    answer = await asyncio.to_thread(service.api.post, "/api/v1/graph", {**call, "path": DRAFTS})
    assert answer["status"] == 400  # Microsoft read it: four million zeros are no draft
    assert microsoft.emulator.ledger.token_requests == 1


async def test_a_path_may_bear_its_version(service: Service, environ: dict[str, str]) -> None:
    without, with_version = [
        await pillarbox("graph", "get", f"{version}{DRAFTS}?$top=1", environ=environ) for version in ("", "/v1.0")
    ]
    assert (without[0], without) == (0, with_version)
