"""Retention: what goes when, what stays, and that the file gives room back."""

import os
from functools import partial

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.mail import Outcome, State
from pillarbox.delivery.queue_id import queue_id
from pillarbox.delivery.retention import Housekeeping
from pillarbox.store.events import EventLog
from pillarbox.store.idempotency import IdempotencyKeys
from pillarbox.store.messages import NewMessage, Next
from pillarbox.store.parts import PART_BYTES
from pillarbox.store.retention import Retention
from tests.unit.delivery.conftest import ENVELOPE, NOON, Shelf

DAY = 86_400.0
HEADER = b"From: one@contoso.example\r\nSubject: letter\r\n\r\n"
ENDS = [State.SENT, State.FAILED, State.BOUNCED, State.CANCELED]


class House:
    """A store with its housekeeping."""

    def __init__(self, shelf: Shelf, sent_bodies: float = 0.0) -> None:
        self.shelf = shelf
        self.retention = Retention(shelf.database)
        self.events = EventLog(shelf.database, shelf.clock)
        keys = IdempotencyKeys(shelf.database, shelf.clock, shelf.clock)
        self.keeping = Housekeeping(
            self.retention,
            keys,
            shelf.clock,
            shelf.log,
            sent_bodies,
            30 * DAY,
            wait=self._waited,
            also=[partial(self.events.forget, 30 * DAY)],
        )

    async def _waited(self, seconds: float) -> None:
        pass

    async def put(self, state: State, body: bytes = b"hello\r\n", mime: bytes = b"") -> str:
        """A message in that state."""
        new_id = queue_id(self.shelf.now, os.urandom)
        content = InMemory(mime or HEADER + body)
        box = self.shelf.mailboxes[0].id
        await self.shelf.outbox.enqueue(
            NewMessage(new_id, box, "printer", ENVELOPE, f"<{new_id}@x>", content.size, content.pieces)
        )
        if state is State.CANCELED:
            await self.shelf.outbox.cancel(new_id)
        elif state is not State.QUEUED:
            message = await self.shelf.claimed()
            if state is not State.SENDING:
                # A bounce is told of in the end; its time is that of the failure.
                first = State.FAILED if state is State.BOUNCED else state
                cause = Cause.ACCEPTED if state is State.SENT else Cause.BAD_CONTENT
                await self.shelf.outbox.finish(message, Outcome(cause), Next(first, self.shelf.now))
                if state is State.BOUNCED:
                    self.shelf.database._writer.execute("UPDATE outbox SET state = 'bounced' WHERE id = ?", (new_id,))
        return new_id

    async def kept(self, one: str) -> str | None:
        row = await self.shelf.outbox.get(one)
        return row["kept"] if row else None

    def parts(self) -> list[bytes]:
        return [row[0] for row in self.shelf.database._writer.execute("SELECT data FROM bodies ORDER BY seq, part")]


async def test_of_a_sent_message_the_header_is_kept(shelf: Shelf) -> None:
    house = House(shelf)
    one = await house.put(State.SENT, body=b"x" * (2 * PART_BYTES))
    assert await house.keeping.round() == (1, 0)
    assert (house.parts(), await house.kept(one)) == ([HEADER], "header")
    row = await shelf.outbox.get(one)
    assert row is not None
    assert await shelf.outbox.header(row["seq"]) == HEADER
    assert await house.keeping.round() == (0, 0)


@pytest.mark.parametrize("mime", [b"Subject: alone\r\n", b"Subject: alone\r\n\r\n"])
async def test_a_message_without_a_text_stays_as_it_is(shelf: Shelf, mime: bytes) -> None:
    house = House(shelf)
    await house.put(State.SENT, mime=mime)
    await house.keeping.round()
    assert house.parts() == [mime]


@pytest.mark.parametrize("state", [state for state in State if state is not State.SENT])
async def test_what_was_not_sent_is_kept_whole(shelf: Shelf, state: State) -> None:
    house = House(shelf)
    one = await house.put(state)
    shelf.now += DAY
    assert await house.keeping.round() == (0, 0)
    assert await house.kept(one) == "whole"


async def test_bodies_are_kept_as_long_as_the_settings_say(shelf: Shelf) -> None:
    house = House(shelf, sent_bodies=60.0)
    await house.put(State.SENT)
    shelf.now += 59.9
    assert (await house.keeping.round()).bodies == 0
    shelf.now += 0.2
    assert (await house.keeping.round()).bodies == 1


@pytest.mark.parametrize("state", State)
async def test_what_came_to_its_end_is_removed_after_30_days(shelf: Shelf, state: State) -> None:
    house = House(shelf)
    one = await house.put(state)
    shelf.now += 30 * DAY - 1
    assert (await house.keeping.round()).messages == 0
    shelf.now += 2
    assert (await house.keeping.round()).messages == (state in ENDS)
    assert (await house.kept(one) is None) == (state in ENDS)
    if state in ENDS:
        left = shelf.database._writer.execute("SELECT (SELECT count(*) FROM attempts), (SELECT count(*) FROM bodies)")
        assert list(left) == [(0, 0)]


async def test_the_time_counts_from_the_end_and_not_from_the_beginning(shelf: Shelf) -> None:
    house = House(shelf)
    one = await house.put(State.HELD)
    shelf.now += 40 * DAY
    await shelf.outbox.cancel(one)
    assert (await house.keeping.round()).messages == 0


@pytest.mark.parametrize("state", [state for state in State if state not in ENDS])
async def test_what_is_not_at_its_end_is_never_removed(shelf: Shelf, state: State) -> None:
    house = House(shelf)
    one = await house.put(state)
    # Such as a row that a person's hand has brought back.
    shelf.database._writer.execute("UPDATE outbox SET finished_at = 1")
    assert (await house.keeping.round(0.0)).messages == 0
    assert await house.kept(one) == "whole"


async def test_a_person_may_say_how_old(shelf: Shelf) -> None:
    house = House(shelf)
    await house.put(State.FAILED)
    waiting = await house.put(State.HELD)
    shelf.now += 60
    assert (await house.keeping.round(61.0)).messages == 0
    assert (await house.keeping.round(0.0)).messages == 1
    assert await house.kept(waiting) == "whole"


async def test_a_bounce_outlives_what_it_tells_of(shelf: Shelf) -> None:
    house = House(shelf)
    await house.put(State.FAILED)
    told = await house.put(State.HELD)
    shelf.database._writer.execute("UPDATE outbox SET bounce_of = 1, purpose = 'bounce' WHERE id = ?", (told,))
    shelf.now += 31 * DAY
    assert (await house.keeping.round()).messages == 1
    row = await shelf.outbox.get(told)
    assert row is not None
    assert (row["bounce_of"], row["notice_of"]) == (None, None)


async def test_what_a_person_sends_again_in_between_is_not_removed(shelf: Shelf) -> None:
    house = House(shelf)
    gone, back = await house.put(State.CANCELED), await house.put(State.CANCELED)
    shelf.now += 60
    seen = await house.retention.old(shelf.now, "~", shelf.now)
    await shelf.outbox.retry(back)
    assert await house.retention.remove_of(seen, shelf.now, shelf.now) == 1
    assert (await house.kept(gone), await house.kept(back)) == (None, "whole")
    assert await shelf.stored(back) == HEADER + b"hello\r\n"


async def test_of_what_is_not_sent_any_more_in_between_the_body_stays(shelf: Shelf) -> None:
    house = House(shelf)
    sent = await house.put(State.SENT)
    seen = await house.retention.over(shelf.now)
    shelf.database._writer.execute("UPDATE outbox SET state = 'held' WHERE id = ?", (sent,))
    assert await house.retention.drop_bodies_of(seen) == 0
    assert (house.parts(), await house.kept(sent)) == ([HEADER + b"hello\r\n"], "whole")


async def test_what_a_person_called_sent_is_kept_whole_as_long_as_what_failed(shelf: Shelf) -> None:
    house = House(shelf)
    one = await house.put(State.QUEUED)
    message = await shelf.claimed()
    await shelf.outbox.finish(message, Outcome(Cause.UNCLEAR), Next(State.UNCERTAIN, NOON, Cause.UNCLEAR))
    await shelf.outbox.resolve(one)
    shelf.now += DAY
    assert await house.keeping.round() == (0, 0)
    shelf.now += 30 * DAY
    assert await house.keeping.round() == (0, 1)


async def test_more_than_a_batch_goes_in_one_round(shelf: Shelf) -> None:
    house = House(shelf)
    for number in range(450):
        one = queue_id(NOON, lambda count, number=number: number.to_bytes(count, "big"))  # type: ignore[misc]
        body = InMemory(HEADER + b"x")
        await shelf.outbox.enqueue(NewMessage(one, 1, "p", ENVELOPE, "<m@x>", body.size, body.pieces))
    for message in await shelf.outbox.claim(1, 1000):
        await shelf.outbox.finish(message, Outcome(Cause.ACCEPTED), Next(State.SENT, NOON))
    assert await house.keeping.round() == (450, 0)
    shelf.now += 31 * DAY
    assert await house.keeping.round() == (0, 450)


async def test_room_is_given_back(shelf: Shelf) -> None:
    house = House(shelf)
    await house.put(State.SENT, body=b"x" * 40 * PART_BYTES)
    await house.keeping.round()
    free, whole = await house.retention.room()
    assert free > 1000
    await house.retention.give_back()
    assert await house.retention.room() == (free - 1000, whole - 1000)


@pytest.mark.parametrize("name", ["retention_over", "retention_unlink"])
async def test_what_is_looked_for_often_has_an_index(shelf: Shelf, name: str) -> None:
    from pillarbox.store.database import queries

    given: dict[str, float | str] = {"since": 0.0, "limit": 1, "seqs": "[]", "doubts": "[]"}
    plan = shelf.database._writer.execute("EXPLAIN QUERY PLAN " + queries("sqlite")[name], given)
    assert not [row for row in plan if str(row[-1]).endswith("SCAN outbox")]


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.DEFERRED, State.HELD, State.UNCERTAIN])
async def test_what_says_whose_copies_are_in_sent_items_stays_while_a_twin_waits(shelf: Shelf, state: State) -> None:
    house = House(shelf)
    old, other = await house.put(State.SENT), await house.put(State.SENT)
    shelf.now += DAY
    twin = await house.put(state)
    write = shelf.database._writer.execute
    write("UPDATE outbox SET message_id = '<one@scanner>' WHERE id IN (?, ?)", (old, twin))
    shelf.now += 1
    assert (await house.keeping.round(0.0)).messages == 1
    assert (await house.kept(old) is not None, await house.kept(other)) == (True, None)
    write("UPDATE outbox SET state = 'sent', finished_at = ? WHERE id = ?", (shelf.now, twin))
    shelf.now += DAY
    assert (await house.keeping.round(0.0)).messages == 2


@pytest.mark.parametrize("state", [State.FAILED, State.BOUNCED, State.CANCELED])
async def test_what_was_sent_stays_longer_than_a_twin_that_a_person_may_retry(shelf: Shelf, state: State) -> None:
    """Retried, and cut off, that would be taken for sent by the copy of this one."""
    house = House(shelf)
    await house.put(State.SENT)
    shelf.now += 2 * DAY
    sent = await house.put(State.SENT)
    shelf.now += DAY / 2
    failed = await house.put(state)
    write = shelf.database._writer.execute
    write("UPDATE outbox SET message_id = '<one@scanner>'")
    # It came first, and its 48 hours ended later.
    write("UPDATE outbox SET created_at = created_at - 3600, finished_at = ? WHERE id = ?", (shelf.now + DAY, failed))
    shelf.now += 2 * DAY
    assert (await house.keeping.round(1.5 * DAY)).messages == 1, "what is older by more than a day says nothing of it"
    assert await house.kept(sent) is not None
    assert await house.retention.remove_of([2], shelf.now, shelf.now) == 0
    shelf.now += DAY
    assert (await house.keeping.round(1.5 * DAY)).messages == 2, "and it goes with that one"


async def test_nor_does_it_go_where_the_twin_came_while_it_was_looked_for(shelf: Shelf) -> None:
    house = House(shelf)
    old = await house.put(State.SENT)
    shelf.now += 1
    seqs = await house.retention.old(shelf.now, "~", shelf.now)
    twin = await house.put(State.QUEUED)
    shelf.database._writer.execute("UPDATE outbox SET message_id = '<one@x>' WHERE id IN (?, ?)", (old, twin))
    assert await house.retention.remove_of(seqs, shelf.now, shelf.now) == 0
    assert await house.kept(old) is not None


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.SENT, "cause = ''"),
        (State.FAILED, "draft_id = 'D'"),
        (State.CANCELED, "draft_id = 'D'"),
    ],
)
async def test_of_which_a_copy_or_a_draft_may_lie_in_the_mailbox_stays_for_a_day(
    shelf: Shelf, state: State, told: str
) -> None:
    """A message with the same Message-ID that comes today is not to be taken for sent by that copy."""
    house = House(shelf)
    one = await house.put(state)
    shelf.database._writer.execute("UPDATE outbox SET " + told)
    shelf.now += DAY - 1
    assert (await house.keeping.round(0.0)).messages == 0
    assert await house.kept(one) is not None
    shelf.now += 1
    assert (await house.keeping.round(0.0)).messages == 1


@pytest.mark.parametrize(
    ("cause", "status", "removed"),
    [(Cause.UNCLEAR, 504, 0), (Cause.THROTTLED, 429, 0), (Cause.UNREACHABLE, None, 1)],
)
async def test_so_does_what_was_canceled_in_doubt(shelf: Shelf, cause: Cause, status: int | None, removed: int) -> None:
    house = House(shelf)
    await house.put(State.QUEUED)
    message = await shelf.claimed()
    outcome = Outcome(cause, http_status=status)
    await shelf.outbox.finish(message, outcome, Next(State.DEFERRED, shelf.now, cause))
    await shelf.outbox.cancel(message.id)
    shelf.now += 60
    seqs = await house.retention.old(shelf.now, "~", shelf.now)
    assert (await house.keeping.round(0.0)).messages == removed
    assert await house.retention.remove_of(seqs, shelf.now, shelf.now - DAY) == 0


async def test_a_hundred_thousand_of_one_message_id_are_not_read_for_whom_waits(shelf: Shelf) -> None:
    from pillarbox.store.database import queries

    given: dict[str, float | str] = {"since": 0.0, "copies_since": 0.0, "limit": 1, "before": "~", "seqs": "[]"}
    for name in ("retention_old", "retention_mark_old"):
        rows = shelf.database._writer.execute("EXPLAIN QUERY PLAN " + queries("sqlite")[name], given)
        plan = [str(row[-1]) for row in rows]
        for index in ("outbox_waiting_twins", "outbox_failed_twins"):
            assert any("SEARCH twin USING" in step and index in step for step in plan), plan
