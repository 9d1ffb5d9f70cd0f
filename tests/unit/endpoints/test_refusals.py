"""What the SMTP door refused and where it listens, as the API tells it."""

import asyncio
import smtplib
from typing import Any

import pytest

from pillarbox.access.guard import Patience
from pillarbox.core.listening import smtp_listeners
from pillarbox.core.settings import load
from pillarbox.endpoints.api.listeners import ListenerOut
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.test_submitters import done

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: Scan\r\n\r\nHello.\r\n"


async def log_in(house: House, name: str, password: str, sender: str = "") -> None:
    """Log in at the SMTP door, and perhaps begin a message; whatever comes of it."""

    def tried() -> None:
        with smtplib.SMTP(*house.smtp) as client:
            try:
                client.login(name, password)
                client.docmd("MAIL", f"FROM:<{sender}>")
            except smtplib.SMTPException:
                pass

    await asyncio.to_thread(tried)


async def test_a_wrong_password_is_told_of_the_submitter_whose_name_was_given(house: House) -> None:
    before = (await done(house, "GET", "/api/v1/refusals"))["since"]
    await log_in(house, "printer", "not the password")
    (one,) = (await done(house, "GET", "/api/v1/refusals?submitter=printer"))["data"]
    assert (one["submitter"], one["proved"], one["code"], one["count"], one["peer"]) == (
        "printer",
        False,
        "submitter.password_refused",
        2,  # smtplib tries PLAIN, then LOGIN
        "127.0.0.1",
    )
    assert one["title"]
    assert one["last_at"] >= one["first_at"] >= before


async def test_what_a_submitter_may_not_send_is_told_with_its_values(house: House) -> None:
    for _ in range(2):
        await log_in(house, "printer", house.passwords["printer"], sender="boss@contoso.example")
    (one,) = (await done(house, "GET", "/api/v1/refusals?submitter=printer"))["data"]
    assert (one["proved"], one["count"]) == (True, 2)
    assert "boss@contoso.example" in one["title"]
    assert "boss@contoso.example" in one["params"].values()


async def test_a_name_that_is_nobodys_is_not_shown_as_it_may_be_a_password(house: House) -> None:
    await log_in(house, "hunter2-secret", "x")
    told = await done(house, "GET", "/api/v1/refusals")
    (one,) = told["data"]
    assert (one["submitter"], one["peer"]) == (None, "127.0.0.1")
    assert "hunter2" not in str(told)
    assert (await done(house, "GET", "/api/v1/refusals?submitter="))["data"] == [one]


async def test_a_name_that_is_nearly_one_of_ours_is_told_as_that_one(house: House) -> None:
    await log_in(house, "Prnter", "x")
    told = await done(house, "GET", "/api/v1/refusals")
    (one,) = told["data"]
    assert (one["submitter"], one["code"], one["params"]) == (None, "submitter.name_mistyped", {"name": "printer"})
    assert "prnter" not in str(told).lower()


async def test_a_message_that_is_accepted_ends_what_was_refused_before(house: House) -> None:
    await log_in(house, "printer", "not the password")
    (one,) = (await done(house, "GET", "/api/v1/refusals"))["data"]
    assert one["works_since"] is None
    await house.accept(MAIL, "alice@contoso.example")
    (one,) = (await done(house, "GET", "/api/v1/refusals"))["data"]
    assert one["works_since"] >= one["last_at"]


async def test_with_a_submitter_goes_what_it_was_refused(house: House) -> None:
    await log_in(house, "printer", "not the password")
    await done(house, "DELETE", "/api/v1/submitters/printer")
    assert (await done(house, "GET", "/api/v1/refusals"))["data"] == []


async def test_an_address_that_is_kept_out_is_let_in(make_house: MakeHouse) -> None:
    house = await make_house(login_patience=Patience(least_delay=0.0, of_site=2))
    await house.furnish("scanner@contoso.example")
    await log_in(house, "printer", "not the password")  # smtplib tries PLAIN, then LOGIN
    with pytest.raises(smtplib.SMTPConnectError):
        await log_in(house, "printer", house.passwords["printer"])
    stranger, printer = (await done(house, "GET", "/api/v1/refusals"))["data"]
    assert (stranger["code"], printer["code"]) == ("submitter.banned_beside", "submitter.password_refused")
    assert all(one["kept_out_until"] > one["last_at"] for one in (stranger, printer))
    assert "pillarbox submitter let-in 127.0.0.1" in stranger["hint"]
    for was_kept_out in (True, False):
        told = await done(house, "POST", "/api/v1/submitters:let-in", {"address": "127.0.0.1"})
        assert told == {"address": "127.0.0.1", "was_kept_out": was_kept_out}
    (one,) = (await done(house, "GET", "/api/v1/refusals"))["data"]
    assert (one["code"], one["kept_out_until"]) == ("submitter.password_refused", None)
    await log_in(house, "printer", house.passwords["printer"])
    (again,) = (await done(house, "GET", "/api/v1/refusals"))["data"]
    assert again == one
    acts = [(row.action, row.subject, row.outcome) for row in await house.gateway.audit.list(limit=9)]
    assert acts.count(("let_in_address", "127.0.0.1", "done")) == 2


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, {"host": "127.0.0.1", "tls": "starttls", "auth": "clear", "local_only": True}),
        (
            {"smtp.tls": "implicit", "smtp.networks": "127.0.0.0/8"},
            {"host": "127.0.0.1", "tls": "implicit", "networks": ["127.0.0.0/8"], "local_only": True},
        ),
    ],
)
async def test_a_listener_is_told_as_it_is_typed_into_a_device(
    make_house: MakeHouse, settings: dict[str, str], shown: dict[str, Any]
) -> None:
    house = await make_house(settings)
    (one,) = (await done(house, "GET", "/api/v1/listeners"))["data"]
    assert one | shown == one
    assert (one["name"], one["address"], one["port"]) == ("smtp", house.gateway.smtp_address, house.smtp[1])


async def test_without_a_door_there_is_no_listener(make_house: MakeHouse) -> None:
    house = await make_house({"smtp.listen": ""})
    assert (await done(house, "GET", "/api/v1/listeners"))["data"] == []


def test_a_device_is_told_the_name_of_the_machine_where_others_reach_it() -> None:
    settings = load(None, {}, {"smtp.listen": "0.0.0.0:587", "smtp.hostname": "mail.contoso.example"})
    (one,) = smtp_listeners(settings)
    shown = ListenerOut.of(one, "0.0.0.0:587")
    assert (shown.host, shown.port, shown.auth, shown.local_only) == ("mail.contoso.example", 587, "encrypted", False)
    assert ListenerOut.of(smtp_listeners(load(None, {}, {"smtp.listen": "0.0.0.0:587"}))[0], "0.0.0.0:587").host
