"""Events: what happens to messages and pauses is told by the change itself, in order, and kept for a while."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.errors import NotFound
from pillarbox.core.mail import Approval, Envelope, Outcome, State
from pillarbox.delivery.pauses import PROBED
from pillarbox.store.accounts import Accounts
from pillarbox.store.database import ExpectationFailed, Row, migrations, queries, statement
from pillarbox.store.events import FIELDS, TYPES, EventLog, Mark, happened
from pillarbox.store.limits import EVERYTHING, OPERATOR, LimitStore, Pause, app_scope, end, host_scope, mailbox_scope
from pillarbox.store.messages import NewMessage, Next
from pillarbox.store.outbox import Outbox
from pillarbox.store.sqlite import SqliteDatabase, open_sqlite

ENVELOPE = Envelope("one@x.example", ("a@y.example",))
TOLD = [State.SENT, State.DEFERRED, State.UNCERTAIN, State.HELD, State.FAILED, State.BOUNCED]


@dataclass
class Place:
    """A store with the mailboxes 1 and 2, its outbox and its events."""

    database: SqliteDatabase
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.box = Outbox(self.database, lambda: self.now)
        self.log = EventLog(self.database, lambda: self.now, slice_rows=3)

    async def put(self, one: str, approval: Approval = Approval.NEEDLESS) -> None:
        kept = InMemory(b"mail")
        message = NewMessage(one, 1, "printer", ENVELOPE, f"<{one}@x>", kept.size, kept.pieces, approval=approval)
        await self.box.enqueue(message)

    async def attempt(self, state: State, cause: Cause = Cause.ACCEPTED) -> None:
        (message,) = await self.box.claim(1, 1)
        await self.box.finish(message, Outcome(cause), Next(state, self.now))

    async def told(self) -> list[Row]:
        return (await self.log.page(None, 100))[0]

    async def types(self) -> list[str]:
        return [event["type"] for event in await self.told()]


@pytest.fixture
def place(two_mailboxes: SqliteDatabase) -> Place:
    return Place(two_mailboxes)


# ---- messages


@pytest.mark.parametrize("state", TOLD)
async def test_the_end_of_an_attempt_is_told(place: Place, state: State) -> None:
    await place.put("M")
    await place.attempt(state)
    (event,) = await place.told()
    assert (event["type"], event["subject"], event["mailbox_id"]) == (f"send.{state}", "M", 1)
    assert tuple(event["data"]) == TYPES[event["type"]].data
    assert event["data"] == {
        "mailbox": "one@x.example",
        "submitter": "printer",
        "message_id": "<M@x>",
        "purpose": "",
        "code": "",
        "cause": "",
        "maybe_duplicate": False,
    }


async def test_a_state_that_stays_is_not_told_again(place: Place) -> None:
    await place.put("M")
    await place.attempt(State.HELD)
    await place.database.write(statement("outbox_add_note", id="M", note="a note"))
    assert await place.box.retry("M")
    await place.attempt(State.HELD)
    assert await place.types() == ["send.held"] * 2


async def test_what_waits_for_an_approval_is_held_from_the_first_moment(place: Place) -> None:
    await place.put("M", Approval.WANTED)
    (event,) = await place.told()
    assert (event["type"], event["data"]["code"]) == ("send.held", "outbox.needs_approval")
    assert await place.box.reject("M")
    assert await place.types() == ["send.held", "send.canceled"]


async def test_what_a_crash_cut_off_is_told_at_the_start(place: Place) -> None:
    await place.put("M")
    await place.box.claim(1, 1)
    await place.box.recover("r", "c", (1.0, 2.0))
    assert await place.types() == ["send.uncertain"]


async def test_what_exchange_tells_later_is_told(place: Place) -> None:
    await place.put("M")
    await place.attempt(State.SENT)
    await place.database.write(statement("returns_traced", id="M", delivery="delivered", text="250 ok"))
    await place.database.write(statement("returns_bounced", id="M", text="550 no such user"))
    assert await place.types() == ["send.sent", "send.delivered", "send.undelivered"]
    last = (await place.told())[-1]
    assert last["data"]["text"] == "550 no such user"
    assert tuple(last["data"]) == TYPES[last["type"]].data


async def test_a_change_that_is_undone_tells_nothing(place: Place) -> None:
    await place.put("M")
    with pytest.raises(ExpectationFailed):
        await place.database.write(
            statement("outbox_cancel", id="M", now=1.0), statement("outbox_cancel", expect=1, id="none", now=1.0)
        )
    assert await place.told() == []


def test_no_statement_writes_an_event_of_a_message_by_itself() -> None:
    assert [name for name, sql in queries("sqlite").items() if "INTO events" in sql] == ["event_add"]


# ---- pauses


@pytest.mark.parametrize(
    ("scope", "types", "subject", "mailbox"),
    [
        (mailbox_scope(2), ["mailbox.paused", "mailbox.resumed"], "two@x.example", 2),
        (mailbox_scope(2) + "/smtp.office365.com", ["mailbox.paused", "mailbox.resumed"], "two@x.example", 2),
        (app_scope(1), ["sending.paused", "sending.resumed"], "contoso", None),
        (host_scope("graph.microsoft.com"), ["sending.paused", "sending.resumed"], "host/graph.microsoft.com", None),
        (EVERYTHING, ["sending.paused", "sending.resumed"], "all", None),
    ],
)
@pytest.mark.parametrize("cause", [OPERATOR, *PROBED])
async def test_a_pause_and_its_end_are_told(
    place: Place, scope: str, types: list[str], subject: str, mailbox: int | None, cause: str
) -> None:
    store = LimitStore(place.database, lambda: place.now)
    pause = Pause(scope, cause, None, "why", 1.0)
    await store.pause(pause)
    await store.pause(pause)
    await place.database.write(end(pause))
    events = await place.told()
    assert [event["type"] for event in events] == types
    assert {(event["subject"], event["mailbox_id"]) for event in events} == {(subject, mailbox)}
    assert [tuple(event["data"]) for event in events] == [TYPES[type].data for type in types]
    assert events[0]["data"] == {"scope": scope, "cause": cause, "reason": "why"}


async def test_a_pause_that_ends_by_time_alone_is_not_told(place: Place) -> None:
    store = LimitStore(place.database, lambda: place.now)
    for cause in (Cause.THROTTLED, Cause.QUOTA):
        await store.pause(Pause(mailbox_scope(1), cause, 1.0, "why", 0.0))
    assert await store.pauses(PROBED) == []
    assert await place.told() == []


# ---- reading


async def fill(place: Place, count: int) -> None:
    await place.database.write(
        *(happened("send.sent", f"M{n}", {"n": n}, float(n), 1 + n % 2) for n in range(1, count + 1))
    )


async def test_pages_follow_each_other_without_gap_or_repetition(place: Place) -> None:
    await fill(place, 10)
    seen: list[str] = []
    after = None
    for _ in range(4):
        events, after = await place.log.page(after, 3)
        seen += [event["subject"] for event in events]
    assert seen == [f"M{n}" for n in range(1, 11)]
    assert await place.log.page(after, 3) == ([], Mark(10, 10.0))


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_a_filter_passes_over_others_and_goes_on_behind_them(place: Place, limit: int) -> None:
    await fill(place, 10)
    seen: list[str] = []
    after = Mark(0, None)
    while after.seq < 10:
        events, after = await place.log.page(after, limit, mailboxes=[1])
        seen += [event["subject"] for event in events]
    assert seen == ["M2", "M4", "M6", "M8", "M10"]
    assert await place.log.page(None, limit, mailboxes=[]) == ([], Mark(10, 10.0))
    assert await place.log.page(None, limit, mailboxes=[3]) == ([], Mark(10, 10.0))


async def test_types_that_are_asked_for_come_alone(place: Place) -> None:
    await fill(place, 2)
    await place.database.write(happened("mailbox.signed_in", "one@x.example", {}, 0.0, 1))
    events, after = await place.log.page(None, 9, types=["mailbox.signed_in"])
    assert ([event["type"] for event in events], after) == (["mailbox.signed_in"], Mark(3, 0.0))


async def test_what_is_not_about_a_mailbox_is_for_those_who_see_all(place: Place) -> None:
    await place.database.write(happened("app.credential_ending", "contoso", {}, 0.0, None))
    assert (await place.log.page(None, 9, mailboxes=[1, 2]))[0] == []
    assert len((await place.log.page(None, 9))[0]) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_the_newest_come_in_order_too_and_the_mark_is_behind_all(place: Place, limit: int) -> None:
    await fill(place, 10)
    events, after = await place.log.newest(limit)
    assert [event["seq"] for event in events] == list(range(1, 11))[-limit:]
    assert after == Mark(10, 10.0)
    events, after = await place.log.newest(limit, mailboxes=[2])
    assert [event["seq"] for event in events] == [1, 3, 5, 7, 9][-limit:]
    assert after == Mark(10, 10.0)
    assert await place.log.newest(limit, types=["send.held"]) == ([], Mark(10, 10.0))


async def test_where_nothing_has_happened_the_newest_are_none(place: Place) -> None:
    assert await place.log.newest(5) == ([], Mark(0, None))
    await fill(place, 1)
    assert len((await place.log.page(Mark(0, None), 5))[0]) == 1


# ---- keeping


async def test_old_events_go_in_batches_and_the_last_stays(place: Place) -> None:
    await fill(place, 10)
    place.now = 107.0
    assert [await place.log.forget(100.0, 5) for _ in range(3)] == [5, 2, 0]
    assert [event["seq"] for event in await place.told()] == [8, 9, 10]
    place.now = 1e6
    assert await place.log.forget(100.0, 50) == 2
    # The number of the next event comes of it: a cursor must never stand before one that it has passed.
    assert [event["seq"] for event in await place.told()] == [10]
    await place.database.write(happened("send.sent", "M11", {}, 0.0, 1))
    assert [event["seq"] for event in await place.told()] == [10, 11]


async def test_what_is_older_than_a_forgotten_event_goes_with_it(place: Place) -> None:
    """A clock that was ahead for a while leaves no island, behind which a reader would miss what went."""
    for at in (1.0, 9e9, 2.0, 9e9, 500.0):
        await place.database.write(happened("send.sent", "M", {}, at, 1))
    place.now = 110.0
    assert await place.log.forget(100.0, 50) == 3
    assert [event["seq"] for event in await place.told()] == [4, 5]


async def gone(place: Place, mark: Mark) -> bool:
    try:
        await place.log.page(mark, 10)
    except NotFound as error:
        return error.code == "events.gone"
    return False


async def test_a_mark_before_what_is_kept_is_told(place: Place) -> None:
    await fill(place, 10)
    place.now = 104.0
    await place.log.forget(100.0, 50)
    assert [await gone(place, Mark(seq, float(seq))) for seq in (3, 4, 5, 10)] == [True, False, False, False]
    assert await gone(place, Mark(11, 11.0))


async def test_a_mark_of_a_store_that_was_put_back_is_told_also_when_its_number_is_given_again(place: Place) -> None:
    await fill(place, 4)
    _, before = await place.log.page(None, 3)
    _, mark = await place.log.page(None, 10)
    # The backup held three events; another fourth has happened since.
    place.database._writer.execute("DELETE FROM events WHERE seq = 4")
    await place.database.write(happened("send.failed", "OTHER", {}, 4.5, 1))
    assert await gone(place, mark)
    events, _ = await place.log.page(before, 10)
    assert [event["subject"] for event in events] == ["OTHER"]


async def test_what_is_forgotten_while_a_page_is_read_is_told(place: Place) -> None:
    await fill(place, 10)
    place.now = 107.0

    class Slow(EventLog):
        """A log of which some is forgotten between the look at its bounds and the reading."""

        async def _bounds(self, seq: int = 0) -> tuple[int, int, float | None]:
            found = await super()._bounds(seq)
            await place.log.forget(100.0, 50)
            return found

    with pytest.raises(NotFound):
        await Slow(place.database, lambda: place.now).page(Mark(2, 2.0), 100)


@given(
    numbers=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    limits=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    slice_rows=st.integers(1, 30),
)
@settings(max_examples=25, deadline=None)
async def test_readers_beside_writers_see_every_event_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], limits: list[int], slice_rows: int
) -> None:
    database = await open_sqlite(tmp_path_factory.mktemp("feed") / "store.db", on_death=print)
    log, count = EventLog(database, lambda: 0.0, slice_rows), sum(numbers)

    async def write(writer: int, number: int) -> None:
        for one in range(number):
            await database.write(happened("send.sent", f"{writer}.{one}", {}, 0.0, one % 2))

    async def read(limit: int, mailboxes: list[int] | None) -> list[Row]:
        seen, after = list[Row](), None
        while after is None or after.seq < count:
            events, after = await log.page(after, limit, mailboxes=mailboxes)
            seen += events
        return seen

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read(limit, only)) for limit in limits for only in (None, [1])]
        for writer, number in enumerate(numbers):
            tasks.create_task(write(writer, number))
    for whole, odd in zip(readers[::2], readers[1::2], strict=True):
        assert [event["seq"] for event in whole.result()] == list(range(1, count + 1))
        assert odd.result() == [event for event in whole.result() if event["mailbox_id"] == 1]
    await database.close()


async def test_the_events_of_a_mailbox_that_left_are_not_those_of_the_next_one(
    database: SqliteDatabase, accounts: Accounts, app: AppRegistration, mailbox: Mailbox
) -> None:
    await accounts.needs_sign_in(mailbox, "code")
    assert await accounts.remove_mailbox(mailbox)
    again = await accounts.add_mailbox("next@contoso.example", app)
    assert again is not None
    assert again.id != mailbox.id
    log = EventLog(database, lambda: 0.0)
    assert (await log.page(None, 9, mailboxes=[again.id]))[0] == []
    assert len((await log.page(None, 9))[0]) == 1


# ---- an older store


async def test_events_of_an_older_store_are_their_mailboxes(tmp_path: Path) -> None:
    path, old = tmp_path / "store.db", migrations("sqlite")[:4]
    database = await open_sqlite(path, on_death=print, steps=old)
    connection = database._writer
    connection.execute("INSERT INTO apps VALUES (1, 'a', 't', 'c', 0.0)")
    for address in ("one@x.example", "two@x.example"):
        connection.execute(
            "INSERT INTO mailboxes (address, address_key, app_id, created_at) VALUES (?, ?, 1, 0.0)", (address, address)
        )
    for subject in ("two@x.example", "gone@x.example"):
        connection.execute(
            "INSERT INTO events (type, subject, data, created_at) VALUES ('mailbox.signed_in', ?, '{}', 0.0)",
            (subject,),
        )
    await database.close()
    database = await open_sqlite(path, on_death=print)
    events, _ = await EventLog(database, lambda: 0.0).page(None, 9)
    assert [(event["subject"], event["mailbox_id"]) for event in events] == [
        ("two@x.example", 2),
        ("gone@x.example", None),
    ]
    await database.close()


# ---- the table of types


def test_every_type_that_the_schema_writes_is_in_the_table() -> None:
    sql = "".join(step.sql for step in migrations("sqlite"))
    written = {word for word in TYPES if f"'{word}'" in sql} | {f"send.{state}" for state in (*TOLD, State.CANCELED)}
    elsewhere = {
        *("mailbox.signed_in", "mailbox.needs_sign_in", "app.credential_ending", "listener.certificate_ending"),
        *("connect_link.completed", "connect_link.failed"),
    }
    assert written | elsewhere == set(TYPES)


def test_all_data_of_events_are_described_and_nothing_else() -> None:
    assert {name for type in TYPES.values() for name in type.data} == set(FIELDS)
