"""Programs that we did not write hand in mail: smtplib, curl, swaks."""

import asyncio
import shutil
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from pillarbox.core.vault import Secret
from tests.conftest import House

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: scan\r\n\r\n"

Send = Callable[[smtplib.SMTP, bytes], object]

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_swaks = pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks")


def ca_file(house: House) -> Path:
    return house.gateway.settings.state_dir / "tls-cert.pem"


async def newest(house: House) -> bytes:
    """The newest message, without the fields that Pillarbox added."""
    row = (await house.gateway.outbox.page(1))[0][0]
    assert row["recipients"] == ["alice@contoso.example"]
    (part,) = await house.gateway.database.read("outbox_part", seq=row["seq"], part=0)
    message = part["data"]
    assert isinstance(message, bytes)
    return message[message.index(b"From: scanner") :]


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


# ---- smtplib


async def send(house: House, mail: bytes, *, tls: bool = False) -> None:
    def talk() -> None:
        with smtplib.SMTP(*house.smtp, timeout=10) as client:
            if tls:
                client.starttls(context=ssl.create_default_context(cafile=ca_file(house)))
            client.login("printer", house.passwords["printer"])
            client.sendmail("scanner@contoso.example", ["alice@contoso.example"], mail)

    await asyncio.to_thread(talk)


BODIES = [
    b"page 1\r\npage 2\r\n",
    b".\r\n..\r\n.hidden\r\n...\r\n",
    b".",
    b"no end of line",
    "中文 ü\r\n".encode(),
    b"x" * 5000 + b"\r\n",
    b"\r\n\r\n",
]


async def test_smtplib_bodies_arrive_as_they_were(house: House) -> None:
    for body in BODIES:
        await send(house, MAIL + body)
        assert await newest(house) == MAIL + body.removesuffix(b"\r\n") + b"\r\n"


async def test_smtplib_sends_bytes_with_bare_lf_as_they_are(house: House) -> None:
    # smtplib ends what does not end in CRLF by another one.
    await send(house, (MAIL + b"page 1\r\n.\r\n.hidden\r\n").replace(b"\r\n", b"\n"))
    assert await newest(house) == MAIL + b"page 1\r\n.\r\n.hidden\r\n\r\n"


async def test_smtplib_starttls_checks_our_certificate(house: House) -> None:
    await send(house, MAIL + b"page 1\r\n", tls=True)
    assert await newest(house) == MAIL + b"page 1\r\n"


async def test_smtplib_sees_a_wrong_password(house: House) -> None:
    house.passwords["printer"] = "wrong"
    with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8 User name or password is wrong"):
        await send(house, MAIL)


# ---- curl


async def curl(house: House, folder: Path, mail: bytes, *more: str) -> None:
    netrc, file = folder / "netrc", folder / "mail.eml"
    netrc.write_text(f"machine localhost login printer password {house.passwords['printer']}\n")
    file.write_bytes(mail)
    host, port = house.smtp
    await run(
        *("curl", "--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--cacert", str(ca_file(house))),
        *(
            "--netrc-file",
            str(netrc),
            "--connect-to",
            f"localhost:{port}:{host}:{port}",
            f"smtp://localhost:{port}/printer",
        ),
        *("--mail-from", "scanner@contoso.example", "--mail-rcpt", "alice@contoso.example", "-T", str(file), *more),
    )


@needs_curl
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_curl(house: House, tmp_path: Path, mechanism: str) -> None:
    await curl(house, tmp_path, MAIL + b"page 1\r\n.\r\n.hidden\r\n", "--login-options", f"AUTH={mechanism}")
    assert await newest(house) == MAIL + b"page 1\r\n.\r\n.hidden\r\n"


@needs_curl
async def test_curl_sends_bare_lf_as_it_is(house: House, tmp_path: Path) -> None:
    # curl ends what does not end in CRLF by another one.
    await curl(house, tmp_path, (MAIL + b"page 1\r\npage 2\r\n").replace(b"\r\n", b"\n"))
    assert await newest(house) == MAIL + b"page 1\r\npage 2\r\n\r\n"


# ---- swaks


async def swaks(house: House, *more: str) -> str:
    host, port = house.smtp
    # swaks takes no password that begins with a dash, and of ours one in 64 does.
    await house.gateway.submitters.add(
        "swaks", {"mailboxes": ["scanner@contoso.example"], "fix_from": True}, Secret("a password")
    )
    return await run(
        *("swaks", "--server", host, "--port", str(port), "--ehlo", "printer", "--timeout", "20"),
        *("--auth-user", "swaks", "--auth-password", "a password"),
        *("--from", "scanner@contoso.example", "--to", "alice@contoso.example"),
        *("--header", "Subject: scan", "--body", "page 1\n.\n..\npage 2\n", *more),
    )


@needs_swaks
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks(house: House, mechanism: str) -> None:
    transcript = await swaks(house, "--auth", mechanism)
    assert "250 2.0.0 queued as " in transcript
    assert b"\r\npage 1\r\n.\r\n..\r\npage 2\r\n" in await newest(house)


@needs_swaks
async def test_swaks_pipelines(house: House) -> None:
    await swaks(house, "--auth", "PLAIN", "--pipeline")
    assert b"Subject: scan\r\n" in await newest(house)
