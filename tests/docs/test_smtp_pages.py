"""The pages of the SMTP door: their settings are taken, their replies and numbers are those of the program, and each
page of a device or program has the same parts."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pillarbox.access.guard import Patience as OfGuessing
from pillarbox.core import catalogue, headers, log
from pillarbox.core import mime_shape as mime
from pillarbox.core.listening import smtp_listeners
from pillarbox.core.settings import Settings, Smtp, load
from pillarbox.endpoints.smtp.data import LONGEST_LINE
from pillarbox.endpoints.smtp.limits import LOGIN_TIME, PACE, SLOW_START
from pillarbox.endpoints.smtp.rules import Limits
from pillarbox.endpoints.smtp.spool import MEMORY

DOCS = Path(__file__).resolve().parents[2] / "docs"
DEVICES = (
    "printer",
    "erp",
    "jenkins",
    "gitlab",
    "wordpress",
    "windows-smtp-service",
    "postfix-relayhost",
)
LOCAL = ("cron", "php")
"""What hands its mail to `sendmail`, on this machine: no listener, no password, exit codes in place of replies."""
HOW_TO = (*DEVICES, *LOCAL, "listeners", "submitters")
DOOR = "explanation/smtp-door.md"
REPLIES = "explanation/smtp-replies.md"
PAGES = (*(f"how-to/{name}.md" for name in HOW_TO), DOOR, REPLIES)
REPLY = re.compile(r"\b[2-5]\d\d [245]\.\d\.\d{1,3}\b")
LONGEST_PAGE = 150
ANY_ERROR = catalogue.Entry("", "").smtp

devices = pytest.mark.parametrize("device", DEVICES)
pages = pytest.mark.parametrize("page", PAGES)


def read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, heading
    return found[1]


def cells(text: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def replies() -> dict[str, set[str]]:
    """Reply codes of the catalogue, each with its errors; but for the one that is the answer to all others.

    Causes are left out: they come after the reply, and tell a bounce its status.
    """
    found: dict[str, set[str]] = {}
    for code, entry in catalogue.entries().items():
        if entry.smtp != ANY_ERROR and not code.startswith("cause."):
            found.setdefault(entry.smtp, set()).add(code)
    return found


def settings_of(page: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", read(page), re.M | re.S)


# ---- each page


@devices
def test_a_page_of_a_device_has_all_parts(device: str) -> None:
    text = read(f"how-to/{device}.md")
    assert "pillarbox submitter add " in text
    assert "listeners.md" in text
    assert re.search(r"^(swaks|curl|sendmail|Send-MailMessage|printf .*\| sendmail) ", text, re.M)
    assert "`mail.accepted`" in text or "event=mail.accepted" in text
    assert len(cells(section(text, "When it is refused"))) == 3
    assert "submitters.md#why-a-mail-was-refused" in text


@pytest.mark.parametrize("program", LOCAL)
def test_a_page_of_a_program_of_this_machine_has_all_parts(program: str) -> None:
    text = read(f"how-to/{program}.md")
    assert re.search(r"^pillarbox submitter add .* --user \S+ .*--no-password$", text, re.M)
    assert "run-as-a-service.md#5-sendmail-for-the-users-of-this-machine" in text
    assert re.search(r"^```sh\n(printf .*\| /usr/sbin/sendmail|runuser .*mail\().*\npillarbox outbox list$", text, re.M)
    assert "(submitters.md" in text
    assert "--recipient '*@contoso.example'" in text
    assert "--force-from" in text
    assert program == "cron" or "cron.md#it-does-not-arrive" in text


def test_what_goes_wrong_on_this_machine_is_told_by_its_exit_code() -> None:
    told = {
        code for row in cells(section(read("how-to/cron.md"), "It does not arrive")) for code in _exit_codes(row[0])
    }
    assert {os.EX_NOUSER, os.EX_TEMPFAIL, os.EX_NOPERM} <= told


def _exit_codes(text: str) -> set[int]:
    return {int(code) for code in re.findall(r"exit code (\d+)", text)}


def test_the_display_names_of_a_printer_are_refused_and_taken_as_its_page_says() -> None:
    rows = cells(section(read("how-to/printer.md"), "A display name with signs in it"))
    refused, taken = ([each for row in rows for each in _froms(row[place])] for place in (0, 1))
    assert (len(refused), len(taken)) == (5, 5)
    assert {headers.mailbox(value.encode()) for value in refused} == {""}
    assert {headers.mailbox(value.encode()) for value in taken} == {"scanner@contoso.example"}


def _froms(cell: str) -> list[str]:
    return [each.replace("<...>", "<scanner@contoso.example>") for each in re.findall(r"`([^`]+)`", cell)]


@pages
def test_a_page_is_short(page: str) -> None:
    lines = read(page).splitlines()
    assert len(lines) < LONGEST_PAGE
    # A command or a table's row cannot be broken; sentences can.
    prose = re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S).splitlines()
    assert [line for line in prose if len(line) > 125 and not line.startswith("|")] == []


@pages
def test_the_index_leads_to_the_page(page: str) -> None:
    assert f"]({page})" in read("README.md")


@pages
def test_the_replies_of_a_page_are_those_of_the_program(page: str) -> None:
    ours = {*replies(), ANY_ERROR, "250 2.0.0"}
    assert set(REPLY.findall(read(page))) <= ours


@pages
def test_the_log_events_of_a_page_exist(page: str) -> None:
    named = set(re.findall(r"\bevent=([\w.]+)|`((?:smtp|mail|service)\.[a-z_]+)`", read(page)))
    words = {one or other for one, other in named}
    keys = {f"smtp.{key}" for key in Smtp.model_fields}
    assert words - keys - set(catalogue.entries()) <= set(log.EVENTS)


@pytest.mark.parametrize("page", [page for page in PAGES if settings_of(page)])
def test_the_settings_of_a_page_are_taken(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(settings_of(page)):
        tomllib.loads(block)
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        settings = load(file, {})
        assert isinstance(settings, Settings)
        assert smtp_listeners(settings)


def test_the_file_for_a_container_runs_for_every_user(tmp_path: Path) -> None:
    block = re.search(r"^```sh\n(.*?)^```", section(read("how-to/cron.md"), "In a container"), re.M | re.S)
    assert block
    commands = block[1].replace("build/", f"{tmp_path}/").replace("python3 -m", f"{sys.executable} -m")
    subprocess.run(["sh", "-euc", commands], cwd=DOCS.parent, check=True)
    program = tmp_path / "pillarbox-sendmail"
    assert program.stat().st_mode & 0o555 == 0o555
    assert subprocess.run([program, "-bi"], check=False).returncode == 0


# ---- replies and numbers of the door


def test_the_table_of_replies_is_the_catalogue() -> None:
    table = {
        row[0].strip("`"): set(re.findall(r"`([\w.]+)`", row[2])) for row in cells(section(read(REPLIES), "Replies"))
    }
    assert table.pop(ANY_ERROR)
    assert table == replies()


def test_the_limits_are_those_of_the_program() -> None:
    limits, guessing, smtp = Limits(), OfGuessing(), Smtp()
    table = {row[0].partition(",")[0].partition(" (")[0]: row[1] for row in cells(section(read(DOOR), "Limits"))}
    wanted = {
        "connections": smtp.max_connections,
        "connections of one address": smtp.max_connections_per_ip,
        "connections of one submitter": smtp.max_connections_per_submitter,
        "silence before the login": f"{smtp.greeting_timeout:.0f} s",
        "silence after it": f"{smtp.timeout:.0f} s",
        "TLS handshake": f"{smtp.handshake_timeout:.0f} s",
        "pace of DATA": f"{smtp.min_rate} bytes/s",
        "time of DATA in all": f"{smtp.data_timeout:.0f} s, and 1 s for each {PACE // 1024} KiB that came",
        "the same in all": f"{LOGIN_TIME:.0f} times that",
        "size of a message": f"{smtp.max_size:,} bytes",
        "recipients of a message": smtp.max_recipients,
        "bytes of all messages that are coming in": f"{smtp.max_unfinished // 1024**3} GiB",
        "messages": f"{smtp.max_backlog:,}, {smtp.max_backlog_bytes // 1024**3} GiB",
        "a command's line": f"{limits.line:,} bytes; AUTH {limits.sasl_line:,}",
        "a line without end": f"{limits.endless // 1024} KiB",
        "failed logins of a connection": limits.login_failures,
        "replies of 5xx since the last message": limits.errors,
        "replies of 4xx since the last message": f"{limits.deferrals:,}",
        "commands that hand in nothing": limits.idle_commands,
        "MIME": f"{mime.MAX_DEPTH} deep, {mime.MAX_PARTS:,} parts, boundary of {mime.MAX_BOUNDARY} bytes",
    }
    assert {name: table[name] for name in wanted} == {name: str(value) for name, value in wanted.items()}
    text = re.sub(r"\s+", " ", read(DOOR))
    for sentence in (
        f"after its first {SLOW_START:.0f} seconds",
        f"above {MEMORY // 1024} KiB into a file",
        f"more than {LONGEST_LINE} bytes is noted",
        f"{guessing.of_site} failures ban an address for {guessing.ban / 60:.0f} minutes",
        f"late: {guessing.least_delay:.0f} second, with each further one more, up to {guessing.most_delay:.0f}",
        f"within {guessing.known_for / 86400:.0f} days",
        f"{headers.MAX_BLOCK // 1024} KiB, {headers.MAX_FIELDS:,} fields, {headers.MAX_VALUE // 1024} KiB a value",
        f"a loop | {headers.MAX_HOPS} |",
    ):
        assert sentence in text
