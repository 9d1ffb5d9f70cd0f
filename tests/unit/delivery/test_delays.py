"""Warnings of a delay: of each message that waits too long one, whatever it waits for, and none that helps nobody."""

import os
from dataclasses import replace

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.mail import Approval, Dsn, Envelope, Outcome, State
from pillarbox.delivery.delays import Delays
from pillarbox.delivery.notices import Notices, Wishes
from pillarbox.delivery.queue_id import queue_id
from pillarbox.store.database import Row
from pillarbox.store.messages import NewMessage, Next
from tests.unit.delivery.conftest import ENVELOPE, Shelf

MAIL = InMemory(b"Subject: invoice 7\r\nTo: a@x.example\r\n\r\nsecret\r\n")
THROTTLED = Outcome(Cause.THROTTLED, "ApplicationThrottled", "Too many.", http_status=429, request_id="r")
DENIED = Outcome(Cause.ACCESS_DENIED, "ErrorAccessDenied", http_status=403)
HOUR = 3600.0


def delays(shelf: Shelf, *paused: Mailbox, keeper: str = "two@contoso.example", age: float = HOUR) -> Delays:
    wishes = Wishes("gateway.contoso.example", 7200.0, bounce_mailbox=keeper)
    made = Notices(shelf.outbox, shelf.accounts, shelf.clock, os.urandom, shelf.log, shelf.woken.append, wishes)
    return Delays(shelf.outbox, made, lambda mailbox: mailbox in paused, shelf.clock, shelf.log, age)


async def put(shelf: Shelf, envelope: Envelope = ENVELOPE, **known: object) -> str:
    """A message that waits; its queue id."""
    ident, box = queue_id(shelf.now, os.urandom), shelf.mailboxes[0].id
    new = NewMessage(ident, box, "printer", envelope, "<7@x>", MAIL.size, MAIL.pieces, expires_at=shelf.now + 48 * HOUR)
    await shelf.outbox.enqueue(replace(new, **known))  # type: ignore[arg-type]
    return ident


async def warnings(shelf: Shelf, ident: str) -> list[Row]:
    row = await shelf.outbox.get(ident)
    assert row is not None
    found = [await shelf.outbox.get(one["id"]) for one in await shelf.outbox.notices(row["seq"])]
    return [one for one in found if one is not None]


async def test_a_message_of_which_no_attempt_is_made_is_warned_of_by_its_age_and_once(shelf: Shelf) -> None:
    one, made = await put(shelf), delays(shelf)
    shelf.now += HOUR - 1
    await made.round()
    assert await warnings(shelf, one) == []
    for _ in range(3):
        shelf.now += HOUR
        await made.round()
    (warning,) = await warnings(shelf, one)
    assert (warning["purpose"], warning["mailbox"], warning["priority"]) == ("delayed", "two@contoso.example", 1)
    assert warning["recipients"] == ["one@contoso.example"]
    assert shelf.woken == [shelf.mailboxes[1].id]
    (message,) = await shelf.outbox.claim(shelf.mailboxes[1].id, 1)
    assert b"Action: delayed\r\nStatus: 4.4.7\r\n" in message.part
    assert b"It was not tried yet" in message.part
    assert b"Last-Attempt-Date" not in message.part
    assert b"Will-Retry-Until: Sun, 22 Nov 2026" in message.part


async def test_it_is_warned_of_once_also_over_a_restart(shelf: Shelf) -> None:
    one = await put(shelf)
    shelf.now += HOUR
    await delays(shelf).round()
    await delays(shelf).round()
    assert len(await warnings(shelf, one)) == 1


async def test_a_warning_has_the_words_of_the_last_attempt(shelf: Shelf) -> None:
    one = await put(shelf)
    message = await shelf.claimed()
    await shelf.outbox.finish(message, THROTTLED, Next(State.DEFERRED, shelf.now + 9 * HOUR, THROTTLED.cause))
    shelf.now += HOUR
    await delays(shelf).round()
    assert await warnings(shelf, one)
    (warning,) = await shelf.outbox.claim(shelf.mailboxes[1].id, 1)
    assert b"Last-Attempt-Date: Fri, 20 Nov 2026 12:00:00 -0000\r\n" in warning.part
    assert b"Status: 4.7.0\r\nDiagnostic-Code: x-msgraph; 429 ApplicationThrottled request-id=r" in warning.part


async def test_every_state_in_which_a_message_waits_is_warned_of(shelf: Shelf) -> None:
    ids = [await put(shelf) for _ in range(4)]
    first, second, third = await shelf.outbox.claim(shelf.mailboxes[0].id, 3)
    for message, state in ((first, State.HELD), (second, State.UNCERTAIN), (third, State.DEFERRED)):
        await shelf.outbox.finish(message, THROTTLED, Next(state, shelf.now + 9 * HOUR, THROTTLED.cause))
    shelf.now += HOUR
    await delays(shelf).round()
    assert [len(await warnings(shelf, one)) for one in ids] == [1, 1, 1, 1]


async def test_what_has_ended_is_not_warned_of(shelf: Shelf) -> None:
    ids = [await put(shelf) for _ in range(2)]
    await shelf.outbox.finish(await shelf.claimed(), Outcome(Cause.ACCEPTED), Next(State.SENT, shelf.now))
    await shelf.outbox.cancel(ids[1])
    shelf.now += HOUR
    await delays(shelf).round()
    assert [await warnings(shelf, one) for one in ids] == [[], []]


async def test_what_ends_in_the_same_moment_is_not_warned_of(shelf: Shelf) -> None:
    one = await put(shelf)
    shelf.now += HOUR
    made = delays(shelf)
    (late,) = await shelf.outbox.late("", "~", 9)
    notice = await made.notices.delayed(late.message, None, can_send=True)
    assert notice is not None
    await shelf.outbox.cancel(one)
    assert not await shelf.outbox.tell(notice)
    assert await warnings(shelf, one) == []


async def test_what_is_being_sent_is_looked_at_again(shelf: Shelf) -> None:
    one, made = await put(shelf), delays(shelf)
    message = await shelf.claimed()
    shelf.now += 2 * HOUR
    await made.round()
    assert await warnings(shelf, one) == []
    await shelf.outbox.finish(message, THROTTLED, Next(State.DEFERRED, shelf.now + 60, THROTTLED.cause))
    shelf.now += 600
    await made.round()
    assert len(await warnings(shelf, one)) == 1


async def test_what_is_to_wait_is_as_old_as_its_time_and_what_needs_an_approval_is_left_alone(shelf: Shelf) -> None:
    made, start = delays(shelf), shelf.now
    timed = await put(shelf, send_at=start + 9 * HOUR)
    asked = await put(shelf, approval=Approval.WANTED)
    for hours, told in ((9, 0), (9.9, 0), (10, 1), (12, 1)):
        shelf.now = start + hours * HOUR
        await made.round()
        assert (len(await warnings(shelf, timed)), await warnings(shelf, asked)) == (told, [])


async def test_no_warning_leaves_behind_what_it_warns_of(shelf: Shelf) -> None:
    one = await put(shelf)
    shelf.now += HOUR
    await delays(shelf, shelf.mailboxes[0], keeper="").round()
    await delays(shelf, shelf.mailboxes[0], keeper="one@contoso.example").round()
    assert await warnings(shelf, one) == []
    await delays(shelf, keeper="").round()
    (warning,) = await warnings(shelf, one)
    # Of its own mailbox, and before all that waits there.
    assert (await shelf.claimed()).id == warning["id"]


async def test_a_mailbox_that_was_refused_sends_no_warning(shelf: Shelf) -> None:
    one = await put(shelf)
    await shelf.outbox.finish(await shelf.claimed(), DENIED, Next(State.HELD, shelf.now, DENIED.cause))
    shelf.now += HOUR
    await delays(shelf, keeper="").round()
    assert await warnings(shelf, one) == []


async def test_who_wants_no_warning_gets_none_and_no_notice_is_warned_of(shelf: Shelf) -> None:
    silent = [
        await put(shelf, replace(ENVELOPE, dsn=Dsn(notify={"a@x.example": "FAILURE"}))),
        await put(shelf, Envelope("", ("a@x.example",))),
        await put(shelf, purpose="bounce"),
    ]
    shelf.now += HOUR
    await delays(shelf).round()
    assert [await warnings(shelf, one) for one in silent] == [[], [], []]


async def test_a_clock_that_went_back_makes_it_look_again(shelf: Shelf) -> None:
    made = delays(shelf)
    shelf.now += 100 * HOUR
    await made.round()
    shelf.now -= 100 * HOUR
    one = await put(shelf)
    await made.round()
    shelf.now += HOUR + 60
    await made.round()
    assert len(await warnings(shelf, one)) == 1


async def test_more_than_a_batch_is_warned_of_in_one_round(shelf: Shelf) -> None:
    for number in range(250):
        await put(shelf, replace(ENVELOPE, sender=f"s{number}@contoso.example"))
    shelf.now += HOUR
    await delays(shelf).round()
    assert (await shelf.outbox.count())["queued"] == 500
