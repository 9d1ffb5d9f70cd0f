"""What is claimed first, and not before its time; and that a claim costs the same however much waits."""

import re
from typing import Any

import pytest

from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.mail import Approval, Envelope, Outcome, Priority, State
from pillarbox.store.database import Row, queries
from pillarbox.store.messages import Claimed, NewMessage, Next
from pillarbox.store.outbox import LONGEST_WAIT, NEEDS_APPROVAL, Outbox
from pillarbox.store.sqlite import SqliteDatabase

LOW, NORMAL, HIGH = Priority
MAIL = InMemory(b"mail")


class Bench:
    """An outbox with one mailbox, and its time."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.now = 1000.0
        self.box = Outbox(database, lambda: self.now)

    async def put(
        self,
        one: str,
        priority: Priority = NORMAL,
        mailbox: int = 1,
        to: tuple[str, ...] = ("a@y.example",),
        **more: object,
    ) -> None:
        envelope = Envelope("s@x.example", to)
        new = NewMessage(one, mailbox, "p", envelope, "<m@x>", MAIL.size, MAIL.pieces, priority=priority, **more)  # type: ignore[arg-type]
        await self.box.enqueue(new)

    async def claim(self, limit: int = 9) -> list[str]:
        return [message.id for message in await self.box.claim(1, limit)]

    async def end(self, cause: Cause, state: State, due_at: float = 0.0, repeats: int = 0) -> Claimed:
        """Claim the next message, and end its attempt so."""
        (message,) = await self.box.claim(1, 1)
        await self.box.finish(message, Outcome(cause, "code"), Next(state, due_at, cause, repeats))
        return message

    async def row(self, one: str) -> Row:
        found = await self.box.get(one)
        assert found is not None
        return found


@pytest.fixture
def bench(two_mailboxes: SqliteDatabase) -> Bench:
    return Bench(two_mailboxes)


# ---- priority


async def test_the_higher_priority_goes_first_and_then_the_oldest(bench: Bench) -> None:
    for one, priority in (("A", LOW), ("B", NORMAL), ("C", HIGH), ("D", NORMAL), ("E", HIGH), ("F", LOW)):
        await bench.put(one, priority)
    assert (await bench.claim(3), await bench.claim(2), await bench.claim()) == (["C", "E", "B"], ["D", "A"], ["F"])


async def test_what_is_not_due_holds_up_nothing_of_lower_priority(bench: Bench) -> None:
    await bench.put("A", HIGH, send_at=2000.0)
    await bench.put("B", LOW)
    assert await bench.claim() == ["B"]


@pytest.mark.parametrize("priority", Priority)
async def test_the_first_that_is_due_is_known_whatever_its_priority(bench: Bench, priority: Priority) -> None:
    for other in Priority:
        await bench.put(f"LATE{other}", other, send_at=5000.0)
    await bench.put("EARLY", priority, send_at=3000.0)
    assert await bench.box.due() == {1: (3000.0, 3000.0)}
    bench.now = 3000.0
    assert await bench.box.due() == {1: (3000.0, 5000.0)}


@pytest.mark.parametrize("name", ["outbox_claim", "outbox_due_mailboxes"])
async def test_no_claim_reads_more_than_it_takes(bench: Bench, name: str) -> None:
    sql = queries("sqlite")[name]
    parameters = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub("--.*", "", sql)), 1)
    plan = [str(row[-1]) for row in bench.database._writer.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
    searches = [line for line in plan if re.search(r"(SEARCH|SCAN) (outbox|o) ", line)]
    # What a crash cut off is few.
    by_index = "USING (COVERING )?INDEX (outbox_due \\(mailbox_id=\\? AND priority=\\?|outbox_suspects)"
    assert searches
    assert all(re.search(by_index, line) or "INTEGER PRIMARY KEY" in line for line in searches), plan
    assert not any("SCAN outbox" in line for line in plan)
    # What is sorted is read to its end first.
    assert not any("ORDER BY" in line for line in plan)


async def test_what_waits_is_counted_in_indexes_alone(bench: Bench) -> None:
    plan = bench.database._writer.execute("EXPLAIN QUERY PLAN " + queries("sqlite")["outbox_waiting"])
    reads = [str(row[-1]) for row in plan if " outbox" in str(row[-1])]
    assert reads == [f"SCAN outbox USING COVERING INDEX outbox_{name}" for name in ("due", "held")]


# ---- a time to be sent


async def test_it_is_not_sent_before_its_time(bench: Bench) -> None:
    await bench.put("M", send_at=1060.0)
    assert (await bench.claim(), (await bench.row("M"))["state"]) == ([], "queued")
    bench.now = 1060.0
    assert await bench.claim() == ["M"]


async def test_a_time_that_is_over_is_now(bench: Bench) -> None:
    await bench.put("M", send_at=1.0)
    assert await bench.claim() == ["M"]


async def test_a_clock_that_went_back_brings_nothing_forward(bench: Bench) -> None:
    await bench.put("NOW")
    await bench.put("LATER", send_at=1060.0)
    bench.now = 10.0
    await bench.box.clock_went_back(900.0, 14_400.0)
    assert await bench.claim() == ["NOW"]
    assert (await bench.row("LATER"))["due_at"] == 1060.0


async def test_no_wait_is_longer_than_the_longest_when_the_clock_went_back(bench: Bench) -> None:
    await bench.put("M")
    await bench.end(Cause.UNREACHABLE, State.DEFERRED, 1000.0 + 2 * LONGEST_WAIT)
    await bench.box.clock_went_back(900.0, 14_400.0)
    assert await bench.claim() == ["M"]


# ---- by hand


async def test_what_is_sent_again_by_hand_is_tried_as_long_as_at_first(bench: Bench) -> None:
    await bench.put("M", expires_at=1500.0)
    await bench.end(Cause.NO_MAILBOX, State.FAILED, repeats=3)
    bench.now = 4000.0
    assert await bench.box.retry("M", "a note")
    row = await bench.row("M")
    assert (row["expires_at"], row["repeats"], row["notes"]) == (4500.0, 0, ["a note"])


@pytest.mark.parametrize(
    ("cause", "state", "flagged"),
    [
        (Cause.UNCLEAR, State.UNCERTAIN, True),
        (Cause.UNCLEAR, State.HELD, True),
        (Cause.INTERRUPTED, State.HELD, True),
        (Cause.ACCOUNT_BROKEN, State.HELD, False),
        (Cause.UNREACHABLE, State.DEFERRED, False),
    ],
)
async def test_sent_again_by_hand_it_may_be_there_twice(
    bench: Bench, cause: Cause, state: State, flagged: bool
) -> None:
    await bench.put("M")
    await bench.end(cause, state)
    assert await bench.box.retry("M")
    assert (await bench.row("M"))["maybe_duplicate"] == flagged


@pytest.mark.parametrize("state", State)
async def test_only_what_is_doubtful_or_held_can_be_said_to_be_sent(bench: Bench, state: State) -> None:
    await bench.put("M")
    if state is State.CANCELED:
        await bench.box.cancel("M")
    elif state is State.SENDING:
        await bench.claim()
    elif state is not State.QUEUED:
        await bench.end(Cause.UNCLEAR, state)
    resolved = await bench.box.resolve("M", "seen")
    may = state in (State.UNCERTAIN, State.HELD)
    assert (resolved is not None, (await bench.row("M"))["state"]) == (may, State.SENT if may else state)
    assert (await bench.row("M"))["notes"] == (["seen"] if may else [])


# ---- approval


async def test_what_needs_an_approval_is_held_until_it_is_given(bench: Bench) -> None:
    await bench.put("M", approval=Approval.WANTED)
    row = await bench.row("M")
    assert (row["state"], row["code"], row["approval"]) == ("held", NEEDS_APPROVAL, "wanted")
    assert await bench.claim() == []
    approved = await bench.box.approve("M", "yes")
    assert approved is not None
    assert (approved["state"], approved["code"], approved["approval"], approved["notes"]) == (
        "queued",
        "",
        "given",
        ["yes"],
    )
    assert await bench.claim() == ["M"]


async def test_approved_before_its_time_it_waits_for_that(bench: Bench) -> None:
    await bench.put("M", approval=Approval.WANTED, send_at=2000.0)
    assert await bench.box.approve("M")
    assert (await bench.claim(), await bench.box.due()) == ([], {1: (2000.0, 2000.0)})


async def test_time_that_an_approval_took_is_given_back(bench: Bench) -> None:
    await bench.put("M", approval=Approval.WANTED, expires_at=1500.0)
    bench.now = 9000.0
    assert await bench.box.approve("M")
    assert (await bench.row("M"))["expires_at"] == 9500.0


async def test_sending_again_or_resolving_is_no_way_round_an_approval(bench: Bench) -> None:
    await bench.put("M", approval=Approval.WANTED)
    assert (await bench.box.retry("M"), await bench.box.resolve("M")) == (None, None)
    assert await bench.box.reject("M", "no")
    assert (await bench.box.retry("M"), await bench.box.approve("M")) == (None, None)
    row = await bench.row("M")
    assert (row["state"], row["approval"], row["notes"]) == ("canceled", "refused", ["no"])


async def test_what_was_canceled_while_it_waited_for_an_approval_stays_so(bench: Bench) -> None:
    await bench.put("M", approval=Approval.WANTED)
    assert await bench.box.cancel("M")
    assert (await bench.box.retry("M"), await bench.box.approve("M")) == (None, None)


async def test_what_needs_no_approval_is_not_asked_for_one(bench: Bench) -> None:
    await bench.put("M")
    await bench.end(Cause.ACCOUNT_BROKEN, State.HELD)
    assert (await bench.box.approve("M"), await bench.box.reject("M")) == (None, None)


# ---- lists


async def test_lists_are_narrowed_by_what_is_known_of_a_message(bench: Bench) -> None:
    await bench.put("A")
    await bench.end(Cause.ACCOUNT_BROKEN, State.HELD)
    await bench.put("B")

    async def listed(**wanted: Any) -> str:
        return "".join(row["id"] for row in (await bench.box.page(9, **wanted))[0])

    assert await listed() == "BA"
    assert (await listed(cause="account_broken"), await listed(cause="unclear")) == ("A", "")
    assert (await listed(code="code"), await listed(code="other")) == ("A", "")
    assert (await listed(mailboxes=[1]), await listed(mailboxes=[2])) == ("BA", "")
    assert (await listed(submitter="p"), await listed(submitter="q")) == ("BA", "")
    assert (await listed(since="B"), await listed(before="B"), await listed(since="A", before="B")) == ("B", "A", "A")
    assert await listed(state="held", cause="account_broken", submitter="p") == "A"


@pytest.mark.parametrize(
    ("recipient", "found"),
    [
        ("bob@y.example", "BA"),
        ("BOB@Y.Example", "BA"),
        ("carol@y.example", "B"),
        ("*@y.example", "CBA"),
        ("*@Z.example", "DB"),
        ("ob@y.example", ""),
        ("bob@y.exampl", ""),
        ("b%b@y.example", ""),
        ("*bob@y.example", ""),
        ("*@example", ""),
        ("ü@z.example", "D"),
        ("Ü@z.example", ""),
        ('"bob@y.example"@z.example', "B"),
        ('"bob"@y.example', ""),
    ],
)
async def test_lists_are_narrowed_by_one_of_the_recipients(bench: Bench, recipient: str, found: str) -> None:
    await bench.put("A", to=("Bob@Y.example",))
    await bench.put("B", to=("carol@y.example", "bob@y.example", '"bob@y.example"@z.example'))
    await bench.put("C", to=("abob@y.example", "bob@y.example.net"))
    await bench.put("D", to=("ü@z.example",))

    async def listed(**wanted: Any) -> str:
        return "".join(row["id"] for row in (await bench.box.page(9, recipient=recipient, **wanted))[0])

    assert (await listed(), await listed(message_id="<m@x>"), await listed(mailboxes=[1])) == (found, found, found)
    assert (await listed(message_id="<n@x>"), await listed(mailboxes=[2]), await listed(state="held")) == ("", "", "")
    for one in "ABCD":
        await bench.box.cancel(one)
    assert await listed(state="canceled") == found


class Slices(Bench):
    """An outbox that looks through itself two messages at a time."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self.box = Outbox(database, lambda: self.now, slice_rows=2)


async def test_search_goes_through_the_outbox_in_slices_until_it_has_enough(bench: Bench) -> None:
    slices = Slices(bench.database)
    for one in "ABCDEFG":
        await slices.put(one)
        if one in "BCG":
            await slices.end(Cause.ACCOUNT_BROKEN, State.HELD)

    async def listed(limit: int = 9, **wanted: Any) -> tuple[str, str | None]:
        rows, following = await slices.box.page(limit, **wanted)
        return "".join(row["id"] for row in rows), following

    assert (await listed(3), await listed(1), await listed(9, before="E")) == (("GFE", "E"), ("G", "G"), ("DCBA", None))
    held = [await listed(limit, cause="account_broken") for limit in (3, 2, 1)]
    assert held == [("CB", "B"), ("CB", "B"), ("C", "C")]
    assert (await listed(since="B", before="F"), await listed(since="B", before="B")) == (("EDCB", None), ("", None))
    assert await listed(cause="account_broken", before="C", since="B") == ("B", None)


async def test_a_page_ends_when_enough_was_looked_through_and_the_next_goes_on_there(bench: Bench) -> None:
    slices = Slices(bench.database)
    for one in "ABCDEFGHIJKLM":
        await slices.put(one)
    await slices.end(Cause.ACCOUNT_BROKEN, State.HELD)
    assert await slices.box.page(9, cause="account_broken") == ([], "H")
    assert await slices.box.page(9, cause="account_broken", before="H") == ([], "B")
    (last,), end = await slices.box.page(9, cause="account_broken", before="B")
    assert (last["id"], end) == ("A", None)


async def test_so_does_a_page_of_those_beside_the_road(bench: Bench) -> None:
    slices = Slices(bench.database)
    for one in "ABCDEFGHI":
        await slices.put(one)
        await slices.end(Cause.ACCOUNT_BROKEN, State.HELD)
    await slices.put("J")
    assert await slices.box.page(9, state="held", cause="unclear") == ([], "D")
    assert await slices.box.page(9, state="held", cause="unclear", before="D") == ([], None)


async def test_who_knows_of_some_mailboxes_sees_and_counts_the_messages_of_those(bench: Bench) -> None:
    slices = Slices(bench.database)
    for number, one in enumerate("ABCDEFG"):
        approval = Approval.WANTED if one in "BC" else Approval.NEEDLESS
        await slices.put(one, mailbox=1 + number % 2, approval=approval)

    async def listed(limit: int = 9, **wanted: Any) -> str:
        found, end = await slices.box.page(limit, **wanted)
        while end is not None and len(found) < limit:
            more, end = await slices.box.page(limit - len(found), **{**wanted, "before": end})
            found += more
        return "".join(row["id"] for row in found)

    assert [await listed(mailboxes=some) for some in ([1], {2}, (1, 2), [3], [])] == ["GECA", "FDB", "GFEDCBA", "", ""]
    assert (await listed(2, mailboxes=[1]), await listed(3, mailboxes=[1, 2])) == ("GE", "GFE")
    assert (await listed(mailboxes=[1], before="E"), await listed(mailboxes=[1], since="E")) == ("CA", "GE")
    held = [await listed(mailboxes=some, state="held") for some in (None, [1], [2], [])]
    assert held == ["CB", "C", "B", ""]
    counts = [await slices.box.count(some) for some in ([1], [2], [])]
    assert counts == [{"queued": 3, "held": 1}, {"queued": 2, "held": 1}, {}]


async def test_count_adds_up_the_slices(bench: Bench) -> None:
    slices = Slices(bench.database)
    assert await slices.box.count() == {}
    for one in "ABCDE":
        await slices.put(one)
    await slices.end(Cause.ACCOUNT_BROKEN, State.HELD)
    assert await slices.box.count() == {"held": 1, "queued": 4}
