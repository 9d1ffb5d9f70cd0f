"""Bounces from end to end: what a sender finds in their mailbox."""

import email
import time
from typing import Any

from pillarbox.core.content import in_memory
from pillarbox.core.mail import Dsn, Envelope
from tests.conftest import House, MakeHouse

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: invoice 7\r\n\r\nsecret\r\n"


async def bounced(house: House) -> str:
    """A message that Microsoft refused; its queue id."""
    house.microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients", times=1)
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(queue_id, "bounced")
    return queue_id


async def notice(house: House, queue_id: str) -> str:
    """The queue id of the one notice about a message, once that is sent."""
    row = await house.gateway.outbox.get(queue_id)
    assert row is not None
    (found,) = await house.gateway.outbox.notices(row["seq"])
    await house.settled(found["id"])
    return str(found["id"])


async def test_the_sender_finds_the_bounce_in_their_mailbox(house: House) -> None:
    queue_id = await bounced(house)
    await notice(house, queue_id)
    (entry,) = house.microsoft.emulator.ledger.entries
    assert list(entry.recipients) == ["scanner@contoso.example"]
    found: Any = email.message_from_bytes(entry.raw or b"")
    assert found.get_content_type() == "multipart/report"
    assert found["Subject"] == "Not sent: invoice 7"
    assert found["X-Pillarbox-Loop"] == queue_id
    _, status, original = found.get_payload()
    assert status.get_payload()[1]["Final-Recipient"] == "rfc822; alice@contoso.example"
    assert "X-Pillarbox-Id: " + queue_id in original.get_payload()
    assert b"secret" not in (entry.raw or b"")


async def test_a_bounce_that_microsoft_refuses_too_ends_there(house: House) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients")
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    row = await house.settled(queue_id, "bounced")
    (found,) = await house.gateway.outbox.notices(row["seq"])
    await house.settled(found["id"], "failed")
    # The sender was not told after all.
    assert await house.gateway.outbox.count() == {"failed": 2}


async def test_success_is_told_of_where_the_client_asked(house: House) -> None:
    dsn = Dsn(envid="job-7", notify={"alice@contoso.example": "SUCCESS"})
    envelope = Envelope("scanner@contoso.example", ("alice@contoso.example",), dsn)
    submitter = await house.gateway.submitters.get("printer")
    queue_id = await house.gateway.submission.accept(envelope, in_memory(MAIL), submitter)
    await house.settled(queue_id)
    await notice(house, queue_id)
    first, told = house.microsoft.emulator.ledger.entries
    assert b"Action: relayed" not in (first.raw or b"")
    assert b"Original-Envelope-Id: job-7\r\n" in (told.raw or b"")


async def test_a_delay_is_told_of_although_nothing_of_the_mailbox_goes(make_house: MakeHouse) -> None:
    ahead = [0.0]
    settings = {"delivery.delay_warning": "3600", "delivery.bounce_mailbox": "erp@contoso.example"}
    house = await make_house(settings, clock=lambda: time.time() + ahead[0])
    await house.furnish("scanner@contoso.example", "erp@contoso.example")
    scanner = await house.gateway.accounts.mailbox("scanner@contoso.example")
    assert scanner is not None
    await house.gateway.governors.pause(f"mailbox/{scanner.id}", "")
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    ahead[0] = 3600.0
    await house.gateway.delays().round()
    await notice(house, queue_id)
    (entry,) = house.microsoft.emulator.ledger.entries
    assert (entry.mailbox, list(entry.recipients)) == ("erp@contoso.example", ["scanner@contoso.example"])
    assert b"Subject: Not sent yet: invoice 7\r\n" in (entry.raw or b"")
    assert (await house.settled(queue_id, "queued"))["attempts"] == 0


async def test_a_bounce_that_waits_outlives_its_message(house: House) -> None:
    house.microsoft.emulator.faults.add(path="/sendMail", status=400, code="ErrorInvalidRecipients", times=1)
    house.microsoft.emulator.faults.add(path="/sendMail", status=429, headers={"Retry-After": "1"}, times=1)
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    row = await house.settled(queue_id, "bounced")
    (told,) = await house.gateway.outbox.notices(row["seq"])
    await house.gateway.housekeeping.round(0.0)
    assert await house.gateway.outbox.get(queue_id) is None
    await house.settled(told["id"])
    (entry,) = house.microsoft.emulator.ledger.entries
    assert b"Diagnostic-Code: x-msgraph; 400 ErrorInvalidRecipients" in (entry.raw or b"")
