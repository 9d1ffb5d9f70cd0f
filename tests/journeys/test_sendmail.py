"""Programs that call sendmail send through a running service, set up as docs/how-to/cron.md and php.md say."""

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.conftest import Microsoft
from tests.service import Service, furnish, pillarbox, serve
from tests.unit.sendmail.program import Program

OPS = "scanner@contoso.example"
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
ON_DUTY = "on-duty"
"""A user of this machine, of whom /etc/aliases says nothing."""

needs_php = pytest.mark.skipif(shutil.which("php") is None, reason="needs php")
needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not Path("/usr/lib/git-core/git-send-email").exists(), reason="needs git send-email"
)
needs_bsd_mailx = pytest.mark.skipif(shutil.which("bsd-mailx") is None, reason="needs bsd-mailx")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
needs_s_nail = pytest.mark.skipif(shutil.which("s-nail") is None, reason="needs s-nail")


@dataclass
class Machine:
    """A machine with a service, on which root's programs send as OPS."""

    program: Program
    microsoft: Microsoft
    settings: dict[str, str]
    service: Service

    async def shell(self, command: str, code: int = 0, environ: Mapping[str, str] = NOTHING) -> str:
        """Run a command in which $SENDMAIL is the program; its output and errors."""
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self.program.folder,
            env={**self.program.environ, "SENDMAIL": str(self.program.path()), **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == code, output.decode()
        return output.decode()

    async def sent(self, number: int = 1) -> list[bytes]:
        """What Microsoft was given, once it is so many messages; all from OPS's mailbox."""
        await self.service.logged(lambda lines: sum("event=mail.final" in line for line in lines) >= number)
        entries = self.microsoft.emulator.ledger.entries
        assert {entry.mailbox for entry in entries} == {OPS}
        assert len(entries) == number
        return [entry.raw or b"" for entry in entries]

    async def change(self, *options: str) -> tuple[int, str, str]:
        """`pillarbox submitter change cron`."""
        return await pillarbox("submitter", "change", "cron", *options, "--socket", self.service.ready["socket"])

    async def restart(self, *under: str) -> None:
        """Start the service again, perhaps under another program."""
        self.service = await serve(self.program.folder, self.settings, under=under)


@pytest.fixture
async def machine(microsoft: Microsoft, tmp_path: Path) -> AsyncIterator[Machine]:
    program = Program(tmp_path, "run/sendmail/socket", "spool/maildrop")
    settings = microsoft.settings | {
        "sendmail.socket": str(program.socket),
        "sendmail.folder": str(program.maildrop),
    }
    service = await serve(tmp_path, settings)
    app, tenant = microsoft.seed.gateway.client_id, microsoft.seed.tenant.id
    await asyncio.to_thread(furnish, service, tenant, app, microsoft.seed.secrets[app], OPS)
    rule = ("--mailbox", OPS, "--user", str(os.geteuid()), "--force-from", "--no-password")
    code, output, errors = await pillarbox("submitter", "add", "cron", *rule, "--socket", service.ready["socket"])
    assert code == 0, output + errors
    made = Machine(program, microsoft, settings, service)
    yield made
    await made.service.end(signal.SIGTERM)


# ---- programs


async def test_cron_sends_its_report(machine: Machine) -> None:
    report = f"From: root (Cron Daemon)\\nTo: {ON_DUTY}\\nSubject: Cron <root@host> backup\\n\\ndisk full\\n"
    await machine.shell(f"printf '{report}' | $SENDMAIL -FCronDaemon -i -B8BITMIME -oem {ON_DUTY}")
    (mail,) = await machine.sent()
    assert f"From: {OPS}".encode() in mail or f"<{OPS}>".encode() in mail
    assert b"Subject: Cron <root@host> backup\r\n" in mail
    assert mail.endswith(b"\r\n\r\ndisk full\r\n")
    (entry,) = machine.microsoft.emulator.ledger.entries
    assert entry.recipients == [OPS]


async def test_a_script_sends_without_a_header(machine: Machine) -> None:
    await machine.shell(f"echo on fire | $SENDMAIL -i {ON_DUTY}")
    (mail,) = await machine.sent()
    assert mail.endswith(b"\r\n\r\non fire\r\n")


async def test_mdadm_sends_its_alarm(machine: Machine) -> None:
    # As Monitor.c of mdadm writes it.
    alarm = f"From: mdadm monitoring <root>\\nTo: {ON_DUTY}\\nSubject: Fail event on /dev/md0:host\\n\\nThis is\\n"
    await machine.shell(f"printf '{alarm}' | $SENDMAIL -t")
    (mail,) = await machine.sent()
    assert b"Subject: Fail event on /dev/md0:host\r\n" in mail


@needs_php
async def test_php_mail_sends(machine: Machine) -> None:
    call = (
        r"""exit(mail("alice@contoso.example", "Grüße", "line 1\n.\nline 3", """
        r"""["From" => "Shop <shop@contoso.example>", "Bcc" => "bob@contoso.example"]) ? 0 : 1);"""
    )
    script = machine.program.folder / "mail.php"
    script.write_text(f"<?php {call}")
    await machine.shell(f'php -d sendmail_path="$SENDMAIL -t -i" {script}')
    (mail,) = await machine.sent()
    (entry,) = machine.microsoft.emulator.ledger.entries
    assert sorted(entry.recipients) == ["alice@contoso.example", "bob@contoso.example"]
    assert b"\r\nline 1\r\n.\r\nline 3\r\n" in mail
    assert b"Reply-To: Shop <shop@contoso.example>" in mail


@needs_git
async def test_git_send_email_sends_its_patches(machine: Machine) -> None:
    who = {
        "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@contoso.example",
        "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@contoso.example",
    }  # fmt: skip
    make = "git init -q . && git add mail && git commit -q -m"
    await machine.shell(f"mkdir repo && cd repo && echo 1 > mail && {make} first && echo 2 > mail", environ=who)
    await machine.shell("cd repo && git commit -q -a -m second && git format-patch -q -2 --root", environ=who)
    send = "git send-email --quiet --confirm=never --smtp-server=$SENDMAIL --from=alice@contoso.example"
    await machine.shell(f"cd repo && {send} --to=bob@contoso.example 000*.patch", environ=who)
    mails = await machine.sent(2)
    assert sorted(b"Subject: [PATCH 2/2] second" in mail for mail in mails) == [False, True]


@needs_s_nail
async def test_s_nail_sends_an_attachment(machine: Machine) -> None:
    (machine.program.folder / "log.txt").write_text("nothing to see\n")
    write = "s-nail -:/ -S v15-compat -S mta=file://$SENDMAIL -s report -a log.txt"
    await machine.shell(f"echo see there | {write} alice@contoso.example")
    (mail,) = await machine.sent()
    assert b"Subject: report\r\n" in mail
    assert b"log.txt" in mail


@needs_bsd_mailx
async def test_bsd_mailx_sends_what_smartd_reports(machine: Machine) -> None:
    # smartd calls `mail` (smartd_warning.sh).
    (machine.program.folder / ".mailrc").write_text(f"set sendmail={machine.program.path()}\n")
    await machine.shell(f"echo disk fails | bsd-mailx -s 'SMART error' {ON_DUTY}")
    (mail,) = await machine.sent()
    assert b"Subject: SMART error\r\n" in mail


# ---- who may


async def test_without_a_rule_for_the_user_there_is_no_mail(machine: Machine) -> None:
    code, _, errors = await pillarbox("submitter", "remove", "cron", "--socket", machine.service.ready["socket"])
    assert code == 0, errors
    output = await machine.shell(f"echo x | $SENDMAIL -i {ON_DUTY}", code=os.EX_NOPERM)
    assert output.startswith("pillarbox-sendmail: 5")
    assert output.count("\n") == 1
    output = await machine.shell("printf 'EHLO x\r\n' | $SENDMAIL -bs", code=os.EX_NOPERM)
    assert output.startswith("554 5.7.1 ")


async def test_a_from_without_a_domain_is_refused_unless_it_is_forced(machine: Machine) -> None:
    code, _, errors = await machine.change("--no-force-from")
    assert code == 0, errors
    report = f"From: root (Cron Daemon)\\nTo: {ON_DUTY}\\nSubject: x\\n\\ny\\n"
    output = await machine.shell(f"printf '{report}' | $SENDMAIL -i {ON_DUTY}", code=os.EX_NOPERM)
    assert output.startswith("pillarbox-sendmail: 550 5.7.1 ")


async def test_mail_of_a_submitter_that_is_disabled_for_a_moment_is_not_lost(machine: Machine) -> None:
    await machine.change("--disable")
    output = await machine.shell(f"echo x | $SENDMAIL -i {ON_DUTY}", code=os.EX_NOPERM)
    assert output.startswith("pillarbox-sendmail: 525 5.7.13 ")
    await machine.service.end(signal.SIGKILL)
    await machine.shell(f"echo x | $SENDMAIL -i {ON_DUTY}")
    await machine.restart()
    await machine.service.logged(lambda lines: any("event=maildrop.waiting" in line for line in lines))
    await machine.change("--enable")
    await machine.sent(1)


# ---- while the service is down


async def test_what_is_sent_while_the_service_is_down_leaves_when_it_is_back(machine: Machine) -> None:
    assert stat.S_IMODE(machine.program.maildrop.stat().st_mode) == 0o1733
    await machine.service.end(signal.SIGKILL)
    for number in range(3):
        await machine.shell(f"echo mail {number} | $SENDMAIL -i {ON_DUTY} bob@contoso.example")
    assert len(list(machine.program.maildrop.iterdir())) == 4  # and `refused`
    await machine.restart()
    mails = await machine.sent(3)
    assert sorted(mail.splitlines()[-1] for mail in mails) == [b"mail 0", b"mail 1", b"mail 2"]
    assert [entry.name for entry in machine.program.maildrop.iterdir()] == ["refused"]


@needs_strace
async def test_a_crash_before_the_file_is_deleted_sends_it_once(machine: Machine) -> None:
    await machine.service.end(signal.SIGKILL)
    # The kernel deletes nothing in the folder, and ends who wants it to.
    trace = ("-e", "trace=unlinkat", "-P", str(machine.program.maildrop), "-o", str(machine.program.folder / "trace"))
    await machine.restart("strace", "-f", *trace, "-e", "inject=unlinkat:error=EIO:signal=KILL")
    nowhere = {"PILLARBOX_SENDMAIL__SOCKET": str(machine.program.folder / "nowhere")}
    await machine.shell(f"echo x | $SENDMAIL -i {ON_DUTY}", environ=nowhere)
    assert await machine.service.process.wait() == -signal.SIGKILL
    (left,) = [entry for entry in machine.program.maildrop.iterdir() if entry.name != "refused"]
    await machine.restart()
    await machine.service.logged(lambda lines: any("event=mail.handed_in_again" in line for line in lines))
    code, rows, errors = await pillarbox("outbox", "list", "--socket", machine.service.ready["socket"])
    assert (code, rows.count("\n")) == (0, 1), rows + errors
    assert not left.exists()
