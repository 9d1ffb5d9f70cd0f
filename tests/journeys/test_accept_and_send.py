"""A message that is accepted leaves through Graph: the whole way by a Python call."""

from tests.conftest import House

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
