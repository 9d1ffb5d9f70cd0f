"""What strangers send is in the log, and cannot begin a line of it or steer the terminal that shows it."""

import asyncio
import base64
import smtplib

from tests.conftest import House

EVIL = "evil\r\ntime=2026 level=info event=mail.final id=X state=sent\x1b[2J\u2028x"


async def test_a_login_name_cannot_forge_a_line(house: House) -> None:
    def attempt() -> None:
        with smtplib.SMTP(*house.smtp) as client:
            client.ehlo()
            client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{EVIL}\0x".encode()).decode())

    await asyncio.to_thread(attempt)
    (line,) = house.log.lines("smtp.refused")
    assert "time=2026 level=info" in line
    assert all(letter.isprintable() for letter in line)
    assert not any(begun.startswith("time=2026 ") for begun in house.log.getvalue().splitlines())


async def test_microsofts_words_cannot_forge_a_line(house: House) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", status=400, code="Bad\x1b[2J", message=EVIL, times=1)
    mail = b"From: scanner@contoso.example\r\n\r\nx\r\n"
    await house.settled(await house.accept(mail, "alice@contoso.example"), "bounced")
    line, *_ = house.log.lines("mail.attempt")
    assert all(letter.isprintable() for letter in line)
