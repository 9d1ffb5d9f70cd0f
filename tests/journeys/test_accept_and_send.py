"""A message that is accepted leaves through Graph: the whole way by a Python call."""

import asyncio
import time

from tests.conftest import House, MakeHouse

MAIL = b"From: scanner@contoso.example\r\nTo: alice@contoso.example\r\nSubject: scan\r\n\r\npage 1\r\n"


async def test_accepted_message_is_sent_and_kept_with_microsofts_request_id(house: House) -> None:
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    row = await house.settled(queue_id)
    (entry,) = house.microsoft.emulator.ledger.entries
    assert (entry.mailbox, entry.request_id) == ("scanner@contoso.example", row["request_id"])
    assert entry.recipients == ["alice@contoso.example"]


async def test_one_line_each_for_accept_attempt_and_final_state(house: House) -> None:
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    await house.settled(queue_id)
    for event in ("mail.accepted", "mail.attempt", "mail.final"):
        (line,) = house.log.lines(event)
        assert f"id={queue_id}" in line


async def test_many_messages_share_one_token(house: House) -> None:
    ids = [await house.accept(MAIL, "alice@contoso.example") for _ in range(10)]
    for queue_id in ids:
        await house.settled(queue_id)
    assert len(house.log.lines("token.fetched")) == 1


async def test_a_hundred_sends_at_once_on_a_cold_cache_make_one_token_request(make_house: MakeHouse) -> None:
    house = await make_house()
    world, tenant = house.microsoft.emulator.world, house.microsoft.seed.tenant
    senders = [world.add_user(tenant, f"device{number}").upn for number in range(34)]
    await house.furnish(*senders)
    mails = [(sender, MAIL.replace(b"scanner@contoso.example", sender.encode())) for sender in senders * 3]
    ids = await asyncio.gather(*(house.accept(mail, "alice@contoso.example", sender=one) for one, mail in mails))
    for queue_id in ids:
        await house.settled(queue_id)
    assert (len(ids), house.microsoft.emulator.ledger.token_requests) == (102, 1)


async def _refused_then_consented(house: House) -> str:
    """A message that was held for want of consent, which was given since."""
    app = house.microsoft.seed.unconsented
    await house.furnish("scanner@contoso.example", app=app)
    queue_id = await house.accept(MAIL, "alice@contoso.example")
    assert (await house.settled(queue_id, "held"))["code"] == "ErrorAccessDenied"
    house.microsoft.emulator.world.consent(app, "Mail.Send")
    return queue_id


async def test_consent_given_later_counts_with_the_next_retry(make_house: MakeHouse) -> None:
    ahead = [0.0]
    house = await make_house(clock=lambda: time.time() + ahead[0])
    queue_id = await _refused_then_consented(house)
    ahead[0] = 61
    await house.gateway.outbox.retry(queue_id)
    house.gateway.governors.retried(1)
    await house.settled(queue_id)
    assert len(house.log.lines("token.fetched")) == 2


async def test_consent_given_later_counts_after_a_restart(make_house: MakeHouse) -> None:
    house = await make_house()
    queue_id = await _refused_then_consented(house)
    await house.gateway.stop()
    again = await make_house()
    await again.gateway.outbox.retry(queue_id)
    again.gateway.governors.retried(1)
    await again.settled(queue_id)


async def test_refusals_make_no_storm_of_token_requests(make_house: MakeHouse) -> None:
    house = await make_house()
    await house.furnish("scanner@contoso.example", app=house.microsoft.seed.unconsented)
    first, *others = [await house.accept(MAIL, "alice@contoso.example") for _ in range(8)]
    await house.settled(first, "held")
    for queue_id in others:
        await house.settled(queue_id, "held", "queued")
    assert house.microsoft.emulator.ledger.token_requests == 1


async def test_a_clock_that_went_back_holds_up_nothing(make_house: MakeHouse) -> None:
    before = await make_house(start=False)
    await before.furnish("scanner@contoso.example")
    queue_id = await before.accept(MAIL, "alice@contoso.example")
    await before.gateway.stop()
    after = await make_house(clock=lambda: time.time() - 3600)
    await after.settled(queue_id)


async def test_a_process_that_died_while_it_asked_for_a_token_holds_nobody_up(make_house: MakeHouse) -> None:
    before = await make_house(start=False)
    await before.furnish("scanner@contoso.example")
    (app,) = await before.gateway.accounts.apps()
    assert await before.gateway.accounts.lease_token(app.cache_owner, "dead", 180)
    queue_id = await before.accept(MAIL, "alice@contoso.example")
    await before.gateway.stop()
    after = await make_house()
    await after.settled(queue_id)
