"""The duplicate window: what is the same message handed in again, and that nothing else is swallowed."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.content import in_memory
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.delivery.submission import Submission
from pillarbox.delivery.window import LENGTH, Handover, Window
from pillarbox.store.database import Row, Statement
from pillarbox.store.messages import NewMessage, Next
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import open_sqlite
from tests.unit.delivery.conftest import Shelf

ALARM = b"Message-ID: <1@x>\r\nFrom: one@contoso.example\r\nSubject: fire\r\n\r\nfire\r\n"
ENVELOPE = Envelope("one@contoso.example", ("a@x.example", "b@x.example"))


class Door:
    """Hands messages in, each over a connection of its own."""

    def __init__(self, shelf: Shelf, submission: Submission | None = None) -> None:
        self.shelf = shelf
        self.submission = submission or shelf.submission()

    async def open(self, mime: bytes = ALARM, envelope: Envelope = ENVELOPE, name: str = "") -> tuple[str, Handover]:
        """Over a connection that stays open."""
        handover = Handover()
        submitter = replace(self.shelf.submitter, name=name) if name else self.shelf.submitter
        return await self.submission.accept(envelope, in_memory(mime), submitter, handover=handover), handover

    async def heard(self, mime: bytes = ALARM, envelope: Envelope = ENVELOPE, name: str = "") -> str:
        """The client goes on after our 250."""
        queue_id, handover = await self.open(mime, envelope, name)
        handover.heard()
        return queue_id

    async def lost(self, mime: bytes = ALARM, envelope: Envelope = ENVELOPE, name: str = "") -> str:
        """The connection ends before the client has gone on."""
        queue_id, handover = await self.open(mime, envelope, name)
        handover.lost()
        return queue_id


@pytest.fixture
def door(shelf: Shelf) -> Door:
    return Door(shelf)


async def row(shelf: Shelf, queue_id: str) -> Row:
    found = await shelf.outbox.get(queue_id)
    assert found is not None
    return found


# ---- the same message


async def test_the_retry_after_a_lost_250_is_the_same_message(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    shelf.now += 60
    assert await door.heard() == first
    assert await shelf.outbox.count() == {"queued": 1}
    (note,) = (await row(shelf, first))["notes"]
    assert note.startswith("Handed in again at 2026-11-20T12:01:00+00:00 from ")
    assert len(shelf.lines.lines("mail.handed_in_again")) == 1


async def test_a_retry_that_is_lost_too_is_tried_once_more(shelf: Shelf, door: Door) -> None:
    assert len({await door.lost(), await door.lost(), await door.lost()}) == 1


async def test_recipients_may_come_in_another_order_or_twice(door: Door) -> None:
    first = await door.lost()
    assert await door.lost(envelope=Envelope("one@contoso.example", ("b@x.example", "a@x.example"))) == first


async def test_while_the_first_is_written_its_retry_waits_for_it(shelf: Shelf) -> None:
    slow = SlowOutbox(shelf)
    door = Door(shelf, shelf.submission(outbox=slow, window=Window(slow, shelf.clock)))
    handover = Handover()
    first = asyncio.create_task(door.submission.accept(ENVELOPE, in_memory(ALARM), shelf.submitter, handover=handover))
    await slow.writing.wait()
    handover.lost()
    second = asyncio.create_task(door.heard())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not second.done()
    slow.may_go_on.set()
    assert await second == await first
    assert await shelf.outbox.count() == {"queued": 1}


async def test_when_the_first_could_not_be_written_its_retry_is_a_new_message(shelf: Shelf) -> None:
    slow = SlowOutbox(shelf, fails=True)
    door = Door(shelf, shelf.submission(outbox=slow, window=Window(slow, shelf.clock)))
    handover = Handover()
    first = asyncio.create_task(door.submission.accept(ENVELOPE, in_memory(ALARM), shelf.submitter, handover=handover))
    await slow.writing.wait()
    handover.lost()
    second = asyncio.create_task(door.heard())
    await asyncio.sleep(0)
    slow.may_go_on.set()
    with pytest.raises(Unavailable):
        await first
    assert await second
    assert await shelf.outbox.count() == {"queued": 1}


class SlowOutbox(Outbox):
    """Writes the first message when it may, or not at all."""

    def __init__(self, shelf: Shelf, *, fails: bool = False) -> None:
        super().__init__(shelf.database, shelf.clock)
        self.fails = fails
        self.writing, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def enqueue(self, message: NewMessage, also: Sequence[Statement] = ()) -> None:
        if not self.writing.is_set():
            self.writing.set()
            await self.may_go_on.wait()
            if self.fails:
                raise Unavailable("store.full")
        await super().enqueue(message, also)


# ---- another message


async def test_a_repeated_alarm_is_not_swallowed(shelf: Shelf, door: Door) -> None:
    assert len({await door.heard() for _ in range(5)}) == 5


async def test_a_deliberate_resend_after_the_retry_is_not_swallowed(door: Door) -> None:
    first = await door.lost()
    assert await door.heard() == first
    assert await door.heard() != first


async def test_two_connections_that_are_open_hand_in_two_messages(door: Door) -> None:
    first, connection = await door.open()
    assert await door.heard() != first
    connection.lost()
    assert await door.heard() == first


OTHERS = {
    "split recipients": (ALARM, Envelope("one@contoso.example", ("a@x.example",)), ""),
    "other recipients": (ALARM, Envelope("one@contoso.example", ("a@x.example", "c@x.example")), ""),
    "another sender": (ALARM, Envelope("", ENVELOPE.recipients), ""),
    "another submitter": (ALARM, ENVELOPE, "other"),
    "another Message-ID": (ALARM.replace(b"<1@x>", b"<2@x>"), ENVELOPE, ""),
    "another header": (ALARM.replace(b"Subject: fire", b"Subject: fires"), ENVELOPE, ""),
    "another body": (ALARM + b".\r\n", ENVELOPE, ""),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
async def test_what_differs_is_another_message(shelf: Shelf, door: Door, other: tuple[bytes, Envelope, str]) -> None:
    assert len({await door.lost(), await door.lost(*other)}) == 2


async def test_split_recipients_reach_everybody_whatever_was_lost(shelf: Shelf) -> None:
    door = Door(shelf)
    halves = [Envelope("one@contoso.example", (f"{name}@x.example",)) for name in "abcd"]
    assert len({await door.lost(envelope=half) for half in (*halves, *halves)}) == 4


@pytest.mark.parametrize("missing", [b"", b"Message-ID:\r\n", b"Message-ID: \r\n \r\n"])
async def test_without_a_message_id_there_is_no_window(door: Door, missing: bytes) -> None:
    mime = ALARM.replace(b"Message-ID: <1@x>\r\n", missing)
    assert await door.lost(mime) != await door.lost(mime)


async def test_a_door_that_knows_of_no_connections_has_no_window(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    assert await door.submission.accept(ENVELOPE, in_memory(ALARM), shelf.submitter) != first


@pytest.mark.parametrize("state", [State.FAILED, State.BOUNCED, State.CANCELED])
async def test_what_was_not_sent_is_sent_when_it_is_handed_in_again(shelf: Shelf, door: Door, state: State) -> None:
    first = await door.lost()
    if state is State.CANCELED:
        await shelf.outbox.cancel(first)
    else:
        message = await shelf.claimed()
        await shelf.outbox.finish(message, Outcome(Cause.BAD_CONTENT), Next(state, 0.0))
    assert await door.lost() != first


@pytest.mark.parametrize("state", [State.SENT, State.DEFERRED, State.HELD, State.UNCERTAIN])
async def test_what_was_sent_or_may_be_is_not_sent_again(shelf: Shelf, door: Door, state: State) -> None:
    first = await door.lost()
    message = await shelf.claimed()
    await shelf.outbox.finish(message, Outcome(Cause.ACCEPTED), Next(state, 0.0))
    assert await door.lost() == first


# ---- time


async def test_after_an_hour_it_is_a_new_message(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    shelf.running += LENGTH
    assert await door.lost() == first
    shelf.running += 1
    assert await door.lost() != first


@pytest.mark.parametrize("jump", [-86_400.0 * 3650, -3600.0, 7200.0, 86_400.0 * 3650])
async def test_a_clock_that_is_set_neither_opens_nor_closes_the_window(shelf: Shelf, door: Door, jump: float) -> None:
    first = await door.lost()
    heard = await door.heard(ALARM + b"other\r\n")
    shelf.now += jump
    assert await door.lost() == first
    assert await door.heard(ALARM + b"other\r\n") != heard


async def test_what_was_heard_is_not_remembered(shelf: Shelf) -> None:
    window = Window(shelf.outbox, shelf.clock)
    door = Door(shelf, shelf.submission(window=window))
    for _ in range(3):
        await door.heard()
    assert (len(window._entries), len(window._by_fingerprint)) == (0, 0)


async def test_what_could_not_be_written_is_not_remembered(shelf: Shelf) -> None:
    window = Window(shelf.outbox, shelf.clock)
    door = Door(shelf, shelf.submission(window=window, backlog=(0, 0)))
    with pytest.raises(Unavailable):
        await door.open()
    assert len(window._entries) == 0


async def test_what_is_no_retry_costs_no_query(shelf: Shelf) -> None:
    counting = CountingOutbox(shelf.database, shelf.clock)
    door = Door(shelf, shelf.submission(outbox=counting, window=Window(counting, shelf.clock)))
    for _ in range(3):
        await door.heard()
        await door.open()
    assert counting.asked == 0


class CountingOutbox(Outbox):
    asked = 0

    async def get(self, queue_id: str) -> Row | None:
        self.asked += 1
        return await super().get(queue_id)


# ---- another process


async def again(shelf: Shelf) -> Door:
    """The door after a start."""
    window = Window(shelf.outbox, shelf.clock, lambda: shelf.running)
    await window.load()
    return Door(shelf, shelf.submission(window=window))


async def test_after_a_crash_nobody_knows_what_was_heard(shelf: Shelf, door: Door) -> None:
    first = await door.heard()
    assert await (await again(shelf)).heard() == first


KILLED = """
import asyncio, os, signal, sys
from dataclasses import replace
from pathlib import Path
from tests.unit.delivery.conftest import Shelf
from tests.unit.delivery.test_window import Door
from pillarbox.store.sqlite import open_sqlite

async def main():
    shelf = Shelf(await open_sqlite(Path(sys.argv[1]), on_death=print))
    shelf.mailboxes += await shelf.accounts.mailboxes()
    print(await Door(shelf).heard(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_after_a_kill_the_retry_of_what_was_acknowledged_is_the_same_message(
    shelf: Shelf, tmp_path: Path
) -> None:
    await shelf.database.close()
    store = tmp_path / "store.db"
    arguments = (sys.executable, "-c", KILLED, str(store))
    killed = await asyncio.create_subprocess_exec(*arguments, cwd=Path(__file__).parents[3], stdout=PIPE)
    output, _ = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    after = Shelf(await open_sqlite(store, on_death=print), mailboxes=shelf.mailboxes)
    assert await (await again(after)).heard() == output.decode().strip()
    await after.database.close()


async def test_after_a_clean_stop_only_what_was_not_heard_is_the_same_message(shelf: Shelf) -> None:
    window = Window(shelf.outbox, shelf.clock)
    door = Door(shelf, shelf.submission(window=window))
    heard, lost = await door.heard(), await door.lost(ALARM + b"lost\r\n")
    still_open, _ = await door.open(ALARM + b"open\r\n")
    await window.save()
    later = await again(shelf)
    assert await later.heard() != heard
    assert await later.heard(ALARM + b"lost\r\n") == lost
    assert await later.heard(ALARM + b"open\r\n") == still_open


async def test_what_a_crash_left_unknown_stays_so_over_a_clean_stop(shelf: Shelf, door: Door) -> None:
    first = await door.heard()
    between = Window(shelf.outbox, shelf.clock)
    await between.load()
    await between.save()
    assert await (await again(shelf)).heard() == first


async def test_what_is_older_than_an_hour_is_not_loaded(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    shelf.now += LENGTH + 1
    assert await (await again(shelf)).lost() != first


async def test_the_time_before_a_crash_counts(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    shelf.now += 1800
    later = await again(shelf)
    shelf.running += 1800
    assert await later.lost() == first
    shelf.running += 1
    assert await later.lost() != first


async def test_a_clock_that_went_back_over_a_crash_forgets_nothing(shelf: Shelf, door: Door) -> None:
    first = await door.lost()
    shelf.now -= 86_400
    later = await again(shelf)
    assert await later.lost() == first
    shelf.running += LENGTH + 1
    assert await later.lost() != first


async def test_a_store_that_fails_at_the_stop_stops_nothing(shelf: Shelf) -> None:
    window = Window(shelf.outbox, shelf.clock)
    await shelf.database.close()
    await window.save()
