"""Submitters at the SMTP door: who guesses is kept out and nobody else, and a change counts at once."""

import asyncio
import base64
import smtplib
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.conftest import House

_T = TypeVar("_T")
SENDER = "scanner@contoso.example"
MAIL = b"From: scanner@contoso.example\r\nSubject: scan\r\n\r\npage\r\n"


async def client(house: House, do: Callable[[smtplib.SMTP], _T], source: str = "127.0.0.1") -> _T:
    """What a client at this address comes to."""

    def run() -> _T:
        with smtplib.SMTP(*house.smtp, timeout=20, source_address=(source, 0)) as smtp:
            return do(smtp)

    return await asyncio.to_thread(run)


def login(password: str) -> Callable[[smtplib.SMTP], int]:
    """Log in as `printer`; the code of the answer."""

    def do(smtp: smtplib.SMTP) -> int:
        smtp.ehlo("printer")
        secret = base64.b64encode(f"\0printer\0{password}".encode()).decode()
        return smtp.docmd("AUTH", f"PLAIN {secret}")[0]

    return do


async def test_who_guesses_is_banned_and_the_right_user_comes_in_from_elsewhere(house: House) -> None:
    assert [await client(house, login(f"wrong {n}"), "127.0.0.2") for n in range(10)] == [535] * 10
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        await client(house, login(house.passwords["printer"]), "127.0.0.2")
    assert refused.value.smtp_code == 421
    assert await client(house, login(house.passwords["printer"]), "127.0.0.3") == 235
    (line,) = house.log.lines("login.banned")
    assert "address=127.0.0.2 submitter=printer" in line
    assert house.gateway.submitters.let_in("127.0.0.2")
    assert await client(house, login(house.passwords["printer"]), "127.0.0.2") == 235


async def test_a_token_comes_in_by_xoauth2(house: House) -> None:
    token = await house.gateway.submitters.add_token("printer", "jenkins")

    def do(smtp: smtplib.SMTP) -> int:
        smtp.ehlo("jenkins")
        said = base64.b64encode(f"user=printer\x01auth=Bearer {token.reveal()}\x01\x01".encode()).decode()
        assert smtp.docmd("AUTH", f"XOAUTH2 {said}")[0] == 235
        return len(smtp.sendmail(SENDER, ["alice@contoso.example"], MAIL))

    assert await client(house, do) == 0
    assert token.reveal() not in house.log.getvalue()


async def test_a_kept_connection_meets_the_change_at_its_next_message(house: House) -> None:
    changes = asyncio.get_running_loop()

    def change(smtp: smtplib.SMTP, **wish: bool) -> int:
        changing = house.gateway.submitters.change("printer", {"enabled": wish["enabled"]})
        asyncio.run_coroutine_threadsafe(changing, changes).result(20)
        return smtp.docmd("MAIL", f"FROM:<{SENDER}>")[0]

    def do(smtp: smtplib.SMTP) -> list[int]:
        assert login(house.passwords["printer"])(smtp) == 235
        smtp.sendmail(SENDER, ["alice@contoso.example"], MAIL)
        return [change(smtp, enabled=False), change(smtp, enabled=True)]

    assert await client(house, do) == [525, 250]
    assert (await house.gateway.submitters.get("printer")).last_used_at is not None
