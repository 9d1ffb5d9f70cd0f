"""`pillarbox app test` and `pillarbox mailbox test`, as a person presses them: with a service and without one."""

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import Microsoft
from tests.service import furnish, pillarbox, serve

SCANNER = "scanner@contoso.example"


def flags(folder: Path, microsoft: Microsoft) -> list[str]:
    settings = {"state_dir": str(folder / "state"), "socket": str(folder / "run" / "api.sock")} | microsoft.settings
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


async def added(folder: Path, microsoft: Microsoft, secret: str = "") -> list[str]:
    """A store with one app registration and one mailbox; the flags that find it."""
    given, app = flags(folder, microsoft), microsoft.seed.gateway
    environ = {"PILLARBOX_CLIENT_SECRET": secret or microsoft.seed.secrets[app.client_id]}
    new = ("--tenant-id", microsoft.seed.tenant.id, "--client-id", app.client_id)
    code, _, errors = await pillarbox("app", "add", "contoso", *new, *given, environ=environ)
    assert (code, errors) == (0, "")
    code, _, errors = await pillarbox("mailbox", "add", SCANNER, "--app", "contoso", *given)
    assert (code, errors) == (0, "")
    return given


async def test_mailbox_is_tested_without_a_service(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    code, output, errors = await pillarbox("mailbox", "test", SCANNER, *given)
    assert (code, errors) == (0, "")
    assert output.splitlines()[0].startswith("ok   addresses   localhost:")
    assert f"\n\n{SCANNER} can send. Mode: send-only." in output
    assert max(map(len, output.splitlines())) <= 80
    assert len(microsoft.emulator.ledger) == 0


async def test_real_mail_leaves_without_a_service(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    code, output, errors = await pillarbox("mailbox", "test", SCANNER, "--to", "alice@contoso.example", *given)
    assert (code, errors) == (0, "")
    assert "Microsoft took the test mail" in output
    (entry,) = microsoft.emulator.ledger.entries
    assert entry.recipients == ["alice@contoso.example"]


async def test_wrong_secret_fails_with_the_cure_below(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft, secret="not-the-right-value-" * 2)
    code, output, _ = await pillarbox("app", "test", "contoso", *given)
    assert code == 1
    failed = output.index("FAIL token       Microsoft Entra ID refused a token: AADSTS7000215")
    assert output.index("-> Give the secret's Value by `pillarbox app secret contoso`.") > failed
    assert output.splitlines()[-2:] == [
        "contoso is not ready: 'token' failed.",
        "-> Mend that first, then test again.",
    ]
    assert "not-the-right-value" not in output


async def test_json_gives_the_steps(microsoft: Microsoft, tmp_path: Path) -> None:
    given = await added(tmp_path, microsoft)
    code, output, _ = await pillarbox("mailbox", "test", SCANNER, "--json", *given)
    report = json.loads(output)
    assert (code, report["ok"], report["assurance"]) == (0, True, "send-only")
    assert {step["status"] for step in report["steps"]} == {"ok", "skip"}
    assert set(report["steps"][0]) == {"name", "status", "code", "title", "hint", "params", "evidence"}
    code, listed, _ = await pillarbox("mailbox", "list", "--json", *given)
    assert json.loads(listed)[0]["assurance"] == "send-only"


async def test_running_service_tests_and_sends(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings)
    seed = microsoft.seed
    furnish(service, seed.tenant.id, seed.gateway.client_id, seed.secrets[seed.gateway.client_id], SCANNER)
    socket = ("--socket", service.ready["socket"])
    code, output, _ = await pillarbox("mailbox", "test", SCANNER, "--to", "alice@contoso.example", *socket)
    assert (code, len(microsoft.emulator.ledger)) == (0, 1)
    assert "Microsoft took the test mail" in output
    code, output, _ = await pillarbox("app", "test", "contoso", *socket)
    assert code == 0
    assert "\ncontoso gets tokens." in output
    assert await service.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [(("app", "test", "no"), "no app registration"), (("mailbox", "test", "no@x.example"), "no mailbox")],
)
async def test_what_is_not_there_is_not_found(
    microsoft: Microsoft, tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    given = await added(tmp_path, microsoft)
    code, _, errors = await pillarbox(*command, *given)
    assert code == 3
    assert words in errors
