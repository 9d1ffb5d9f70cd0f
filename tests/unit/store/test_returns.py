"""What became of sent mail, and what waits, is found without looking through all that a mailbox ever sent."""

import re

import pytest

from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.mail import Envelope, Outcome, State
from pillarbox.store.database import queries
from pillarbox.store.messages import Claimed, NewMessage, Next
from pillarbox.store.outbox import Outbox
from pillarbox.store.returns import Returns
from pillarbox.store.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("returns_sent", r"outbox USING INDEX outbox_message_id \(mailbox_id=\? AND message_id=\?\)"),
        ("returns_untold", r"outbox USING INDEX sqlite_autoindex_outbox_1 \(id>\?\)"),
        ("outbox_told_since", r"outbox USING INDEX outbox_told \(<expr>=\? AND created_at>\? AND created_at<\?\)"),
        ("outbox_late", r"outbox USING INDEX sqlite_autoindex_outbox_1 \(id>\? AND id<\?\)"),
        ("outbox_late_for_its_time", r"outbox USING INDEX outbox_scheduled \(send_at>\? AND send_at<\?\)"),
        ("drafts_doubtful", r"attempts USING INDEX attempts_unsent \(started_at>\?\)"),
        ("limits_hasten", r"outbox USING INDEX outbox_due \(mailbox_id=\?\)"),
        ("outbox_retry_signed_in", r"outbox USING INDEX outbox_held \(mailbox_id=\?\)"),
    ],
)
async def test_only_what_is_new_enough_is_looked_at(database: SqliteDatabase, name: str, by: str) -> None:
    sql = queries("sqlite")[name]
    parameters = dict.fromkeys(re.findall(r":([a-z_]+)", re.sub("--.*", "", sql)), "[]")
    plan = [str(row[-1]) for row in database._writer.execute("EXPLAIN QUERY PLAN " + sql, parameters)]
    assert any(re.search(by, line) for line in plan), plan
    assert not any("SCAN outbox" in line for line in plan)


@pytest.fixture
async def message(database: SqliteDatabase, mailbox: Mailbox) -> Claimed:
    """One that is being sent."""
    box, kept = Outbox(database, lambda: 1000.0), InMemory(b"To: a@x.example\r\n\r\n")
    envelope = Envelope(mailbox.address, ("a@x.example",))
    await box.enqueue(NewMessage("A", mailbox.id, "printer", envelope, "<7@x>", kept.size, kept.pieces))
    (claimed,) = await box.claim(mailbox.id, 1)
    return claimed


async def test_a_report_takes_the_place_of_a_trace_and_not_the_other_way_round(
    database: SqliteDatabase, message: Claimed
) -> None:
    returns, box = Returns(database), Outbox(database, lambda: 1000.0)
    await box.finish(message, Outcome(Cause.ACCEPTED), Next(State.SENT, 1000.0))
    assert await returns.traced("A", "delivered", "")
    assert not await returns.traced("A", "delivered", "")
    # Of one recipient more is known later.
    assert await returns.traced("A", "failed", "x")
    assert not await returns.traced("A", "failed", "x")
    assert not await returns.traced("A", "delivered", "")
    assert await returns.bounced("A", "Undeliverable")
    assert not await returns.traced("A", "delivered", "")
    row = await box.get("A")
    assert row is not None
    assert (row["delivery"], row["delivery_text"], row["state"]) == ("bounced", "Undeliverable", "sent")


async def test_what_was_delivered_is_asked_for_a_little_longer(database: SqliteDatabase, message: Claimed) -> None:
    returns, box = Returns(database), Outbox(database, lambda: 1000.0)
    await box.finish(message, Outcome(Cause.ACCEPTED), Next(State.SENT, 1000.0))
    among = ((message.mailbox.id,), "", 0.0, 2000.0)
    for told, found in (("", [True, True]), ("delivered", [True, False]), ("failed", [False, False])):
        if told:
            assert await returns.traced("A", told, "")
        assert [bool(await returns.untold(*among, firm, 10)) for firm in (1000.0, 1001.0)] == found


async def test_of_what_was_not_sent_nothing_is_told(database: SqliteDatabase, message: Claimed) -> None:
    returns = Returns(database)
    assert not await returns.traced(message.id, "delivered", "")
    assert not await returns.bounced(message.id, "Undeliverable")
