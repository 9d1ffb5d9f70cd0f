"""The emulator for programs without an event loop, and the fixture that other projects take."""

import smtplib
import ssl
import subprocess
import sys
import textwrap
import threading
import urllib.request
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.background import Background

PROJECT = {
    "conftest.py": 'pytest_plugins = ["pillarbox.emulator.pytest_plugin"]\n',
    "test_report.py": """
        import json, ssl, urllib.parse, urllib.request

        def ask(facts, url, body, headers=None):
            context = ssl.create_default_context(cafile=facts["ca_file"])
            request = urllib.request.Request(url, body, headers or {})
            with urllib.request.urlopen(request, context=context) as answer:
                return answer.read()

        def test_report_is_sent(microsoft365):
            facts = microsoft365.facts
            app = facts["apps"][0]
            form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
            form |= {"client_id": app["client_id"], "client_secret": app["client_secret"]}
            body = urllib.parse.urlencode(form).encode()
            token = json.loads(ask(facts, facts["authority"] + "/oauth2/v2.0/token", body))["access_token"]
            message = {"toRecipients": [{"emailAddress": {"address": "bob@contoso.example"}}]}
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            url = facts["graph"] + "/users/alice@contoso.example/sendMail"
            ask(facts, url, json.dumps({"message": message}).encode(), headers)
            (mail,) = microsoft365.emulator.ledger.entries
            assert mail.recipients == ["bob@contoso.example"]

        def test_each_test_has_a_world_of_its_own(microsoft365):
            assert microsoft365.emulator.ledger.entries == []
    """,
}


@pytest.fixture
def keys(certificates: Certificates, signing_key: SigningKey) -> tuple[Certificates, SigningKey]:
    return certificates, signing_key


def make(folder: Path, keys: tuple[Certificates, SigningKey]) -> Emulator:
    emulator = Emulator(folder, certificates=keys[0], signing_key=keys[1], exchange=True)
    seed(emulator.world)
    return emulator


def test_it_runs_in_a_thread_and_leaves_none(keys: tuple[Certificates, SigningKey]) -> None:
    before = {*threading.enumerate()}
    with Background(lambda folder: make(folder, keys)) as running:
        facts = running.facts
        context = ssl.create_default_context(cafile=facts["ca_file"])
        with urllib.request.urlopen(f"{facts['control']}/ready", context=context) as answer:
            assert answer.status == 200
        with smtplib.SMTP(facts["smtp"]["host"], facts["smtp"]["port"], timeout=10) as client:
            assert client.ehlo()[0] == 250
    assert {*threading.enumerate()} <= before
    assert not Path(facts["ca_file"]).exists()


def test_what_is_called_runs_between_two_requests(keys: tuple[Certificates, SigningKey]) -> None:
    with Background(lambda folder: make(folder, keys)) as running:
        name = running.call(lambda: threading.current_thread().name)
        assert name == "pillarbox-emulator"


def test_a_start_that_fails_leaves_no_thread(tmp_path: Path, keys: tuple[Certificates, SigningKey]) -> None:
    before = {*threading.enumerate()}
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), Background(lambda folder: make(tmp_path / "file" / "below", keys)):  # noqa: PT011
        pass
    assert {*threading.enumerate()} <= before


def test_the_fixture_works_in_a_project_of_its_own(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(textwrap.dedent(text), "utf-8")
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    command = [sys.executable, "-W", "error", "-m", "pytest", *quiet, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
