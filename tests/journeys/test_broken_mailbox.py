"""A mailbox that Microsoft lets nothing out of: its mail waits, others' goes, and nobody need say when it is mended."""

import asyncio
import smtplib
import time
from dataclasses import dataclass, field

import pytest

from pillarbox.core.accounts import OnBroken
from pillarbox.core.errors import PillarboxError
from pillarbox.emulator.world.rbac import ExchangeAssignment
from tests.conftest import House, MakeHouse
from tests.service import pillarbox

TO = "alice@contoso.example"
QUARTER = 900.0
"""Seconds between two probes of a mailbox that may not be used."""


def mail(sender: str) -> bytes:
    return f"From: {sender}@contoso.example\r\nTo: {TO}\r\nSubject: scan\r\n\r\npage 1\r\n".encode()


@dataclass
class Office:
    """A house whose app Exchange lets into the mailboxes alone that an assignment names, and its clock."""

    house: House
    ahead: list[float] = field(default_factory=lambda: [0.0])

    async def hand_in(self, sender: str) -> str:
        return await self.house.accept(mail(sender), TO, sender=f"{sender}@contoso.example")

    def allow(self, name: str) -> None:
        """As New-ManagementRoleAssignment for this mailbox does, once Exchange has heard of it."""
        seed = self.house.microsoft.seed
        principal = seed.unconsented.principal
        assert principal is not None
        seed.tenant.exchange_roles.assignments[name] = ExchangeAssignment(
            name, principal.id, "Application Mail.Send", directory_scope=f"/Users/{seed.user(name).id}"
        )

    def pass_time(self, seconds: float) -> None:
        self.ahead[0] += seconds
        self.house.gateway.worker().look_again()

    async def said(self, sender: str) -> tuple[int, str]:
        """What the SMTP door says to a message from there."""

        def run() -> tuple[int, str]:
            with smtplib.SMTP(*self.house.smtp, timeout=20) as client:
                client.login("printer", self.house.passwords["printer"])
                code, text = client.mail(f"{sender}@contoso.example")
                if code == 250:
                    client.rcpt(TO)
                    code, text = client.data(mail(sender))
                return code, text.decode()

        return await asyncio.to_thread(run)

    async def choose(self, on_broken: OnBroken) -> None:
        await self.house.gateway.submitters.change("printer", {"on_broken": on_broken})


@pytest.fixture
async def office(make_house: MakeHouse) -> Office:
    ahead = [0.0]
    house = await make_house(clock=lambda: time.time() + ahead[0])
    principal = house.microsoft.seed.unconsented.principal
    assert principal is not None
    house.microsoft.seed.tenant.exchange_principals[principal.client_id] = principal.id
    await house.furnish("scanner@contoso.example", "erp@contoso.example", app=house.microsoft.seed.unconsented)
    made = Office(house, ahead)
    made.allow("erp")
    return made


async def test_one_mailbox_outside_the_scope_waits_and_goes_by_itself_when_it_is_let_in(office: Office) -> None:
    """No message fails for a right that takes hours to be known everywhere."""
    held = [await office.hand_in("scanner") for _ in range(4)]
    await office.house.settled(held[0], "held")
    await office.house.settled(await office.hand_in("erp"))
    for _ in range(4):
        office.pass_time(QUARTER + 1)
        before = len(office.house.log.lines("mail.attempt"))
        while len(office.house.log.lines("mail.attempt")) == before:
            await office.house.log.next()
    rows = [await office.house.gateway.outbox.get(queue_id) for queue_id in held]
    assert {row["state"] for row in rows if row} <= {"held", "queued"}
    # The first was refused more than once, and the probes took turns.
    row = await office.house.settled(held[0], "held")
    assert (row["cause"], row["attempts"] > 1) == ("access_denied", True)
    assert sum(row["attempts"] for row in rows if row) >= 1 + 4
    assert "RBAC" in row["cure"]
    office.allow("scanner")
    office.pass_time(QUARTER + 1)
    for queue_id in held:
        await office.house.settled(queue_id)
    senders = [one.mailbox for one in office.house.microsoft.emulator.ledger.entries]
    assert sorted(senders) == ["erp@contoso.example"] + ["scanner@contoso.example"] * len(held)


async def test_mail_for_a_broken_mailbox_is_taken_and_held_where_nobody_said_otherwise(office: Office) -> None:
    await office.house.settled(await office.hand_in("scanner"), "held")
    code, text = await office.said("scanner")
    assert (code, text.split()[:3]) == (250, ["2.0.0", "queued", "as"])


async def test_who_tries_again_by_itself_is_told_to_while_the_mailbox_is_broken(office: Office) -> None:
    await office.choose("tempfail")
    await office.house.settled(await office.hand_in("scanner"), "held")
    code, text = await office.said("scanner")
    assert (code, text.split()[0]) == (451, "4.7.0")
    assert "scanner@contoso.example" in text
    # Before it has sent the message.
    assert "command=MAIL" in office.house.log.lines("smtp.refused")[0]
    assert (await office.said("erp"))[0] == 250
    with pytest.raises(PillarboxError) as refused:
        await office.hand_in("scanner")
    assert (refused.value.code, refused.value.entry.http, refused.value.entry.exit) == ("mail.mailbox_broken", 503, 75)
    assert set(await office.house.gateway.outbox.count()) <= {"held", "queued", "sending", "sent"}


async def test_one_message_is_taken_when_a_probe_is_due_and_all_when_it_was_sent(office: Office) -> None:
    """Otherwise nothing would find out that the mailbox is mended: with no mail held there is no other probe."""
    await office.choose("tempfail")
    first = await office.hand_in("scanner")
    await office.house.settled(first, "held")
    await office.house.gateway.outbox.cancel(first)
    office.allow("scanner")
    assert (await office.said("scanner"))[0] == 451
    office.ahead[0] += QUARTER + 1
    assert (await office.said("scanner"))[0] == 250
    while not office.house.log.lines("mailbox.resumed"):
        await office.house.log.next()
    assert (await office.said("scanner"))[0] == 250


async def test_a_submitters_choice_is_made_and_shown_by_command(house: House) -> None:
    async def run(*words: str) -> str:
        socket = {"PILLARBOX_SOCKET": str(house.gateway.settings.socket)}
        code, output, errors = await pillarbox("submitter", *words, environ=socket)
        assert code == 0, errors
        return output

    assert "451" not in await run("show", "printer")
    await run("change", "printer", "--on-broken", "tempfail")
    assert "451" in await run("show", "printer")
    assert (await house.gateway.submitters.get("printer")).on_broken == "tempfail"
    assert '"on_broken": "tempfail"' in await run("show", "printer", "--json")
