"""Programs that we did not write use all that the door offers: TLS both ways, tokens, DSN, SMTPUTF8, large mails."""

import asyncio
import shutil
import smtplib
import ssl
from pathlib import Path

import pytest

from pillarbox.core.vault import Secret
from pillarbox.store.database import Row
from tests.clients.discard import Discard
from tests.clients.test_smtp_clients import MAIL, ca_file, needs_curl, needs_swaks, newest, run
from tests.conftest import House, MakeHouse

needs_msmtp = pytest.mark.skipif(shutil.which("msmtp") is None, reason="needs msmtp")

SENDER, RECIPIENT = "scanner@contoso.example", "alice@contoso.example"
BODY = b"page 1\r\n.\r\n.hidden\r\n"
LARGE = 35 * 1024 * 1024
MECHANISMS = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """With a second listener, `smtps`, on which TLS begins at once, and room for large mails."""
    settings = {"smtp.listeners.smtps.listen": "127.0.0.1:0", "smtp.listeners.smtps.tls": "implicit"}
    made = await make_house({**settings, "smtp.max_size": str(LARGE + 100_000)}, transport=Discard())
    await made.furnish(SENDER, "erp@contoso.example")
    # swaks takes no password that begins with a dash, and of ours one in 64 does.
    await made.gateway.submitters.add("device", {"mailboxes": [SENDER]}, Secret("a password"))
    made.passwords["token"] = (await made.gateway.submitters.add_token("device", "clients")).reveal()
    return made


def address(house: House, listener: str) -> tuple[str, int]:
    """Host and port of one listener."""
    host, _, port = house.gateway.listeners[listener].rpartition(":")
    return host, int(port)


def secret(house: House, mechanism: str) -> str:
    """The password, or the token of ours that mechanisms for tokens want."""
    return house.passwords["token"] if mechanism in ("XOAUTH2", "OAUTHBEARER") else "a password"


async def newest_row(house: House) -> Row:
    """The newest message, with what came beside it."""
    (listed,), _ = await house.gateway.outbox.page(1)
    row = await house.gateway.outbox.get(listed["id"])
    assert row is not None
    return row


def large_mail() -> bytes:
    """A mail of 35 MB whose parts all differ, so that none can be lost or swapped."""
    line = b"%08d " + b"x" * 60 + b"\r\n"
    return MAIL + b"".join(line % number for number in range((LARGE - len(MAIL)) // 71))


async def stored(house: House) -> bytes:
    """All bytes of the newest message, without the fields that Pillarbox added."""
    row = await newest_row(house)
    message, part = b"", 0
    while rows := await house.gateway.database.read("outbox_part", seq=row["seq"], part=part):
        data = rows[0]["data"]
        assert isinstance(data, bytes)
        message, part = message + data, part + 1
    return message[message.index(b"From: scanner") :]


# ---- smtplib


async def by_smtplib(house: House, mail: bytes, to: str = RECIPIENT, *, tls: str = "", **options: list[str]) -> None:
    """Send one mail; `tls` is `starttls`, `implicit` or empty."""
    trust = ssl.create_default_context(cafile=ca_file(house))

    def talk() -> None:
        if tls == "implicit":
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", address(house, "smtps")[1], timeout=30, context=trust)
        else:
            client = smtplib.SMTP(*house.smtp, timeout=30)
        with client:
            if tls == "starttls":
                client.starttls(context=trust)
            client.login("device", "a password")
            client.sendmail(SENDER, [to], mail, **options)

    await asyncio.to_thread(talk)


async def test_smtplib_over_implicit_tls(house: House) -> None:
    await by_smtplib(house, MAIL + BODY, tls="implicit")
    assert await newest(house) == MAIL + BODY


async def test_smtplib_asks_for_delivery_reports(house: House) -> None:
    notify = ["NOTIFY=SUCCESS,DELAY", f"ORCPT=rfc822;{RECIPIENT}"]
    await by_smtplib(house, MAIL, mail_options=["RET=HDRS", "ENVID=scan-17"], rcpt_options=notify)
    dsn = (await newest_row(house))["dsn"]
    assert (dsn.ret, dsn.envid) == ("HDRS", "scan-17")
    assert dsn.notify == {RECIPIENT: "SUCCESS,DELAY"}
    assert dsn.orcpt == {RECIPIENT: f"rfc822;{RECIPIENT}"}


async def test_smtplib_writes_to_an_address_in_utf_8(house: House) -> None:
    await by_smtplib(house, MAIL, to="jürgen@fabrikam.example", mail_options=["SMTPUTF8"])
    assert (await newest_row(house))["recipients"] == ["jürgen@fabrikam.example"]


@pytest.mark.parametrize("tls", ["", "starttls"])
async def test_smtplib_hands_in_35_mb(house: House, tls: str) -> None:
    mail = large_mail()
    await by_smtplib(house, mail, tls=tls)
    assert await stored(house) == mail


async def test_smtplib_is_told_that_a_mail_is_too_large_before_it_sends_it(house: House) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.3\.4") as refused:
        await by_smtplib(house, b"x" * (LARGE + 200_000))
    assert refused.value.smtp_code == 552


# ---- curl


async def curl(
    house: House, folder: Path, mail: bytes, *more: str, to: str = RECIPIENT, implicit: bool = False
) -> None:
    """One mail by curl; TLS is a must."""
    host, port = address(house, "smtps" if implicit else "smtp")
    file = folder / "mail.eml"
    await asyncio.to_thread(file.write_bytes, mail)
    await run(
        *("curl", "--silent", "--show-error", "--max-time", "40", "--ssl-reqd", "--cacert", str(ca_file(house))),
        *("--connect-to", f"localhost:{port}:{host}:{port}"),
        *(f"smtp{'s' if implicit else ''}://localhost:{port}/printer", "--mail-from", SENDER, "--mail-rcpt", to),
        *("-T", str(file), *more),
    )


def curl_login(house: House, folder: Path, mechanism: str) -> list[str]:
    """A login by a file, as an argument would be seen by everybody on the machine."""
    config = folder / "curlrc"
    name = "oauth2-bearer" if mechanism in ("XOAUTH2", "OAUTHBEARER") else ""
    lines = [f'{name} = "{secret(house, mechanism)}"', 'user = "device"'] if name else ['user = "device:a password"']
    config.write_text("\n".join(lines))
    return ["--config", str(config), "--login-options", f"AUTH={mechanism}"]


@needs_curl
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_curl_logs_in(house: House, tmp_path: Path, mechanism: str, implicit: bool) -> None:
    await curl(house, tmp_path, MAIL + BODY, *curl_login(house, tmp_path, mechanism), implicit=implicit)
    assert await newest(house) == MAIL + BODY


@needs_curl
async def test_curl_chooses_a_mechanism_itself(house: House, tmp_path: Path) -> None:
    await curl(house, tmp_path, MAIL + BODY, *curl_login(house, tmp_path, "PLAIN")[:2])
    assert await newest(house) == MAIL + BODY


@needs_curl
async def test_curl_hands_in_35_mb(house: House, tmp_path: Path) -> None:
    mail = large_mail()
    await curl(house, tmp_path, mail, *curl_login(house, tmp_path, "PLAIN"))
    assert await stored(house) == mail


@needs_curl
async def test_curl_writes_to_an_address_in_utf_8(house: House, tmp_path: Path) -> None:
    await curl(house, tmp_path, MAIL, *curl_login(house, tmp_path, "PLAIN"), to="jürgen@fabrikam.example")
    assert (await newest_row(house))["recipients"] == ["jürgen@fabrikam.example"]


# ---- swaks


@needs_swaks
@pytest.mark.parametrize(("listener", "option"), [("smtp", "--tls"), ("smtps", "--tls-on-connect")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_with_tls(house: House, listener: str, option: str, mechanism: str) -> None:
    host, port = address(house, listener)
    transcript = await run(
        *("swaks", "--server", host, "--port", str(port), "--ehlo", "printer", "--timeout", "20", option),
        *("--auth", mechanism, "--auth-user", "device", "--auth-password", "a password"),
        *("--from", SENDER, "--to", RECIPIENT, "--header", "Subject: scan", "--body", "page 1\n.\n..\npage 2\n"),
    )
    assert "250 2.0.0 queued as " in transcript
    assert b"\r\npage 1\r\n.\r\n..\r\npage 2\r\n" in await newest(house)


# ---- msmtp


async def msmtp(house: House, folder: Path, mail: bytes, mechanism: str, *more: str, implicit: bool = False) -> None:
    """One mail by msmtp, with a configuration as a server would have it."""
    host, port = address(house, "smtps" if implicit else "smtp")
    password, config = folder / "password", folder / "msmtprc"
    password.write_text(secret(house, mechanism))
    config.write_text(
        f"account default\nhost {host}\nport {port}\nfrom {SENDER}\nauth {mechanism.lower()}\nuser device\n"
        f"passwordeval cat {password}\ntls on\ntls_starttls {'off' if implicit else 'on'}\n"
        f"tls_trust_file {ca_file(house)}\ntls_host_override localhost\n"
    )
    config.chmod(0o600)
    command = ["msmtp", "--file", str(config), *more, RECIPIENT]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate(mail)
    assert process.returncode == 0, output.decode()


@needs_msmtp
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_msmtp_logs_in(house: House, tmp_path: Path, mechanism: str, implicit: bool) -> None:
    await msmtp(house, tmp_path, (MAIL + BODY).replace(b"\r\n", b"\n"), mechanism, implicit=implicit)
    assert await newest(house) == MAIL + BODY


@needs_msmtp
async def test_msmtp_asks_for_delivery_reports(house: House, tmp_path: Path) -> None:
    await msmtp(house, tmp_path, MAIL, "PLAIN", "--dsn-return=full", "--dsn-notify=failure,delay")
    dsn = (await newest_row(house))["dsn"]
    assert (dsn.ret, dsn.notify) == ("FULL", {RECIPIENT: "FAILURE,DELAY"})
