"""The outbox: what is claimed when, what each change of state allows, and what a crash leaves."""

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.errors import Unavailable
from pillarbox.core.mail import Arrival, Dsn, Envelope, Outcome, State
from pillarbox.store.database import ExpectationFailed, Row, queries
from pillarbox.store.messages import Claimed, NewMessage, Next
from pillarbox.store.outbox import INTERRUPTED, Outbox
from pillarbox.store.parts import PART_BYTES
from pillarbox.store.sqlite import SqliteDatabase

ENVELOPE = Envelope("s@x.example", ("ü@y.example", "b@y.example"))

SETTLE = (120.0, 300.0, 900.0)


@dataclass
class Bench:
    """An outbox with two mailboxes, and its time."""

    database: SqliteDatabase
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.box = Outbox(self.database, lambda: self.now)

    async def put(self, *ids: str, mailbox: int = 1, mime: bytes = b"mail") -> None:
        for one in ids:
            kept = InMemory(mime)
            message_id = f"<{one}@x>"
            await self.box.enqueue(NewMessage(one, mailbox, "printer", ENVELOPE, message_id, kept.size, kept.pieces))

    async def claim(self, limit: int = 9) -> list[str]:
        return [message.id for message in await self.box.claim(1, limit)]

    async def attempt(self, outcome: Outcome, state: State, due_at: float = 0.0) -> Claimed:
        """Claim the oldest message, start it, and finish it with this outcome in this state."""
        (message,) = await self.box.claim(1, 1)
        await self.box.finish(message, outcome, Next(state, due_at), ["a note"])
        return message

    async def brought_to(self, state: State) -> str:
        """A message in that state."""
        await self.put("M")
        if state is State.CANCELED:
            await self.box.cancel("M")
        elif state is State.SENDING:
            await self.box.claim(1, 1)
        elif state is not State.QUEUED:
            await self.attempt(Outcome(Cause.ACCEPTED), state, self.now + 60)
        return "M"

    async def row(self, queue_id: str) -> Row:
        found = await self.box.get(queue_id)
        assert found is not None
        return found


@pytest.fixture
def bench(two_mailboxes: SqliteDatabase) -> Bench:
    return Bench(two_mailboxes)


# ---- in and out


async def test_a_message_comes_out_as_it_went_in(bench: Bench) -> None:
    await bench.put("M")
    (message,) = await bench.box.claim(1, 1)
    assert (message.id, message.envelope, message.submitter, message.size) == ("M", ENVELOPE, "printer", 4)
    assert (message.created_at, message.attempt) == (1000.0, 1)
    assert (await bench.row("M"))["recipients"] == list(ENVELOPE.recipients)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7])
async def test_the_body_is_kept_in_pieces(bench: Bench, size: int) -> None:
    mime = bytes(range(256)) * (size // 256 + 1)
    await bench.put("M", mime=mime[:size])
    (message,) = await bench.box.claim(1, 1)
    pieces = [piece async for piece in bench.box.body(message)]
    assert b"".join(pieces) == mime[:size]
    assert [len(piece) for piece in pieces[:-1]] == [PART_BYTES] * (len(pieces) - 1)
    assert all(0 < len(piece) <= PART_BYTES for piece in pieces)


@pytest.mark.parametrize("come", [0, PART_BYTES + 1])
async def test_what_is_not_there_to_its_end_when_it_is_written_is_not_kept(bench: Bench, come: int) -> None:
    size = 2 * PART_BYTES
    short = NewMessage("M", 1, "printer", ENVELOPE, "<m@x>", size, lambda: iter([bytes(come)] if come else []))
    with pytest.raises(Unavailable):
        await bench.box.enqueue(short)
    assert await bench.box.count() == {}
    await bench.put("A")
    assert await bench.box.count() == {"queued": 1}


# ---- claims


async def test_the_oldest_come_first_and_no_more_than_asked(bench: Bench) -> None:
    await bench.put("A", "B", "C")
    assert (await bench.claim(2), await bench.claim(2), await bench.claim(2)) == (["A", "B"], ["C"], [])


async def test_what_came_due_first_goes_first(bench: Bench) -> None:
    await bench.put("LATE")
    await bench.attempt(Outcome(Cause.UNREACHABLE), State.DEFERRED, 1500.0)
    bench.now = 1400.0
    await bench.put("EARLY")
    bench.now = 1500.0
    assert await bench.claim() == ["EARLY", "LATE"]


async def test_what_is_not_due_is_not_claimed(bench: Bench) -> None:
    await bench.put("M")
    await bench.attempt(Outcome(Cause.UNREACHABLE), State.DEFERRED, 1060.0)
    bench.now = 1059.9
    assert await bench.claim() == []
    assert await bench.box.due() == {1: (1060.0, 1060.0)}
    bench.now = 1060.0
    assert await bench.claim() == ["M"]


@pytest.mark.parametrize(
    ("back", "wait", "left"),
    [(3600.0, 30.0, 30.0), (7000.0, 30.0, 30.0), (3e8, 30.0, 0.0), (0.0, 30.0, 30.0), (-20.0, 30.0, 10.0)],
)
async def test_a_clock_that_went_back_makes_no_wait_longer(bench: Bench, back: float, wait: float, left: float) -> None:
    await bench.put("A")
    await bench.attempt(Outcome(Cause.BUSY), State.DEFERRED, bench.now + wait)
    bench.now -= back
    await bench.box.clock_went_back(120.0, 900.0)
    bench.now += left - 1
    assert await bench.claim() == []
    bench.now += 1
    assert await bench.claim() == ["A"]


async def test_only_this_mailboxs_messages_are_claimed(bench: Bench) -> None:
    await bench.put("OTHER", mailbox=2)
    assert await bench.claim() == []
    assert await bench.box.due() == {2: (1000.0, math.inf)}


async def test_a_claim_begins_the_attempt_and_brings_the_first_part(bench: Bench) -> None:
    await bench.put("M")
    (message,) = await bench.box.claim(1, 1)
    assert (message.attempt, message.started_at, message.part) == (1, 1000.0, b"mail")
    assert (message.mailbox.address, message.mailbox.app.name) == ("one@x.example", "contoso")
    row = await bench.row("M")
    assert (row["state"], row["started_at"], row["attempts"]) == ("sending", 1000.0, 1)


# ---- results


async def test_an_attempt_is_kept_with_microsofts_words(bench: Bench) -> None:
    await bench.put("M")
    outcome = Outcome(Cause.BAD_CONTENT, "ErrorX", "text", "cure", 400, "req-1")
    message = await bench.attempt(outcome, State.FAILED, 1000.0)
    row, (attempt,) = await bench.row("M"), await bench.box.attempts(message.seq)
    assert [row[name] for name in ("state", "code", "reason", "cure", "request_id")] == [
        "failed",
        "ErrorX",
        "text",
        "cure",
        "req-1",
    ]
    assert (row["finished_at"], row["started_at"]) == (1000.0, None)
    assert (attempt["number"], attempt["verdict"], attempt["http_status"]) == (1, "refused", 400)
    assert (attempt["request_id"], attempt["notes"]) == ("req-1", ["a note"])


async def test_attempts_are_counted_on(bench: Bench) -> None:
    await bench.put("M")
    for _ in range(3):
        message = await bench.attempt(Outcome(Cause.UNREACHABLE, http_status=429), State.DEFERRED, 1000.0)
    assert [attempt["number"] for attempt in await bench.box.attempts(message.seq)] == [1, 2, 3]


async def test_a_result_of_what_is_not_being_sent_changes_nothing(bench: Bench) -> None:
    await bench.put("M")
    message = await bench.attempt(Outcome(Cause.ACCEPTED), State.SENT)
    with pytest.raises(ExpectationFailed):
        await bench.box.finish(message, Outcome(Cause.BAD_CONTENT), Next(State.FAILED, 0.0))
    assert ((await bench.row("M"))["state"], len(await bench.box.attempts(message.seq))) == ("sent", 1)


@pytest.mark.parametrize("late", ["finish", "give_back", "keep_draft", "keep_copy_at"])
async def test_what_an_attempt_that_is_over_comes_to_changes_nothing_of_the_next_one(bench: Bench, late: str) -> None:
    await bench.put("M")
    over = await bench.attempt(Outcome(Cause.UNREACHABLE), State.DEFERRED, 1000.0)
    (message,) = await bench.box.claim(1, 1)
    acts: dict[str, Callable[[], Awaitable[None]]] = {
        "finish": lambda: bench.box.finish(over, Outcome(Cause.ACCEPTED), Next(State.SENT, 0.0)),
        "give_back": lambda: bench.box.give_back(over),
        "keep_draft": lambda: bench.box.keep_draft(over, "DRAFT"),
        "keep_copy_at": lambda: bench.box.keep_copy_at(over, "dora@contoso.example"),
    }
    with pytest.raises(ExpectationFailed):
        await acts[late]()
    row = await bench.row("M")
    assert (row["state"], row["attempts"], row["draft_id"]) == ("sending", message.attempt, "")


async def test_where_the_copy_of_an_attempt_may_lie_outlives_a_crash_but_not_the_next_attempt(bench: Bench) -> None:
    await bench.put("M")
    (message,) = await bench.box.claim(1, 1)
    await bench.box.keep_copy_at(message, "dora@contoso.example")
    await bench.box.recover("", "", SETTLE)
    bench.now += SETTLE[-1]
    (doubted,) = await bench.box.doubtful(1, 1, 60.0)
    assert doubted.copy_at == "dora@contoso.example"
    await bench.box.looked(doubted, Next(State.QUEUED, bench.now), "not there")
    await bench.box.claim(1, 1)
    assert (await bench.row("M"))["copy_at"] == ""


@pytest.mark.parametrize("state", [State.HELD, State.DEFERRED])
async def test_a_claimed_message_that_does_not_go_is_held_if_it_was(bench: Bench, state: State) -> None:
    await bench.put("M")
    (message,) = await bench.box.claim(1, 1)
    await bench.box.finish(message, Outcome(Cause.BLOCKED, "code"), Next(state, 1000.0, Cause.BLOCKED, 1))
    taken = await (bench.box.claim_held(1, [Cause.BLOCKED]) if state is State.HELD else bench.box.claim(1, 1))
    await bench.box.give_back(taken[0])
    row = await bench.row("M")
    expected = "held" if state is State.HELD else "queued"
    assert (row["state"], row["attempts"], row["code"], row["cause"]) == (expected, 1, "code", "blocked")


# ---- after a crash


async def test_what_a_former_version_claimed_and_had_not_begun_is_queued_again(bench: Bench) -> None:
    await bench.put("M")
    await bench.claim()
    bench.database._writer.execute("UPDATE outbox SET started_at = NULL")
    assert await bench.box.recover("reason", "cure", SETTLE) == []
    assert await bench.claim() == ["M"]


async def test_what_was_begun_is_uncertain_with_an_attempt_in_the_trace(bench: Bench) -> None:
    await bench.put("M")
    (message,) = await bench.box.claim(1, 1)
    assert await bench.box.recover("reason", "cure", SETTLE) == ["M"]
    row, (attempt,) = await bench.row("M"), await bench.box.attempts(message.seq)
    assert [row[name] for name in ("state", "code", "reason", "cure")] == ["uncertain", INTERRUPTED, "reason", "cure"]
    assert (attempt["number"], attempt["verdict"], attempt["code"]) == (1, "uncertain", INTERRUPTED)
    assert await bench.claim() == []


RESTING = [state for state in State if state is not State.SENDING]


@pytest.mark.parametrize("state", RESTING)
async def test_what_was_not_being_sent_stays_as_it_is(bench: Bench, state: State) -> None:
    message = await bench.brought_to(state)
    before = await bench.row(message)
    assert await bench.box.recover("reason", "cure", SETTLE) == []
    assert await bench.row(message) == before


# ---- by hand

RETRIED = {State.HELD, State.UNCERTAIN, State.DEFERRED, State.FAILED, State.BOUNCED, State.CANCELED}
CANCELED = {State.QUEUED, State.DEFERRED, State.HELD, State.UNCERTAIN, State.FAILED}


@pytest.mark.parametrize("state", State)
async def test_what_can_be_sent_again(bench: Bench, state: State) -> None:
    message = await bench.brought_to(state)
    retried = await bench.box.retry(message)
    assert (retried and retried["state"]) == ("queued" if state in RETRIED else None)
    assert (await bench.row(message))["state"] == ("queued" if state in RETRIED else state)
    assert bool(await bench.claim()) == (state in RETRIED | {State.QUEUED})


@pytest.mark.parametrize("state", State)
async def test_what_can_be_canceled(bench: Bench, state: State) -> None:
    message = await bench.brought_to(state)
    canceled = await bench.box.cancel(message)
    assert (canceled and canceled["state"]) == ("canceled" if state in CANCELED else None)
    assert (await bench.row(message))["state"] == ("canceled" if state in CANCELED else state)
    assert bool(await bench.claim()) == (state not in CANCELED and state is State.QUEUED)


REFUSED = Outcome(Cause.BAD_CONTENT, "ErrorX", "text", "cure", 400, "req-1")
WORDS = ("code", "reason", "cure")


async def test_a_message_that_is_sent_again_has_no_former_reason(bench: Bench) -> None:
    await bench.put("M")
    await bench.attempt(REFUSED, State.HELD)
    row = await bench.row("M")
    assert [row[name] for name in (*WORDS, "request_id")] == ["ErrorX", "text", "cure", "req-1"]
    assert await bench.box.retry("M") == (row := await bench.row("M"))
    assert [row[name] for name in (*WORDS, "request_id")] == ["", "", "", ""]


async def test_a_canceled_message_needs_no_cure(bench: Bench) -> None:
    await bench.put("M")
    await bench.attempt(REFUSED, State.HELD)
    assert await bench.box.cancel("M") == await bench.row("M")
    assert [(await bench.row("M"))[name] for name in WORDS] == ["", "", ""]


async def test_a_message_that_is_not_there(bench: Bench) -> None:
    assert (await bench.box.retry("X"), await bench.box.cancel("X"), await bench.box.get("X")) == (None, None, None)


# ---- lists


async def test_pages_go_from_the_newest_back(bench: Bench) -> None:
    await bench.put("A", "B", "C", "D", "E")

    async def page(before: str | None, state: str | None = None) -> list[str]:
        return [row["id"] for row in (await bench.box.page(2, state=state, before=before))[0]]

    assert (await page(None), await page("D"), await page("B"), await page("A")) == (["E", "D"], ["C", "B"], ["A"], [])
    await bench.box.cancel("C")
    assert (await page(None, "canceled"), await page(None, "sent")) == (["C"], [])
    assert await bench.box.count() == {"queued": 4, "canceled": 1}


async def test_messages_are_found_by_their_message_id_whatever_their_mailbox(bench: Bench) -> None:
    await bench.put("A", "B", "C")
    await bench.put("D", mailbox=2)
    other = InMemory(b"mail")
    for one, mailbox in (("E", 1), ("F", 2), ("G", 2)):
        await bench.box.enqueue(NewMessage(one, mailbox, "printer", ENVELOPE, "<B@x>", other.size, other.pieces))

    async def page(**more: Any) -> tuple[list[str], str | None]:
        rows, last = await bench.box.page(2, message_id="<B@x>", **more)
        return [row["id"] for row in rows], last

    assert await page() == (["G", "F"], "F")
    assert await page(before="F") == (["E", "B"], "B")
    assert await page(before="B") == ([], None)
    assert await page(mailboxes=[1]) == (["E", "B"], "B")
    assert await page(since="F") == (["G", "F"], "F")
    assert (await page(state="sent"), await page(submitter="fax")) == (([], None), ([], None))
    assert await bench.box.page(2, message_id="<Z@x>") == ([], None)


# ---- the way in


async def test_how_it_came_in_and_what_was_asked_for_is_kept(bench: Bench) -> None:
    dsn = Dsn("FULL", "QQ314159", {"ü@y.example": "NEVER"}, {"ü@y.example": "utf-8;ü@y.example"})
    arrival = Arrival("smtp", "scanners", "2001:db8::7", "käfer", "ESMTPSA", ("a note",), "by.is.no.part.of.it")
    message = NewMessage("M", 1, "printer", replace(ENVELOPE, dsn=dsn), "<1@x>", 0, lambda: iter(()), arrival=arrival)
    await bench.box.enqueue(message)
    row = await bench.row("M")
    assert (row["dsn"], row["notes"]) == (dsn, ["a note"])
    assert row["arrival"] == {
        "door": "smtp",
        "listener": "scanners",
        "peer": "2001:db8::7",
        "hello": "käfer",
        "protocol": "ESMTPSA",
    }
    (claimed,) = await bench.box.claim(1, 1)
    assert claimed.envelope.dsn == dsn


async def test_notes_are_added_behind_those_that_are_there(bench: Bench) -> None:
    await bench.put("M", "OTHER")
    for note in ("one", 'two "quoted" ü'):
        await bench.box.add_note("M", note)
    assert ((await bench.row("M"))["notes"], (await bench.row("OTHER"))["notes"]) == (["one", 'two "quoted" ü'], [])


@pytest.mark.parametrize("state", State)
async def test_what_waits_is_counted_by_mailbox(bench: Bench, state: State) -> None:
    await bench.brought_to(state)
    await bench.put("OTHER", mailbox=2, mime=b"12345678")
    waits = state in (State.QUEUED, State.DEFERRED, State.HELD)
    assert await bench.box.waiting() == ({1: (1, 4)} if waits else {}) | {2: (1, 8)}


async def known(bench: Bench, **fingerprints: str) -> None:
    """Messages with fingerprints."""
    for one, fingerprint in fingerprints.items():
        message = NewMessage(one, 1, "printer", ENVELOPE, "", 0, lambda: iter(()), fingerprint=fingerprint)
        await bench.box.enqueue(message)


async def test_messages_whose_clients_were_not_heard_are_found_by_age(bench: Bench) -> None:
    await known(bench, A1="f", B1="g", B2="", C1="f")
    assert await bench.box.unheard("A", 9) == [("C1", "f", 1000.0), ("B1", "g", 1000.0), ("A1", "f", 1000.0)]
    assert [one.id for one in await bench.box.unheard("B", 9)] == ["C1", "B1"]
    assert [one.id for one in await bench.box.unheard("A", 1)] == ["C1"]


async def test_all_others_are_marked_as_heard(bench: Bench) -> None:
    await known(bench, A1="f", B1="g", C1="h", D1="i")
    await bench.box.mark_heard("B", ["C1", "UNKNOWN"])
    assert [one.id for one in await bench.box.unheard("A", 9)] == ["C1", "A1"]


async def test_whose_mail_is_held_is_found_without_reading_all_that_is_held(bench: Bench) -> None:
    plan = bench.database._writer.execute("EXPLAIN QUERY PLAN " + queries("sqlite")["limits_held"], {"causes": "[]"})
    assert not [row for row in plan if "SCAN outbox" in str(row[-1])]


@pytest.mark.parametrize("name", ["outbox_waiting", "outbox_unheard", "outbox_mark_heard"])
async def test_no_statement_of_the_way_in_looks_through_the_whole_outbox(bench: Bench, name: str) -> None:
    parameters = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub("--.*", "", queries("sqlite")[name])), "[]")
    plan = bench.database._writer.execute("EXPLAIN QUERY PLAN " + queries("sqlite")[name], parameters)
    whole = [str(row[-1]) for row in plan if "SCAN outbox" in str(row[-1])]
    # An index of what waits alone may be read from end to end.
    assert not [one for one in whole if not one.endswith(("INDEX outbox_due", "INDEX outbox_held"))]
