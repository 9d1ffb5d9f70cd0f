"""The command line: beside a running service, without one, and what it says when something is wrong."""

import asyncio
import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from pillarbox.cli.local import Api
from pillarbox.cli.outbox import _act as act
from tests.conftest import House, MakeHouse, Microsoft
from tests.service import Service, pillarbox, serve

SENDER = "scanner@contoso.example"
GUID = "11111111-2222-4333-8444-555555555555"
MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: hello\r\n\r\nhello\r\n"


def here(folder: Path) -> dict[str, str]:
    """An environment whose store and socket lie in `folder`."""
    return {
        "PILLARBOX_STATE_DIR": str(folder / "state"),
        "PILLARBOX_SOCKET": str(folder / "run" / "api.sock"),
    }


async def set_up(microsoft: Microsoft, environ: dict[str, str]) -> str:
    """The three commands of an administrator; the submitter's password."""
    app = microsoft.seed.gateway
    secret = {"PILLARBOX_CLIENT_SECRET": microsoft.seed.secrets[app.client_id]}
    ids = ("--tenant-id", microsoft.seed.tenant.id, "--client-id", app.client_id)
    assert (await pillarbox("app", "add", "contoso", *ids, environ=environ | secret))[0] == 0
    assert (await pillarbox("mailbox", "add", SENDER, "--app", "contoso", environ=environ))[0] == 0
    code, output, _ = await pillarbox("submitter", "add", "printer", "--mailbox", SENDER, "--json", environ=environ)
    assert code == 0
    return str(json.loads(output)["password"])


async def test_commands_beside_a_service_send_and_show_a_message(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    service = await serve(tmp_path, microsoft.settings)
    await set_up(microsoft, environ)
    words = ("--from", SENDER, "--to", "alice@contoso.example", "--subject", "hi", "--text", "hello", "--wait", "20")
    code, output, errors = await pillarbox("send", *words, environ=environ)
    queue_id, state = output.split()[:2]
    assert (code, state, errors) == (0, "sent", "")
    _, shown, _ = await pillarbox("outbox", "show", queue_id, environ=environ)
    (entry,) = microsoft.emulator.ledger.entries
    assert entry.request_id in shown
    assert "Attempt 1  " in shown
    assert await service.end(signal.SIGTERM) == 0


async def test_without_a_service_commands_use_the_store_and_the_mail_waits(
    microsoft: Microsoft, tmp_path: Path
) -> None:
    environ = here(tmp_path)
    await set_up(microsoft, environ)
    letter = tmp_path / "letter.eml"
    letter.write_bytes(MAIL)
    code, output, _ = await pillarbox("send", "--file", str(letter), "--json", environ=environ)
    assert (code, json.loads(output)["state"]) == (0, "queued")
    service = await serve(tmp_path, microsoft.settings)
    await service.logged(lambda lines: any("state=sent" in line for line in lines))
    await service.end(signal.SIGTERM)
    assert [entry.recipients for entry in microsoft.emulator.ledger.entries] == [["alice@contoso.example"]]


async def test_lists_are_tables_for_people_and_json_for_scripts(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    service = await serve(tmp_path, microsoft.settings)
    await set_up(microsoft, environ)
    for noun, name in (("app", "contoso"), ("mailbox", SENDER), ("submitter", "printer")):
        _, plain, _ = await pillarbox(noun, "list", environ=environ)
        _, as_json, _ = await pillarbox(noun, "list", "--json", environ=environ)
        assert plain.split("\t")[0] == name
        assert name in json.loads(as_json)[0].values()
        assert '"password"' not in as_json
    await service.end(signal.SIGTERM)


async def test_two_processes_never_have_the_store_open(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings)
    elsewhere = here(tmp_path) | {"PILLARBOX_SOCKET": str(tmp_path / "other.sock")}
    code, _, errors = await pillarbox("outbox", "list", environ=elsewhere)
    assert (code, f"process {service.process.pid}" in errors) == (75, True)
    await service.end(signal.SIGTERM)


async def test_only_the_owner_may_open_the_socket_and_the_state(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings)
    await set_up(microsoft, here(tmp_path))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert stat.S_IMODE(Path(service.ready["socket"]).stat().st_mode) == 0o600
    assert (modes["master.key"], modes["pillarbox.db"], modes["tls-key.pem"]) == (0o600, 0o600, 0o600)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    await service.end(signal.SIGTERM)


async def test_no_secret_is_in_the_store_or_in_the_log(microsoft: Microsoft, tmp_path: Path) -> None:
    service = await serve(tmp_path, microsoft.settings | {"log.level": "debug"})
    password = await set_up(microsoft, here(tmp_path))
    await _send_one(here(tmp_path))
    await service.end(signal.SIGTERM)
    secret = microsoft.seed.secrets[microsoft.seed.gateway.client_id]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    written = "\n".join(service.lines)
    assert "event=mail.final" in written
    for text in (secret, password, "eyJ0"):
        assert text not in written
        assert text.encode() not in kept


async def _send_one(environ: dict[str, str]) -> None:
    words = ("--from", SENDER, "--to", "alice@contoso.example", "--text", "x", "--wait", "20")
    assert (await pillarbox("send", *words, environ=environ))[0] == 0


async def test_a_held_message_is_sent_by_retry_once_the_cause_is_mended(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    service = await serve(tmp_path, microsoft.settings)
    await set_up(microsoft, environ)
    microsoft.emulator.faults.add(path="/sendMail", status=403, code="ErrorAccessDenied", times=1)
    words = ("--from", SENDER, "--to", "alice@contoso.example", "--text", "x", "--wait", "20", "--json")
    code, output, _ = await pillarbox("send", *words, environ=environ)
    held = json.loads(output)
    assert (code, held["state"], held["code"]) == (6, "held", "ErrorAccessDenied")
    assert "admin consent" in held["cure"]
    code, output, _ = await pillarbox("outbox", "retry", held["id"], environ=environ)
    assert (code, output) == (0, f"{held['id']} queued\n")
    await service.logged(lambda lines: any(f"id={held['id']} state=sent" in line for line in lines))
    assert (await pillarbox("outbox", "retry", held["id"], environ=environ))[0] == 1
    await service.end(signal.SIGTERM)


async def test_a_canceled_message_is_not_sent(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    await set_up(microsoft, environ)
    words = ("--from", SENDER, "--to", "alice@contoso.example", "--text", "x", "--json")
    queue_id = json.loads((await pillarbox("send", *words, environ=environ))[1])["id"]
    assert (await pillarbox("outbox", "cancel", queue_id, environ=environ))[1] == f"{queue_id} canceled\n"
    service = await serve(tmp_path, microsoft.settings)
    await _send_one(environ)
    await service.end(signal.SIGTERM)
    assert len(microsoft.emulator.ledger.entries) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["outbox", "show", "NOSUCH"], 3, "there is no store in"),
        (["app", "add", "a/b", "--tenant-id", "t", "--client-id", "c"], 2, "cannot be the name"),
        (["outbox", "retry"], 2, "say which messages"),
        (["mailbox", "add", "nobody", "--app", "x"], 2, "'nobody' is not a mail address."),
        (["mailbox", "add", "a@contoso.example", "--app", "x"], 3, "There is no app registration 'x'."),
        (["submitter", "add", "p", "--mailbox", "a@contoso.example"], 3, "There is no mailbox a@contoso.example."),
        (["app", "add", "x", "--tenant-id", "t", "--client-id", "c"], 2, "'c' is not a client ID."),
        (["app", "add", "x", "--tenant-id", "contoso.example", "--client-id", GUID], 2, "Not given: Client secret"),
        (["outbox", "list", "--socket", "/nowhere.sock"], 75, "No service answers on /nowhere.sock"),
        (["outbox", "list", "--set", "smtp.listne=x"], 78, "there is no setting 'smtp.listne'"),
        (["nonsense"], 2, "No such command"),
        (["send"], 2, "--from, --to and --text are needed"),
        (
            ["send", "--from", "z@contoso.example", "--to", "a@b.example", "--text", "x"],
            3,
            "There is no mailbox z@contoso.example.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_errors_are_one_line_with_the_exit_code(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    environ = here(tmp_path)
    if "a/b" in arguments:
        environ["PILLARBOX_CLIENT_SECRET"] = "a secret"
    found, output, errors = await pillarbox(*arguments, environ=environ)
    assert (found, output) == (code, "")
    assert words in errors


async def test_a_message_without_a_sender_is_told_as_such(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    await set_up(microsoft, environ)
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"To: alice@contoso.example\r\n\r\nhello\r\n")
    code, _, errors = await pillarbox("send", "--file", str(letter), environ=environ)
    assert (code, "names no sender" in errors) == (2, True)


async def test_looking_makes_no_store(tmp_path: Path) -> None:
    assert (await pillarbox("outbox", "list", environ=here(tmp_path)))[0] == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("queue_id", ["NOSUCH", "../status", "a/b?c", "%2e%2e"])
async def test_an_id_that_is_none_is_told_in_words(house: House, queue_id: str) -> None:
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, output, errors = await pillarbox("outbox", "show", queue_id, environ=place)
    assert (code, output) == (3, "")
    assert errors.startswith("pillarbox: There is no")


async def test_retry_takes_all_that_are_in_a_state(house: House) -> None:
    waiting = await in_doubt(house, 3)
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, output, _ = await pillarbox("outbox", "retry", "--state", "uncertain", environ=place)
    assert (code, [line.split()[0] for line in output.splitlines()]) == (0, sorted(waiting))
    for queue_id in waiting:
        await house.settled(queue_id)


async def in_doubt(house: House, count: int) -> list[str]:
    """Messages of which it is not known whether they arrived, oldest first: they wait, and hold up no others."""
    house.microsoft.emulator.faults.add(path="/sendMail", status=503, code="ErrorServerBusy", times=count)
    waiting = [await house.accept(MAIL, "alice@contoso.example") for _ in range(count)]
    for queue_id in waiting:
        await house.settled(queue_id, "uncertain")
    return waiting


async def held_by_microsoft(house: House, count: int) -> list[str]:
    """Messages that are held, oldest first."""
    house.microsoft.emulator.faults.add(path="/sendMail", status=403, code="ErrorAccessDenied", times=count)
    held = [await house.accept(MAIL, "alice@contoso.example") for _ in range(count)]
    for queue_id in held:
        await house.settled(queue_id, "held")
    return held


@pytest.mark.parametrize("verb", ["retry", "cancel"])
async def test_what_cannot_be_done_with_one_message_is_done_with_the_others(house: House, verb: str) -> None:
    first, last = await in_doubt(house, 2)
    sent = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(sent)
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    code, output, errors = await pillarbox("outbox", verb, first, "NOSUCH", sent, last, environ=place)
    done = "queued" if verb == "retry" else "canceled"
    assert (code, output) == (3, f"{first} {done}\n{last} {done}\n")
    assert [line.split(".")[0] for line in errors.splitlines()] == [
        "pillarbox: There is no message NOSUCH",
        f"pillarbox: Message {sent} is sent; that cannot be done with it now",
    ]


async def test_what_left_the_state_meanwhile_is_skipped(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (waiting,) = await in_doubt(house, 1)
    sent = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(sent)
    api = Api(house.gateway.settings.socket, None, ())
    code = await asyncio.to_thread(act, api, (sent, waiting), "retry", False, skip="outbox.wrong_state")
    assert (code, *capsys.readouterr()) == (0, f"{waiting} queued\n", "")


async def test_scripts_get_one_list_of_what_was_done_and_what_was_not(house: House) -> None:
    (waiting,) = await in_doubt(house, 1)
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    sent = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(sent)
    words = ("outbox", "cancel", "--json", "NOSUCH", waiting, sent)
    code, output, errors = await pillarbox(*words, environ=place)
    missing, canceled, refused = json.loads(output)
    assert (code, errors) == (3, "")
    assert (missing["id"], missing["code"], missing["exit"]) == ("NOSUCH", "outbox.not_found", 3)
    assert (canceled["id"], canceled["state"], canceled["cure"]) == (waiting, "canceled", "")
    assert (refused["id"], refused["code"], refused["retryable"]) == (sent, "outbox.wrong_state", False)


async def test_what_a_person_does_with_a_message_is_in_the_log(house: House) -> None:
    (held,) = await held_by_microsoft(house, 1)
    place = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
    house.microsoft.emulator.faults.add(path="/sendMail", status=403, code="ErrorAccessDenied", times=1)
    await pillarbox("outbox", "retry", held, environ=place)
    (line,) = house.log.lines("mail.retried")
    assert f"id={held} by=local former=held" in line
    row = await house.settled(held, "held")
    await pillarbox("outbox", "cancel", held, environ=place)
    (*_, last) = house.log.lines("mail.final")
    assert f"id={held} state=canceled submitter=printer sender={SENDER} recipients=1 size={row['size']} delay=" in last
    assert " reply= " in last


async def test_a_message_that_a_crash_cut_off_is_in_the_log_as_uncertain(make_house: MakeHouse) -> None:
    house = await make_house(start=False)
    await house.furnish(SENDER)
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    mailbox = await house.gateway.accounts.mailbox(SENDER)
    assert mailbox is not None
    await house.gateway.outbox.claim(mailbox.id, 1)
    await house.gateway.start()
    assert [f"id={queue_id}" in line for line in house.log.lines("mail.interrupted")] == [True]
    (line,) = house.log.lines("mail.final")
    assert f"id={queue_id} state=uncertain submitter=printer sender={SENDER} recipients=1 size=" in line


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code", "retryable"),
    [
        (["outbox", "list", "--json", "--socket", "/nowhere.sock"], "cli.no_service", 75, True),
        (["outbox", "list", "--json", "--limit", "0"], "cli.usage", 2, False),
        (["emulator", "--json", "--listen", "nowhere"], "cli.emulator", 1, False),
        (["emulator", "--json", "--state", "/dev/null/x"], "cli.emulator", 1, False),
        (["emulator", "--json", "--seed", "nowhere.toml"], "cli.usage", 2, False),
        (["config", "check", "--json", "--set", "smtp.listne=x"], "config.unknown_key", 78, False),
    ],
    ids=["service", "usage", "address", "folder", "file", "settings"],
)
async def test_scripts_get_errors_as_json(
    arguments: list[str], code: str, exit_code: int, retryable: bool, tmp_path: Path
) -> None:
    found, output, errors = await pillarbox(*arguments, environ=here(tmp_path))
    problem = json.loads(errors)
    assert (found, output) == (exit_code, "")
    assert (problem["code"], problem["exit"], problem["retryable"]) == (code, exit_code, retryable)
    assert problem["title"]
    assert problem["hint"]


async def shown(*flags: str) -> dict[str, tuple[object, str]]:
    """The settings that `config show` shows: value, and where it comes from."""
    words = [word for flag in flags for word in ("--set", flag)]
    code, output, _ = await pillarbox("config", "show", "--json", *words)
    assert code == 0
    return {row["key"]: (row["value"], row["from"]) for row in json.loads(output)}


async def test_the_addresses_of_the_cloud_are_shown() -> None:
    rows = await shown("microsoft.cloud=china", "microsoft.imap_port=1993")
    assert rows["microsoft.authority_url"] == ("https://login.partner.microsoftonline.cn", "cloud china")
    assert rows["microsoft.smtp_port"] == (587, "cloud china")
    assert rows["microsoft.imap_host"] == ("partner.outlook.cn", "cloud china")
    assert rows["microsoft.imap_port"][0] == 1993
    assert rows["microsoft.imap_port"][1] != "cloud china"


async def test_addresses_that_a_custom_cloud_lacks_are_shown_empty() -> None:
    rows = await shown("microsoft.cloud=custom", "microsoft.graph_url=https://graph.example")
    assert rows["microsoft.authority_url"] == ("", "default")
    assert rows["microsoft.graph_url"][0] == "https://graph.example"


async def test_pasting_the_id_of_the_secret_is_told_as_such(tmp_path: Path) -> None:
    environ = here(tmp_path) | {"PILLARBOX_CLIENT_SECRET": GUID}
    words = ("app", "add", "contoso", "--tenant-id", "contoso.example", "--client-id", GUID)
    code, _, errors = await pillarbox(*words, environ=environ)
    assert (code, "the ID of a client secret, not its value" in errors) == (2, True)


async def test_version_needs_no_imports(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "pillarbox", "--version"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    output, imported = await process.communicate()
    assert output.startswith(b"pillarbox ")
    assert b"click" not in imported
    assert b"pydantic" not in imported


async def test_sigterm_finishes_what_is_in_flight(microsoft: Microsoft, tmp_path: Path) -> None:
    environ = here(tmp_path)
    service: Service = await serve(tmp_path, microsoft.settings)
    await set_up(microsoft, environ)
    microsoft.emulator.faults.add(path="/sendMail", delay=0.5, when="after")
    words = ("--from", SENDER, "--to", "alice@contoso.example", "--text", "x", "--json")
    queue_id = json.loads((await pillarbox("send", *words, environ=environ))[1])["id"]
    # In flight is what has been begun: before it has a token a message goes back into the queue.
    while not microsoft.emulator.ledger.entries:  # noqa: ASYNC110 - the ledger tells nobody
        await asyncio.sleep(0)
    assert await service.end(signal.SIGTERM) == 0
    assert any(f"id={queue_id} state=sent" in line for line in service.lines)
    assert len(microsoft.emulator.ledger.entries) == 1


async def test_a_store_of_a_newer_version_stops_the_start(microsoft: Microsoft, tmp_path: Path) -> None:
    import apsw

    await set_up(microsoft, here(tmp_path))
    store = apsw.Connection(str(tmp_path / "state" / "pillarbox.db"))
    store.pragma("user_version", 99)
    store.close()
    code, _, errors = await pillarbox("serve", environ=here(tmp_path))
    assert (code, "schema 99" in errors) == (78, True)


async def test_another_master_key_stops_the_start(microsoft: Microsoft, tmp_path: Path) -> None:
    await set_up(microsoft, here(tmp_path))
    code, _, errors = await pillarbox("serve", environ=here(tmp_path) | {"PILLARBOX_MASTER_KEY": "0f" * 32})
    assert (code, "secrets sealed by key" in errors) == (78, True)


async def test_a_lost_master_key_stops_the_start_and_no_new_one_is_made(microsoft: Microsoft, tmp_path: Path) -> None:
    await set_up(microsoft, here(tmp_path))
    (tmp_path / "state" / "master.key").unlink()
    code, _, errors = await pillarbox("serve", environ=here(tmp_path))
    assert (code, "the master key is gone" in errors) == (78, True)
    assert not (tmp_path / "state" / "master.key").exists()
