"""The story that `make demo` tells: a legacy application's mail leaves through Microsoft Graph, without a tenant.

The emulator plays Microsoft, the gateway runs as `pillarbox serve` does, and it is set up by the commands that a person
types. The legacy application is the standard library's smtplib. What arrived is compared with what was sent.
"""

import asyncio
import io
import json
import os
import re
import secrets
import shutil
import smtplib
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

from pillarbox.core import settings
from pillarbox.core.caller import Role
from pillarbox.core.vault import Secret
from pillarbox.emulator import Emulator, seed
from pillarbox.emulator.seed import Seed
from pillarbox.gateway import Gateway

SENDER: Final = "scanner@contoso.example"
_PERSON: Final = "demo"
_PATIENCE: Final = 30.0
_PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f00050001ff"
    "89993d1d0000000049454e44ae426082"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Mail:
    """What the legacy application sends: an envelope and bytes."""

    title: str
    recipients: tuple[str, ...]
    mime: bytes


@dataclass(slots=True)
class Told:
    """What came of one mail."""

    title: str
    queue_id: str
    reply: str
    state: str
    request_id: str
    milliseconds: float
    arrived_at: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Sent, and unchanged at every recipient."""
        return self.state == "sent" and bool(self.arrived_at) and not self.differences


async def run(say: Say, *, once: bool, as_json: bool, stop: asyncio.Event) -> int:
    """Tell the story; return 0 if every mail arrived unchanged. Unless `once`, stay up until `stop` is set."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pillarbox-demo-", dir=_place()) as name:
        folder = Path(name)
        async with Emulator(folder / "emulator") as emulator:
            stage = Stage(folder, emulator, seed(emulator.world), _silence if as_json else say)
            await stage.open()
            try:
                results = [await stage.play(mail) for mail in mails()]
                good = all(result.good for result in results)
                stage.tell_end(good, time.perf_counter() - began)
                if as_json:
                    say(json.dumps(stage.as_json(results, good), ensure_ascii=False))
                if not once:
                    stage.tell_where_next(await stage.open_console())
                    await stop.wait()
            finally:
                await stage.close()
    return 0 if good else 1


def _silence(_line: str) -> None:
    """With --json nothing is told but the document."""


def _place() -> str | None:
    # The path of a Unix socket has room for 107 bytes.
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > 60 else None  # noqa: S108


class Stage:
    """Emulator, gateway and legacy application on loopback, in a throw-away folder."""

    def __init__(self, folder: Path, emulator: Emulator, planted: Seed, say: Say) -> None:
        self._folder = folder
        self._emulator = emulator
        self._planted = planted
        self._say = say
        self._log = io.StringIO()
        self._password = ""
        self._gateway = Gateway(self._settings(), os.environ, log_file=self._log)

    def _settings(self) -> settings.Settings:
        flags = {
            "state_dir": str(self._folder / "state"),
            "socket": str(self._folder / "run" / "api.sock"),
            "smtp.listen": "127.0.0.1:0",
            "smtp.hostname": "localhost",
            "http.listen": "127.0.0.1:0",
            "microsoft.cloud": "custom",
            "microsoft.authority_url": self._emulator.url,
            "microsoft.graph_url": self._emulator.url,
            "microsoft.ca_file": str(self._emulator.ca_file),
        }
        return settings.load(None, {}, flags)

    async def open(self) -> None:
        """Start the gateway and set it up as a person does, by the commands shown."""
        self._say("Pillarbox demo: nothing here leaves this machine, and the folder is thrown away at the end.\n")
        self._say(f"  Microsoft (emulated)  {self._emulator.url}  tenant contoso.example")
        await self._gateway.open()
        await self._gateway.start()
        self._say(f"  gateway               smtp://{self._gateway.smtp_address}  (STARTTLS, AUTH)\n")
        self._say("An administrator sets it up, with the three values of an app registration:\n")
        app = self._planted.gateway
        tenant = self._planted.tenant.id
        secret_file = self._folder / "client-secret"
        _write_private(secret_file, self._planted.secrets[app.client_id])
        secret = {"PILLARBOX_CLIENT_SECRET_FILE": str(secret_file)}
        await self._command("app", "add", "contoso", "--tenant-id", tenant, "--client-id", app.client_id, more=secret)
        await self._command("mailbox", "add", SENDER, "--app", "contoso")
        made = await self._command("submitter", "add", "old-scanner", "--mailbox", SENDER)
        self._password = made["password"]
        self._say("")

    async def close(self) -> None:
        """Stop the gateway, finishing what is in flight."""
        await self._gateway.stop()

    async def _command(self, *arguments: str, more: Mapping[str, str] | None = None) -> Any:
        self._say(f"  $ pillarbox {' '.join(arguments)}")
        # What this machine has set for another installation of ours is not meant for the demo's.
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PILLARBOX_")}
        environ = {**outside, "PILLARBOX_SOCKET": str(self._gateway.settings.socket), **(more or {})}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pillarbox", *arguments, "--json", env=environ, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"pillarbox {arguments[0]} {arguments[1]} ended with {process.returncode}")
        return json.loads(output)

    async def play(self, mail: Mail) -> Told:
        """The legacy application sends a mail; wait until it arrived, and compare."""
        began = time.perf_counter()
        reply = await asyncio.to_thread(self._submit, mail)
        queue_id = reply.rpartition(" ")[2]
        row = await self._settled(queue_id)
        milliseconds = round((time.perf_counter() - began) * 1000, 1)
        told = Told(mail.title, queue_id, reply, row["state"], row["request_id"], milliseconds)
        for recipient in mail.recipients:
            self._compare(mail, recipient, row["message_id"], told)
        self._tell(told, row)
        return told

    def _submit(self, mail: Mail) -> str:
        """As a program that knows only SMTP does it; the reply to its DATA."""
        host, _, port = self._gateway.smtp_address.rpartition(":")
        context = ssl.create_default_context(cafile=str(self._certificate))
        with smtplib.SMTP(host, int(port), local_hostname="old-scanner.contoso.example") as client:
            client.starttls(context=context)
            client.login("old-scanner", self._password)
            client.mail(SENDER)
            for recipient in mail.recipients:
                client.rcpt(recipient)
            code, text = client.data(mail.mime)
        return f"{code} {text.decode('ascii')}"

    @property
    def _certificate(self) -> Path:
        return self._gateway.settings.state_dir / "tls-cert.pem"

    async def _settled(self, queue_id: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            row = await self._gateway.outbox.get(queue_id)
            assert row is not None, f"{queue_id} was acknowledged and is not in the outbox"
            if row["state"] in ("queued", "sending") and time.monotonic() < deadline:
                await asyncio.sleep(0.005)
                continue
            return row

    def _compare(self, mail: Mail, recipient: str, message_id: str, told: Told) -> None:
        user = self._planted.tenant.user_by_address(recipient)
        mailbox = user.open_mailbox if user else None
        found = list(mailbox.messages(time.time(), mailbox.folder("inbox"), message_id)) if mailbox else []
        if len(found) != 1:
            told.differences.append(f"{recipient} has it {len(found)} times")
            return
        told.arrived_at.append(recipient)
        told.differences += [f"{recipient}: {line}" for line in differences(mail.mime, found[0].mime)]

    # ---- what is printed

    def _tell(self, told: Told, row: Mapping[str, Any]) -> None:
        compared = "; ".join(told.differences) or "byte for byte what was sent (headers: docs/explanation/bytes.md)"
        self._say(f"{told.title}")
        self._say(f"  SMTP reply   {told.reply}")
        self._say(f"  queue id     {told.queue_id}")
        self._say(f"  state        {told.state}  after {told.milliseconds:.0f} ms  {row['reason']}".rstrip())
        self._say(f"  Microsoft    request-id {told.request_id}")
        self._say(f"  arrived at   {', '.join(told.arrived_at) or 'nobody'}: {compared}\n")

    def tell_end(self, good: bool, seconds: float) -> None:
        """The verdict; with the log where something went wrong."""
        if good:
            self._say(f"All three mails arrived, each once and unchanged. {seconds:.1f} s from start to end.")
        else:
            self._say("Something is wrong. The gateway's log:\n" + self._log.getvalue())

    def tell_where_next(self, console: str) -> None:
        """A link to the console, addresses, and lines to try by hand."""
        netrc, letter = self._folder / "netrc", self._folder / "letter.eml"
        port = self._gateway.smtp_address.rpartition(":")[2]
        _write_private(netrc, f"machine localhost login old-scanner password {self._password}\n")
        letter.write_bytes(mails()[0].mime)
        sock = self._gateway.settings.socket
        command = (
            "pillarbox" if shutil.which("pillarbox") else os.path.relpath(Path(sys.executable).parent / "pillarbox")
        )
        self._say(
            f"""
Look further (Ctrl-C ends it and removes {self._folder}):

  the console, with the three mails in its outbox (works once, for a quarter of an hour):
    {console}
  another such link:
    {command} person sign-in-link {_PERSON} --socket {sock}
  send one by hand:
    curl --ssl-reqd --cacert {self._certificate} --netrc-file {netrc} \\
      --mail-from {SENDER} --mail-rcpt alice@contoso.example -T {letter} smtp://localhost:{port}
  where the messages are:
    {command} outbox list --socket {sock}
  one message and every attempt:
    {command} outbox show QUEUE_ID --socket {sock}
  what Microsoft saw:
    curl --cacert {self._emulator.ca_file} {self._emulator.url}/_emulator/ledger

  the same with a real tenant: docs/how-to/first-real-mail.md"""
        )

    async def open_console(self) -> str:
        """A link that opens the console, signed in: the person has a password that nobody knows."""
        household = self._gateway.household
        person, _ = await household.people.add(_PERSON, [Role.ADMIN, Role.AUDITOR], Secret(secrets.token_urlsafe(32)))
        return household.sign_in_links.make(person).url.reveal()

    def as_json(self, results: list[Told], good: bool) -> dict[str, Any]:
        """Everything as one document."""
        return {
            "ok": good,
            "smtp": self._gateway.smtp_address,
            "microsoft": self._emulator.url,
            "mails": [
                {
                    "title": told.title,
                    "queue_id": told.queue_id,
                    "reply": told.reply,
                    "state": told.state,
                    "request_id": told.request_id,
                    "milliseconds": told.milliseconds,
                    "arrived_at": told.arrived_at,
                    "differences": told.differences,
                }
                for told in results
            ],
        }


# ---- the mails


def mails() -> list[Mail]:
    """The three mails of the story."""
    return [_plain(), _html(), _international()]


def _plain() -> Mail:
    # As an old device writes it: its own Date, no Message-ID, a line that begins with a dot.
    text = (
        f"From: Scanner <{SENDER}>\r\nTo: alice@contoso.example\r\nSubject: Scan from the second floor\r\n"
        "Date: Fri, 20 Nov 2026 08:00:00 +0000\r\n\r\nOne page was scanned.\r\n.hidden file\r\n"
    )
    return Mail("1  plain text", ("alice@contoso.example",), text.encode("ascii"))


def _html() -> Mail:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"ERP <{SENDER}>"
    message["To"] = "Alice <alice@contoso.example>"
    message["Cc"] = '"Bob, Accounts" <bob@contoso.example>'
    message["Bcc"] = "carol@contoso.example"
    message["Subject"] = "Invoice 4711"
    message["Date"] = "Fri, 20 Nov 2026 08:00:01 +0000"
    message["Message-ID"] = "<invoice-4711@erp.contoso.example>"
    message.set_content("Your invoice is attached.")
    message.add_alternative('<p>Your invoice is attached. <img src="cid:logo@erp"></p>', subtype="html")
    page = message.get_body(("html",))
    assert isinstance(page, EmailMessage)
    page.add_related(_PIXEL, "image", "png", cid="<logo@erp>")
    message.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="pdf", filename="invoice.pdf")
    everybody = ("alice@contoso.example", "bob@contoso.example", "carol@contoso.example")
    return Mail("2  HTML, inline image, attachment and a Bcc", everybody, message.as_bytes())


def _international() -> Mail:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"掃描器 <{SENDER}>"
    message["To"] = "Аліса <alice@contoso.example>, 鮑勃 <bob@contoso.example>"
    message["Subject"] = "季度報告 — Квартальний звіт"
    message["Date"] = "Fri, 20 Nov 2026 08:00:02 +0000"
    message["Message-ID"] = "<quarter-3@erp.contoso.example>"
    message.set_content("報告已附上。\nЗвіт додано.\n")
    return Mail("3  中文 і українська", ("alice@contoso.example", "bob@contoso.example"), message.as_bytes())


# ---- the comparison


_ADDED: Final = {b"x-pillarbox-id"}
_ADDED_IF_MISSING: Final = {b"message-id", b"date", b"from"}
_REMOVED: Final = {b"bcc"}


def differences(sent: bytes, arrived: bytes) -> list[str]:
    """What differs between two messages beyond the headers that docs/explanation/bytes.md names."""
    sent_fields, sent_body = _split(sent)
    arrived_fields, arrived_body = _split(arrived)
    present = {name for name, _ in sent_fields}
    expected = [line for name, line in sent_fields if name not in _REMOVED]
    may_be_new = _ADDED | (_ADDED_IF_MISSING - present)
    found = [line for name, line in arrived_fields if name not in may_be_new]
    report = [] if found == expected else [f"headers differ: {set(found) ^ set(expected) or 'order'}"]
    return report if arrived_body == sent_body else [*report, "the body differs"]


def _split(mime: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    head, _, body = mime.partition(b"\r\n\r\n")
    lines = re.split(rb"\r\n(?![ \t])", head)
    return [(line.partition(b":")[0].strip().lower(), line) for line in lines], body


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
