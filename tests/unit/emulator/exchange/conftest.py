"""An emulator with SMTP and IMAP, and a client that types lines as an administrator would."""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from pillarbox.emulator import App, Certificates, Emulator, SigningKey
from pillarbox.emulator.world import EXCHANGE
from tests.openapi.recorder import Recorder
from tests.unit.emulator.conftest import Client, Clock

ALICE, BOB = "alice@contoso.example", "bob@contoso.example"
MAIL = b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nMessage-ID: <1@x>\r\nDate: today\r\n\r\nHi\r\n"


def xoauth2(user: str, token: str) -> str:
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Line:
    """A connection on which lines are typed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> str:
        """The next line without its end; empty when the connection has ended."""
        try:
            return (await self.reader.readline()).decode().removesuffix("\r\n")
        except ConnectionError:
            return ""

    def write(self, data: str | bytes) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def reply(self) -> str:
        """A whole reply of SMTP; its lines with line feeds between them."""
        lines = [await self.read()]
        while lines[-1][3:4] == "-":
            lines.append(await self.read())
        return "\n".join(lines)

    async def say(self, line: str) -> str:
        """An SMTP command and its reply."""
        self.write(f"{line}\r\n")
        return await self.reply()

    async def ask(self, command: str, tag: str = "a1") -> list[str]:
        """An IMAP command and its answer, up to the tagged line."""
        self.write(f"{tag} {command}\r\n")
        return await self.answer(tag)

    async def answer(self, tag: str = "a1") -> list[str]:
        lines = [await self.read()]
        while lines[-1] and not lines[-1].startswith((f"{tag} ", "+ ")):
            lines.append(await self.read())
        return lines

    async def send(self, mail: bytes = MAIL, sender: str = ALICE, *recipients: str) -> str:
        """A mail by SMTP, and the reply to it."""
        assert await self.say(f"MAIL FROM:<{sender}>") == "250 2.1.0 Sender OK"
        for recipient in recipients or (BOB,):
            assert await self.say(f"RCPT TO:<{recipient}>") == "250 2.1.5 Recipient OK"
        assert await self.say("DATA") == "354 Start mail input; end with <CRLF>.<CRLF>"
        self.write(mail + b".\r\n")
        return await self.reply()


Open = Callable[[], Awaitable[Line]]


@pytest.fixture(autouse=True)
def _no_defect_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A command that breaks is answered politely, and logged: that is a defect."""
    yield
    assert [each.getMessage() for each in caplog.get_records("call") if each.levelno >= logging.ERROR] == []


@pytest.fixture
async def emulator(
    tmp_path: Path, certificates: Certificates, signing_key: SigningKey, clock: Clock, recorder: Recorder
) -> AsyncIterator[Emulator]:
    running = Emulator(
        tmp_path, certificates=certificates, signing_key=signing_key, clock=clock, witness=recorder, exchange=True
    )
    async with running:
        yield running
    recorder.heard_commands(running.ledger)


@pytest.fixture
def trust(emulator: Emulator) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(emulator.ca_file))


@pytest.fixture
async def plain(emulator: Emulator) -> AsyncIterator[Open]:
    """Opens connections to SMTP; the greeting is not read yet."""
    lines: list[Line] = []

    async def connect() -> Line:
        assert emulator.smtp
        lines.append(Line(*await asyncio.open_connection(*emulator.smtp)))
        return lines[-1]

    yield connect
    for line in lines:
        line.writer.transport.abort()


@pytest.fixture
async def smtp(plain: Open, trust: ssl.SSLContext) -> Open:
    """Opens connections to SMTP with TLS, greeted."""

    async def connect() -> Line:
        line = await plain()
        await line.reply()
        await line.say("EHLO client.example")
        assert await line.say("STARTTLS") == "220 2.0.0 SMTP server ready"
        await line.writer.start_tls(trust, server_hostname="localhost")
        await line.say("EHLO client.example")
        return line

    return connect


@pytest.fixture
async def imap(emulator: Emulator, trust: ssl.SSLContext) -> AsyncIterator[Open]:
    """Opens connections to IMAP; the greeting is read."""
    lines: list[Line] = []

    async def connect() -> Line:
        assert emulator.imap
        opened = await asyncio.open_connection(*emulator.imap, ssl=trust, server_hostname="localhost")
        lines.append(Line(*opened))
        assert (await lines[-1].read()).startswith("* OK The Microsoft Exchange IMAP4 service is ready. [")
        return lines[-1]

    yield connect
    for line in lines:
        line.writer.transport.abort()


@pytest.fixture
def smtp_token(client: Client) -> str:
    """What lets alice send."""
    return client.user_token("alice", "SMTP.Send", resource=EXCHANGE)


@pytest.fixture
def imap_token(client: Client) -> str:
    """What lets alice read."""
    return client.user_token("alice", "IMAP.AccessAsUser.All", resource=EXCHANGE)


@pytest.fixture
async def sender(smtp: Open, smtp_token: str) -> Line:
    """A connection on which alice is logged in."""
    line = await smtp()
    assert await line.say(f"AUTH XOAUTH2 {xoauth2(ALICE, smtp_token)}") == "235 2.7.0 Authentication successful"
    return line


@pytest.fixture
def app_token(client: Client) -> Callable[[App], str]:
    return lambda app: client.app_token(app, EXCHANGE)
