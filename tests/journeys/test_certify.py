"""`make certify` from end to end, with an emulator that plays the tenant: what is written down, and what is left."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox.emulator import Certificates, SigningKey
from pillarbox.emulator.faults import Fault
from pillarbox.emulator.world.permissions import permissions
from tests.contract.microsoft.cleaning import clean
from tests.contract.microsoft.emulated import Emulated, emulated, environment
from tests.contract.microsoft.names import look_up
from tests.contract.microsoft.target import NEEDED
from tests.openapi.recorder import Recorder

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tests/contract/microsoft"
CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
TENANT_NAME = "O'Zeughaus Holunder & Co. Flieder KG"
PRIVATE = {
    "name": r"(?i)Zeughaus|Holunder|Flieder|Elsbeth|Kuckuck|Ampezzo|Drossel",
    "token": r"eyJ[\w-]{10,}",
    "GUID": r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
    "address": r"[\w.+-]+(?:@|%40)[\w-]+\.\w+",
    "host": r"localhost|127\.0\.0\.1|contoso|office365\.com|outlook\.com|microsoftonline",
    "date": r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d",
    "long id": r"[A-Za-z0-9+/_=-]*\d[A-Za-z0-9+/_=-]{39,}",
}
OPENID = {"openid", "profile", "email"}
PUBLISHED = {each.id for each in permissions()}
"""GUIDs that are Microsoft's own and the same in all tenants."""

pytestmark = pytest.mark.timeout(240)


@dataclass
class Certified:
    """An emulator that was taken for a tenant, how the run ended, and its snapshots."""

    tenant: Emulated
    environment: dict[str, str]
    result: subprocess.CompletedProcess[str]

    @property
    def snapshots(self) -> Path:
        """The folder of the snapshots."""
        return self.tenant.target.snapshots


def run(module: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this checkout in a process of its own, with these variables and no others."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=CLEAN | environ, capture_output=True, text=True, check=False)


def rename(tenant: Emulated) -> None:
    """Names that no word of Microsoft's can be taken for, and as difficult as people's are."""
    world = tenant.seed.tenant
    world.name = TENANT_NAME
    registered: list[Any] = [*world.apps.values(), *world.principals.values()]
    for thing in registered:
        if getattr(thing, "resource", None) is None:
            thing.name = f"Elsbeth's {thing.name} (Kuckuck (old) {thing.client_id[:4]})"
    for user in world.users.values():
        user.name = f"{user.name} D'Ampezzo-Drossel"


@pytest.fixture(scope="module")
def certified(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, signing_key: SigningKey, recorder: Recorder
) -> Iterator[Certified]:
    """One run of `make certify`."""
    folder = tmp_path_factory.mktemp("tenant")
    with emulated(folder, certificates, signing_key, recorder, folder / "snapshots") as tenant:
        tenant.running.call(lambda: rename(tenant))
        slow_down = Fault(path="/childFolders", status=429, retry_after=0.1, retry_form="decimal", times=2)
        tenant.running.call(lambda: tenant.running.emulator.faults.add(slow_down))
        environ = {"HOME": str(folder)} | environment(tenant.target, folder)
        yield Certified(
            tenant, environ, run(SUITE.replace("/", "."), "-p", "no:cacheprovider", "-m", "not ahead", **environ)
        )


def test_the_run_says_what_it_does_passes_and_writes_snapshots(certified: Certified) -> None:
    output, target = certified.result.stdout, certified.tenant.target
    assert certified.result.returncode == 0, output + certified.result.stderr
    assert output.index(target.sender_address) < output.index("%]")
    assert target.recipient_address in output
    assert "skipped: 0" in output
    assert len([*certified.snapshots.glob("*.json")]) > 100


def test_a_tenant_that_asks_to_slow_down_is_asked_again_when_it_says_so(certified: Certified) -> None:
    ledger = certified.tenant.running.emulator.ledger
    assert ledger.answers[429] >= 2
    assert ledger.too_early == []


@pytest.mark.parametrize("kind", PRIVATE)
def test_snapshots_hold_nothing_private(certified: Certified, kind: str) -> None:
    for file in certified.snapshots.glob("*.json"):
        found = [each for each in re.findall(PRIVATE[kind], file.read_text("utf-8")) if each not in PUBLISHED]
        assert found == [], file.name


def test_snapshots_keep_the_numbers_of_errors(certified: Certified) -> None:
    snapshot = json.loads(
        (certified.snapshots / "token_errors--request_is_refused-wrong-secret.json").read_text("utf-8")
    )
    assert snapshot["answer"]["body"]["error_description"].startswith("AADSTS7000215: ")


def test_names_are_looked_up_with_what_the_page_lets_one_see(certified: Certified) -> None:
    target = certified.tenant.target
    found = asyncio.run(look_up(replace(target, admin_token=None, names=("Holunder",)), {}))
    asyncio.run(clean(target, {}))
    people = {certified.tenant.seed.user("carol").name}
    apps = {certified.tenant.seed.tenant.apps[app.client_id].name for app in target.apps.values()}
    assert {*found.names} == {TENANT_NAME, "Holunder"} | people | apps
    # The emulator puts no names beside the addresses of a draft.
    assert found.nameless == ("address sender", "address recipient", "address closed", "address bare")


def test_names_that_are_known_do_not_get_into_snapshots(certified: Certified, tmp_path: Path) -> None:
    environ = certified.environment | {"CERTIFY_SNAPSHOTS": str(tmp_path), "CERTIFY_NAMES": "Trace ID"}
    result = run(SUITE.replace("/", "."), "-p", "no:cacheprovider", "-k", "wrong and secret", **environ)
    assert result.returncode == 0, result.stdout
    (file,) = tmp_path.glob("*.json")
    assert "<name>: <guid>" in file.read_text("utf-8")


def test_of_whom_nobody_told_the_name_is_said(certified: Certified) -> None:
    assert "names that nobody told, read the snapshots for them: address sender" in certified.result.stdout


def test_public_app_has_what_the_page_gives_it(certified: Certified) -> None:
    page = (ROOT / "docs" / "how-to" / "certify.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `CERTIFY_PUBLIC_CLIENT_ID`")]
    assert certified.tenant.target.public is not None
    app = certified.tenant.seed.tenant.apps[certified.tenant.target.public.client_id]
    assert {*re.findall(r"`(\w+\.\w+)`", row)} == {each.name for each in app.requested_permissions}
    snapshot = json.loads((certified.snapshots / "tokens--person_gets_a_token_by_password.json").read_text("utf-8"))
    assert {*snapshot["answer"]["body"]["scope"].split()} - OPENID == {"https://<host>/Mail.Send"}


def secrets_in(certified: Certified, text: str) -> list[str]:
    """Secrets, passwords and tokens that stand in it."""
    seed = certified.tenant.seed
    secrets = [*seed.secrets.values(), *seed.passwords.values(), certified.tenant.target.admin_token or "?"]
    return [each for each in (*secrets, "eyJ") if each in text]


def test_neither_snapshots_nor_output_hold_a_secret(certified: Certified) -> None:
    texts = [file.read_text("utf-8") for file in certified.snapshots.glob("*.json")]
    for text in (*texts, certified.result.stdout, certified.result.stderr):
        assert secrets_in(certified, text) == []


def test_clean_up_can_be_had_alone_and_twice(certified: Certified) -> None:
    emulator, sender = certified.tenant.running.emulator, certified.tenant.target.sender_address
    mailbox = emulator.world.mailbox(sender)
    mail = b"Subject: Undeliverable: [pillarbox-certify 1] late\r\n\r\n"
    certified.tenant.running.call(lambda: mailbox.add("inbox", mail, "<late@contoso.example>", 0.0))
    for _ in range(2):
        result = run(SUITE.replace("/", "."), "--clean", **certified.environment)
        assert result.returncode == 0, result.stderr
        assert left(certified) == []


def left(certified: Certified) -> list[Any]:
    """Mail, folders, apps and scopes that were not there before."""
    world, tenant = certified.tenant.running.emulator.world, certified.tenant.seed.tenant
    found: list[Any] = [mail for mailbox in world.mailboxes() for mail in mailbox.messages(float("inf"))]
    planted = {app.client_id for app in certified.tenant.seed.apps}
    planted |= {app.client_id for app in certified.tenant.target.apps.values()}
    found += [
        folder for mailbox in world.mailboxes() for folder in mailbox.folders.values() if "certify" in folder.title
    ]
    found += [app for app in tenant.apps.values() if app.client_id not in planted]
    return [*found, *tenant.exchange_roles.scopes.values(), *tenant.exchange_roles.assignments.values()]


def test_mailboxes_and_directory_are_clean_afterwards(certified: Certified) -> None:
    assert left(certified) == []
    assert certified.tenant.running.emulator.ledger.entries


def test_emulator_passes_with_the_snapshots(certified: Certified) -> None:
    result = run("pytest", SUITE, "-p", "no:cacheprovider", CERTIFY_SNAPSHOTS=str(certified.snapshots))
    assert result.returncode == 0, result.stdout
    assert "skipped: 0" in result.stdout
    assert f"compared with {len([*certified.snapshots.glob('*.json')])} snapshots" in result.stdout


def test_snapshot_without_a_case_is_told(certified: Certified, tmp_path: Path) -> None:
    for name in ("smtp--greeting", "smtp--gone"):
        (tmp_path / f"{name}.json").write_text("{}", "utf-8")
    options = ("-p", "no:cacheprovider", "-k", "nothing_goes")
    result = run("pytest", SUITE, *options, CERTIFY_SNAPSHOTS=str(tmp_path))
    assert "snapshots without a case, delete or rename them: smtp--gone\n" in result.stdout


def test_emulator_that_differs_from_a_snapshot_fails_readably(certified: Certified, tmp_path: Path) -> None:
    name = "token_errors--request_is_refused-wrong-secret"
    shutil.copy(certified.snapshots / f"{name}.json", tmp_path)
    snapshot = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    snapshot["answer"]["body"]["error"] = "invalid_grant"
    snapshot["answer"]["headers"]["x-new"] = None
    (tmp_path / f"{name}.json").write_text(json.dumps(snapshot), "utf-8")
    options = ("-p", "no:cacheprovider", "-k", "wrong and secret")
    result = run("pytest", f"{SUITE}/test_token_errors.py", *options, CERTIFY_SNAPSHOTS=str(tmp_path))
    assert result.returncode == 1
    lines = [line.strip() for line in result.stdout.splitlines()]
    start = lines.index(f"The emulator answers otherwise than the tenant of {name}.json:")
    assert lines[start + 1 : start + 7] == [
        "answer/body/error",
        'tenant    "invalid_grant"',
        'emulator  "invalid_client"',
        "answer/headers/x-new",
        "tenant    null",
        "emulator  (nothing)",
    ]


def test_a_failed_run_is_cleaned_up_keeps_what_it_saw_and_shows_no_secret(certified: Certified, tmp_path: Path) -> None:
    running, faults = certified.tenant.running, certified.tenant.running.emulator.faults
    running.call(lambda: faults.add(Fault(path="/attachments", method="POST", status=500)))
    running.call(lambda: faults.add(Fault(path="/token", when="after", status=201)))
    environ = certified.environment | {"CERTIFY_SNAPSHOTS": str(tmp_path)}
    wanted = "taken_at_once or never_a_refresh or older_endpoint or request_is_refused"
    try:
        result = run(SUITE.replace("/", "."), "-p", "no:cacheprovider", "-k", wanted, **environ)
    finally:
        running.call(faults.clear)
    assert result.returncode == 1, result.stdout
    assert left(certified) == []
    snapshot = json.loads((tmp_path / "attachments--small_attachment_is_taken_at_once.json").read_text("utf-8"))
    assert snapshot["answer"]["status"] == 500
    assert result.stdout.count("FAILED") >= 2
    assert secrets_in(certified, result.stdout + result.stderr) == []


@pytest.mark.parametrize("module", [SUITE.replace("/", "."), "pytest"])
def test_a_setting_that_is_missing_is_named(module: str) -> None:
    arguments = (SUITE,) if module == "pytest" else ()
    result = run(module, *arguments, TARGET="tenant", CERTIFY_TENANT_ID="x", CERTIFY_NOBODY_CLIENT_ID="x")
    assert result.returncode in (2, 4)
    given = {"CERTIFY_TENANT_ID", "CERTIFY_NOBODY_CLIENT_ID"}
    assert {word.strip(",:") for word in result.stderr.split() if word.startswith("CERTIFY_")} == {*NEEDED} - given
    assert "docs/how-to/certify.md" in result.stderr
