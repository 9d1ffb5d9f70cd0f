"""The desk: what a person may do with a message in which state, and what the log and the trace tell of it."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from pillarbox.admin.outbox import Act, Desk, acts
from pillarbox.core.caller import LOCAL, Caller, Scope
from pillarbox.core.cause import DOUBTS, Cause
from pillarbox.core.errors import Conflict, NotFound, PillarboxError
from pillarbox.core.mail import Approval, Outcome, State
from pillarbox.delivery.queue_id import queue_id
from pillarbox.store.messages import NewMessage, Next
from tests.unit.delivery.conftest import ENVELOPE, NOON, TO_A, Shelf, shelf

__all__ = ["shelf"]


@dataclass
class Office:
    """A desk, and messages for it."""

    shelf: Shelf

    def __post_init__(self) -> None:
        self.desk = Desk(self.shelf.outbox, self.shelf.woken.append, self.shelf.clock, self.shelf.log)

    async def held(self, cause: Cause, state: State = State.HELD) -> str:
        """A message whose last attempt came to this."""
        one = await self._put()
        message = await self.shelf.claimed()
        await self.shelf.outbox.finish(message, Outcome(cause, text="so it was"), Next(state, NOON, cause))
        return one

    async def waiting(self) -> str:
        """A message that waits for an approval."""
        return await self._put(Approval.WANTED)

    async def _put(self, approval: Approval = Approval.NEEDLESS) -> str:
        one = queue_id(NOON, os.urandom)
        box = self.shelf.mailboxes[0].id
        new = NewMessage(one, box, "p", ENVELOPE, "<m@x>", TO_A.size, TO_A.pieces, approval=approval)
        await self.shelf.outbox.enqueue(new)
        return one


@pytest.fixture
def office(shelf: Shelf) -> Office:
    return Office(shelf)


async def test_what_is_asked_for_at_once_wakes_a_mailbox_once(office: Office) -> None:
    queue_ids = [await office.held(Cause.ACCESS_DENIED) for _ in range(20)]
    *came, missing = await office.desk.decide_all("retry", [*queue_ids, "nobody"])
    assert [one["state"] for one in came if not isinstance(one, PillarboxError)] == ["queued"] * 20
    assert isinstance(missing, NotFound)
    assert office.shelf.woken == [office.shelf.mailboxes[0].id]


@pytest.mark.parametrize("cause", DOUBTS)
async def test_what_may_have_arrived_is_flagged_whatever_became_of_it_since(office: Office, cause: Cause) -> None:
    one = await office.held(cause, State.UNCERTAIN)
    await office.desk.cancel(one)
    assert (await office.desk.retry(one))["maybe_duplicate"]


async def test_what_has_certainly_not_arrived_is_not_flagged(office: Office) -> None:
    one = await office.held(Cause.ACCESS_DENIED)
    await office.desk.cancel(one)
    assert not (await office.desk.retry(one))["maybe_duplicate"]


@pytest.mark.parametrize("cause", [Cause.ACCESS_DENIED, Cause.UNTRUSTED, Cause.UNKNOWN])
async def test_what_was_certainly_not_sent_cannot_be_said_to_be(office: Office, cause: Cause) -> None:
    one = await office.held(cause)
    with pytest.raises(Conflict):
        await office.desk.resolve(one)
    assert await office.shelf.state(one) == "held"


@pytest.mark.parametrize("cause", DOUBTS)
async def test_what_is_held_in_doubt_can_be_said_to_be_sent(office: Office, cause: Cause) -> None:
    assert (await office.desk.resolve(await office.held(cause)))["state"] == "sent"


async def test_what_is_sent_again_is_shown_as_the_act_left_it_however_fast_a_worker_is(
    office: Office, tmp_path: Path
) -> None:
    one = await office.held(Cause.ACCESS_DENIED)

    def begin(_mailbox_id: int) -> None:
        """A worker that has it before anybody can ask what it is now."""
        with closing(sqlite3.connect(tmp_path / "store.db")) as another, another:
            another.execute("UPDATE outbox SET state = 'sending'")

    desk = Desk(office.shelf.outbox, begin, office.shelf.clock, office.shelf.log)
    assert (await desk.retry(one))["state"] == "queued"
    assert await office.shelf.state(one) == "sending"


async def test_what_was_canceled_before_its_approval_waits_for_it_again(office: Office) -> None:
    one = await office.waiting()
    await office.desk.cancel(one)
    again = await office.desk.retry(one)
    assert (again["state"], again["approval"], again["code"]) == ("held", "wanted", "outbox.needs_approval")
    assert (await office.desk.approve(one))["state"] == "queued"


async def test_what_was_canceled_is_not_approved(office: Office) -> None:
    waits, approved = await office.waiting(), await office.waiting()
    await office.desk.cancel(waits)
    await office.desk.approve(approved)
    await office.desk.cancel(approved)
    for one in (waits, approved):
        with pytest.raises(Conflict) as caught:
            await office.desk.approve(one)
        assert "is canceled" in caught.value.sentence


async def test_what_was_approved_or_rejected_can_be_so_again(office: Office) -> None:
    yes, no = await office.waiting(), await office.waiting()
    for _ in range(2):
        assert (await office.desk.approve(yes))["state"] == "queued"
        assert (await office.desk.reject(no, "wrong price"))["state"] == "canceled"
    (line,) = office.shelf.lines.lines("mail.rejected")
    assert 'reason="wrong price"' in line


async def test_the_log_tells_once_who_left_which_state_and_why(office: Office) -> None:
    canceled, resolved = await office.held(Cause.ACCESS_DENIED), await office.held(Cause.UNCLEAR)
    for _ in range(2):
        await office.desk.cancel(canceled)
        await office.desk.resolve(resolved)
    for event, one in (("mail.canceled", canceled), ("mail.resolved", resolved)):
        (line,) = office.shelf.lines.lines(event)
        assert f'id={one} by=local former=held reason="so it was"' in line


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        (LOCAL, "canceled by a person;"),
        (Caller("key", "k1", "crm", frozenset(Scope)), "canceled by the key crm;"),
        (Caller("person", "p1", "alice", frozenset(Scope)), "canceled by alice;"),
    ],
)
async def test_the_trace_says_who_decided(office: Office, caller: Caller, told: str) -> None:
    one = await office.held(Cause.ACCESS_DENIED)
    row = await office.desk.of(caller).cancel(one)
    assert told in row["notes"][-1]


@pytest.mark.parametrize("kept", ["whole", "header"])
@pytest.mark.parametrize("approval", list(Approval))
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("cause", [Cause.ACCESS_DENIED, Cause.UNCLEAR])
async def test_what_a_person_may_do_is_what_the_outbox_does(
    office: Office, cause: Cause, state: State, approval: Approval, kept: str
) -> None:
    store = office.shelf.database._writer
    for (trigger,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        store.execute(f"DROP TRIGGER {trigger}")  # They tell of changes that happen.
    changed = []
    offered: list[Act] = []
    every = {act: await office.held(cause) for act in get_args(Act)}
    for act, one in every.items():
        values = (state.value, approval.value, kept, one)
        store.execute("UPDATE outbox SET state = ?, approval = ?, kept = ? WHERE id = ?", values)
        before = await office.desk.outbox.get(one)
        assert before is not None
        offered = acts(before)
        with suppress(Conflict):
            after = await office.desk.decide(act, one)
            if (after["state"], after["approval"]) != (before["state"], before["approval"]):
                changed.append(act)
    if "reject" in offered:
        # To cancel it is possible too, and is the same to a person.
        changed.remove("cancel")
    assert sorted(changed) == sorted(offered)
