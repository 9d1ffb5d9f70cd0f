"""Programs that we did not write take the emulator for Exchange Online: smtplib, imaplib, curl, msmtp, swaks."""

import asyncio
import imaplib
import shutil
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pillarbox.emulator import Certificates, Emulator, SigningKey, seed
from pillarbox.emulator.seed import Seed
from pillarbox.emulator.world import EXCHANGE
from tests.clients.test_smtp_clients import run

USER = "alice@contoso.example"
MAIL = (
    b"From: alice@contoso.example\r\nTo: bob@contoso.example\r\nSubject: hi\r\nMessage-ID: <1@x>\r\nDate: now\r\n\r\n"
)
SCOPES = ("IMAP.AccessAsUser.All", "SMTP.Send")

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_msmtp = pytest.mark.skipif(shutil.which("msmtp") is None, reason="needs msmtp")
needs_swaks = pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks")


@dataclass
class Office:
    """A running emulator with Exchange, and a token with which alice reads and sends."""

    emulator: Emulator
    planted: Seed

    @property
    def token(self) -> str:
        tenant, principal = self.planted.tenant, self.planted.desktop.principal
        assert principal
        now, audience = self.emulator.clock(), EXCHANGE.identifiers[0]
        user = self.planted.user("alice")
        return self.emulator.tokens.user_token(tenant, principal, user, SCOPES, audience, now, "none")

    @property
    def smtp(self) -> tuple[str, int]:
        assert self.emulator.smtp
        return self.emulator.smtp

    @property
    def imap(self) -> tuple[str, int]:
        assert self.emulator.imap
        return self.emulator.imap

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.emulator.ca_file))

    @property
    def sent(self) -> bytes:
        """The only mail that was accepted."""
        (entry,) = self.emulator.ledger.entries
        assert (entry.mailbox, entry.recipients, entry.protocol) == (USER, ["bob@contoso.example"], "smtp")
        assert entry.raw is not None
        return entry.raw


MakeOffice = Callable[..., Awaitable[Office]]


@pytest.fixture
async def make_office(tmp_path: Path, certificates: Certificates, signing_key: SigningKey) -> AsyncIterator[MakeOffice]:
    made: list[Emulator] = []

    async def make(token_padding: int = 0) -> Office:
        emulator = Emulator(
            tmp_path / "emulator",
            certificates=certificates,
            signing_key=signing_key,
            token_padding=token_padding,
            exchange=True,
        )
        await emulator.start()
        made.append(emulator)
        return Office(emulator, seed(emulator.world))

    yield make
    for emulator in made:
        await emulator.stop()


@pytest.fixture
async def office(make_office: MakeOffice) -> Office:
    return await make_office()


def xoauth2(user: str, token: str) -> str:
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


# ---- smtplib and imaplib


async def send_by_smtplib(
    office: Office, *, initial: bool, user: str = USER, mail: bytes = MAIL + b"page 1\r\n"
) -> None:
    def answer(challenge: bytes | None = None) -> str | None:
        return None if challenge is None and not initial else xoauth2(user, office.token)

    def talk() -> None:
        with smtplib.SMTP(*office.smtp, timeout=20) as client:
            client.starttls(context=office.trust)
            client.ehlo()
            assert client.has_extn("smtputf8")
            client.auth("XOAUTH2", answer, initial_response_ok=initial)  # type: ignore[arg-type]
            client.sendmail(user, ["bob@contoso.example"], mail)

    await asyncio.to_thread(talk)


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize(("padding", "least"), [(0, 1500), (6000, 9000)])
async def test_smtplib_with_tokens_of_all_lengths(
    make_office: MakeOffice, initial: bool, padding: int, least: int
) -> None:
    office = await make_office(padding)
    assert len(office.token) >= least
    await send_by_smtplib(office, initial=initial)
    assert office.sent == MAIL + b"page 1\r\n"


async def test_smtplib_sends_bare_lf(office: Office) -> None:
    await send_by_smtplib(office, initial=True, mail=(MAIL + b"page 1\r\n").replace(b"\r\n", b"\n"))
    assert office.sent == MAIL + b"page 1\r\n\r\n"


async def test_smtplib_sees_what_is_wrong(office: Office) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.3 Authentication unsuccessful"):
        await send_by_smtplib(office, initial=True, user="bob@contoso.example")

    def by_password() -> None:
        with smtplib.SMTP(*office.smtp, timeout=20) as client:
            client.starttls(context=office.trust)
            client.login(USER, office.planted.passwords[USER])

    with pytest.raises(smtplib.SMTPAuthenticationError, match="basic authentication is disabled"):
        await asyncio.to_thread(by_password)


async def test_imaplib_selects_the_inbox(office: Office) -> None:
    office.emulator.world.mailbox(USER).add("inbox", MAIL, "<1@x>", office.emulator.clock())

    def talk() -> None:
        with imaplib.IMAP4_SSL(*office.imap, ssl_context=office.trust, timeout=20) as client:
            client.authenticate("XOAUTH2", lambda _: xoauth2(USER, office.token).encode())
            assert client.select("INBOX") == ("OK", [b"1"])
            assert client.select("Nowhere")[0] == "NO"

    await asyncio.to_thread(talk)


async def test_imaplib_sees_a_mailbox_that_it_cannot_reach(office: Office) -> None:
    office.emulator.world.mailbox(USER).imap = False

    def talk() -> None:
        client = imaplib.IMAP4_SSL(*office.imap, ssl_context=office.trust, timeout=20)
        try:
            client.authenticate("XOAUTH2", lambda _: xoauth2(USER, office.token).encode())
            client.select("INBOX")
        finally:
            client.shutdown()

    with pytest.raises(imaplib.IMAP4.error, match="User is authenticated but not connected"):
        await asyncio.to_thread(talk)


# ---- curl


async def curl(office: Office, url: str, *more: str) -> str:
    return await run(
        *("curl", "--silent", "--show-error", "--max-time", "20", "--verbose", "--ssl-reqd"),
        *("--cacert", str(office.emulator.ca_file), "--user", f"{USER}:", "--oauth2-bearer", office.token, url, *more),
    )


@needs_curl
async def test_curl_sends(office: Office, tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(MAIL + b".page 1\r\n")
    more = ("--mail-from", USER, "--mail-rcpt", "bob@contoso.example", "--upload-file", str(tmp_path / "mail.eml"))
    transcript = await curl(office, f"smtp://localhost:{office.smtp[1]}/client.example", *more)
    assert "AUTH XOAUTH2" in transcript
    assert office.sent == MAIL + b".page 1\r\n"


@needs_curl
async def test_curl_examines_a_folder(office: Office) -> None:
    transcript = await curl(office, f"imaps://localhost:{office.imap[1]}/", "--request", 'EXAMINE "Sent Items"')
    assert "OK [READ-ONLY] EXAMINE completed." in transcript


# ---- msmtp


@needs_msmtp
async def test_msmtp_sends(office: Office, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(office.token)
    (tmp_path / "mail.eml").write_bytes(MAIL + b"page 1\r\n")
    lines = {
        "account": "default",
        "host": "localhost",
        "port": office.smtp[1],
        "tls": "on",
        "tls_trust_file": office.emulator.ca_file,
        "auth": "xoauth2",
        "user": USER,
        "passwordeval": f"cat {tmp_path}/token",
        "from": USER,
        "timeout": 20,
    }
    (tmp_path / "msmtprc").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    (tmp_path / "msmtprc").chmod(0o600)
    await run("sh", "-c", f"msmtp -C {tmp_path}/msmtprc bob@contoso.example < {tmp_path}/mail.eml")
    assert b"Subject: hi" in office.sent


# ---- swaks, which does not know XOAUTH2


@needs_swaks
async def test_swaks_is_told_that_passwords_are_over(office: Office) -> None:
    host, port = office.smtp
    command = ("swaks", "--server", host, "--port", str(port), "--tls", "--ehlo", "client.example", "--timeout", "20")
    login = ("--auth", "LOGIN", "--auth-user", USER, "--auth-password", "x")
    with pytest.raises(AssertionError, match=r"535 5\.7\.139 Authentication unsuccessful, basic authentication"):
        await run(*command, *login, "--from", USER, "--to", "bob@contoso.example")
    with pytest.raises(AssertionError, match=r"530 5\.7\.57 Client not authenticated to send mail"):
        await run(*command, "--from", USER, "--to", "bob@contoso.example")
