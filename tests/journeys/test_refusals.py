"""What the SMTP door refuses stands in the log, with who, what and why."""

import asyncio
import smtplib
from collections.abc import Callable

import pytest

from pillarbox.core.errors import InvalidInput
from pillarbox.core.graph_limits import MOST_MIME
from tests.conftest import House, MakeHouse


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


async def test_what_graph_does_not_take_is_refused_at_mail_and_after_data_though_the_listener_shows_more(
    make_house: MakeHouse,
) -> None:
    house = await make_house({"smtp.max_size": "9000000"})
    await house.furnish("scanner@contoso.example")
    head = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\n\r\n"
    fits = head + b"x" * 70 + b"\r\n"
    fits += (b"y" * 70 + b"\r\n") * ((MOST_MIME - len(fits)) // 72)

    def talk() -> list[int]:
        with smtplib.SMTP(*house.smtp, timeout=30) as client:
            client.login("printer", house.passwords["printer"])
            assert client.esmtp_features["size"] == "9000000"
            codes = [client.mail("scanner@contoso.example", [f"SIZE={size}"])[0] for size in (MOST_MIME + 1, MOST_MIME)]
            client.rset()
            for mail in (fits, fits + fits):
                client.mail("scanner@contoso.example")
                client.rcpt("alice@contoso.example")
                codes.append(client.data(mail)[0])
            return codes

    assert await asyncio.to_thread(talk) == [552, 250, 250, 552]
    told = house.log.lines("smtp.refused")
    assert ["command=MAIL" in told[0], "command=DATA" in told[1]] == [True, True]
    assert all("code=mail.too_large_for_graph" in line and "Microsoft Graph" in line for line in told)
    # What was taken does leave.
    (kept,), _ = await house.gateway.outbox.page(9)
    await house.settled(kept["id"])


async def test_bare_line_feeds_count_as_what_they_become(house: House) -> None:
    await house.gateway.submitters.change("printer", {"max_size": 1000})
    with pytest.raises(InvalidInput) as refused:
        await house.accept(b"From: scanner@contoso.example\n\n" + b"\n" * 900, "alice@contoso.example")
    assert refused.value.code == "mail.too_large"
