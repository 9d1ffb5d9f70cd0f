"""What the SMTP door refuses stands in the log, with who, what and why."""

import asyncio
import smtplib
from collections.abc import Callable

import pytest

from pillarbox.core.errors import InvalidInput
from tests.conftest import House


def _wrong_password(client: smtplib.SMTP, _house: House) -> None:
    client.login("printer", "not the password")


def _foreign_sender(client: smtplib.SMTP, house: House) -> None:
    client.login("printer", house.passwords["printer"])
    client.sendmail("ceo@contoso.example", ["alice@contoso.example"], "x")


def _foreign_from(client: smtplib.SMTP, house: House) -> None:
    client.login("printer", house.passwords["printer"])
    client.sendmail("scanner@contoso.example", ["alice@contoso.example"], "From: ceo@contoso.example\n\nx")


def _no_login(client: smtplib.SMTP, _house: House) -> None:
    client.sendmail("scanner@contoso.example", ["alice@contoso.example"], "x")


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (_wrong_password, ["command=AUTH", "submitter=printer", "535 5.7.8"]),
        (_foreign_sender, ["command=MAIL", "submitter=printer", "553 5.7.1", "ceo@contoso.example"]),
        (_foreign_from, ["command=DATA", "submitter=printer", "550 5.7.1", "ceo@contoso.example"]),
        (_no_login, ["command=MAIL", "530 5.7.0"]),
    ],
)
async def test_a_refusal_is_one_log_line(
    house: House, attempt: Callable[[smtplib.SMTP, House], None], words: list[str]
) -> None:
    def refused() -> None:
        with smtplib.SMTP(*house.smtp) as client, pytest.raises(smtplib.SMTPException):
            attempt(client, house)

    await asyncio.to_thread(refused)
    line = house.log.lines("smtp.refused")[0]
    assert "peer=127.0.0.1" in line
    assert all(word in line for word in words), line


async def test_bare_line_feeds_count_as_what_they_become(house: House) -> None:
    size = house.gateway.settings.smtp.max_size
    with pytest.raises(InvalidInput) as refused:
        await house.accept(b"From: scanner@contoso.example\n\n" + b"\n" * (size - 100), "alice@contoso.example")
    assert refused.value.code == "mail.too_large"
