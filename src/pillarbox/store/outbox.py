"""The outbox: every message that was accepted, its state, its body in pieces, its attempts."""

import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, Final

from pillarbox.core import catalogue
from pillarbox.core.accounts import Mailbox
from pillarbox.core.cause import DOUBTS, SOMETIMES_SENT
from pillarbox.core.mail import Approval, Arrival, Clock, Dsn, Envelope, Outcome, State
from pillarbox.store import parts
from pillarbox.store.accounts import mailbox_of
from pillarbox.store.database import Database, ExpectationFailed, Row, Statement, statement
from pillarbox.store.messages import Claimed, Due, Late, NewMessage, Next, Notice, Unheard, Waiting

_json: Final = json.JSONEncoder(ensure_ascii=False).encode  # made once: json.dumps would make one each time

LONGEST_WAIT: Final = 2 * 3600.0
"""Seconds that a message waits for its next attempt at the most."""

INTERRUPTED: Final = "cause.interrupted"
"""Catalogue code of an attempt that a crash cut off."""

SLICE_ROWS: Final = 10_000
"""Messages that one read looks through for a list or a count, so that no other read waits for long."""
_SLICES_OF_A_PAGE: Final = 3
"""After so many a page of a list ends, with what was found: how long it takes does not grow with the outbox."""

NEEDS_APPROVAL: Final = "outbox.needs_approval"
"""Catalogue code of a message that a person must let go."""

_OVER: Final = (State.SENT, State.FAILED, State.BOUNCED)
"""States that an attempt, or a look-up, may end in."""
_BESIDE: Final = (State.DEFERRED, State.UNCERTAIN, State.HELD, State.FAILED, State.BOUNCED, State.CANCELED)
"""States beside the road of mail: few messages are in one, and an index knows which."""
_MOMENT: Final = 5.0
"""Seconds in which it is decided what becomes of a message that cannot be looked up."""
_DOUBTS: Final = _json(DOUBTS)
_SOMETIMES_SENT: Final = _json(SOMETIMES_SENT)


class Outbox:
    """The outbox in a database. Times are seconds since 1970."""

    def __init__(self, database: Database, clock: Clock, slice_rows: int = SLICE_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._slice_rows = slice_rows

    async def enqueue(self, message: NewMessage, also: Sequence[Statement] = ()) -> None:
        """Keep an accepted message, and what is `also` to be kept with it. When this returns it is on the disk.

        Raises ExpectationFailed where one of `also` does not come to what it expects: nothing is kept then.
        """
        waits = message.approval is Approval.WANTED
        words = catalogue.entry(NEEDS_APPROVAL) if waits else None
        await self._database.write(
            statement(
                "outbox_enqueue",
                id=message.id,
                mailbox_id=message.mailbox_id,
                submitter=message.submitter,
                sender=message.envelope.sender,
                recipients=_json(message.envelope.recipients),
                dsn=_json(asdict(message.envelope.dsn)) if message.envelope.dsn else "",
                size=message.size,
                message_id=message.message_id,
                purpose=message.purpose,
                arrival=_arrival_text(message.arrival),
                notes=_json(message.arrival.notes),
                fingerprint=message.fingerprint,
                now=self._clock(),
                state=State.HELD if waits else State.QUEUED,
                send_at=message.send_at,
                expires_at=message.expires_at,
                priority=message.priority,
                approval=message.approval,
                code=NEEDS_APPROVAL if waits else "",
                reason=words.sentence if words else "",
                cure=words.cure if words else "",
                transport=message.transport,
            ),
            *also,
            *parts.body_statements(message),
        )

    # ---- to send

    async def claim(self, mailbox_id: int, limit: int) -> list[Claimed]:
        """Commit "about to send" of up to `limit` due messages of a mailbox, each with it as it is now.

        Those of a higher priority come first, then the oldest.

        They must be sent now: from here on a crash leaves them `uncertain`.
        """
        now = self._clock()
        rows, mailboxes = await self._database.write(
            statement("outbox_claim", mailbox_id=mailbox_id, limit=limit, now=now),
            statement("mailbox_by_id", id=mailbox_id),
        )
        mailbox = mailbox_of(mailboxes[0])
        return [_claimed(row, mailbox, now) for row in sorted(rows, key=_order)]

    async def claim_held(self, mailbox_id: int, causes: Sequence[str], elsewhere: Sequence[str] = ()) -> list[Claimed]:
        """As `claim`, of one message that is held for one of these causes: to try whether it still holds.

        Of none that it was tried at the hosts `elsewhere` for.
        """
        now = self._clock()
        rows, mailboxes = await self._database.write(
            statement(
                "outbox_claim_held",
                mailbox_id=mailbox_id,
                causes=_json(list(causes)),
                elsewhere=_json(list(elsewhere)),
                now=now,
            ),
            statement("mailbox_by_id", id=mailbox_id),
        )
        return [replace(_claimed(row, mailbox_of(mailboxes[0]), now), was_held=True) for row in rows]

    async def give_back(self, message: Claimed) -> None:
        """A message that was claimed does not go after all: it was not begun, and keeps its place.

        Raises ExpectationFailed where that attempt is not under way, as `finish` and `keep_draft` do.
        """
        state = State.HELD if message.was_held else State.QUEUED
        await self._database.write(
            statement("outbox_give_back", expect=1, seq=message.seq, number=message.attempt, state=state)
        )

    async def body(self, message: Claimed) -> AsyncIterator[bytes]:
        """The message's bytes, piece by piece."""
        if message.part:
            yield message.part
        for part in range(1, parts.count(message.size)):
            (row,) = await self._database.read("outbox_part", seq=message.seq, part=part)
            yield row["data"]

    async def beginning(self, message: Claimed) -> bytes:
        """The first part of a message, in which its header stands."""
        if message.part or not message.size:
            return message.part
        rows = await self._database.read("outbox_part", seq=message.seq, part=0)
        return rows[0]["data"] if rows else b""

    async def late(self, since: str, before: str, limit: int) -> list[Late]:
        """Up to `limit` waiting messages with ids from `since` on and before `before`, of which no warning tells.

        Not those that wait for their time or for an approval, and no notices.
        """
        return await self._late(await self._database.read("outbox_late", since=since, before=before, limit=limit))

    async def late_for_their_time(self, since: float, until: float, limit: int) -> list[Late]:
        """As `late`, of messages that were to wait for a time which lies after `since`, and not after `until`."""
        return await self._late(
            await self._database.read("outbox_late_for_its_time", since=since, until=until, limit=limit)
        )

    async def _late(self, rows: Sequence[Row]) -> list[Late]:
        mailboxes: dict[int, Mailbox] = {}
        found = []
        for row in rows:
            if row["mailbox_id"] not in mailboxes:
                (known,) = await self._database.read("mailbox_by_id", id=row["mailbox_id"])
                mailboxes[known["id"]] = mailbox_of(known)
            message = _claimed(row, mailboxes[row["mailbox_id"]], row["began_at"] or 0.0)
            found.append(Late(message, row["state"] == State.SENDING))
        return found

    async def tell(self, notice: Notice) -> bool:
        """Write a notice by itself; False where there is one of its kind already, or no reason for it any more."""
        told, *_ = await self._database.write(*_notice_statements((notice,), self._clock()))
        return bool(told)

    async def told_since(self, recipient: str, since: float) -> int:
        """How many notices to an address were written since then."""
        rows = await self._database.read(
            "outbox_told_since", recipients=_json([recipient]), since=since, now=self._clock()
        )
        return int(rows[0]["told"])

    # ---- what an attempt or a look-up came to

    async def finish(
        self,
        message: Claimed,
        outcome: Outcome,
        following: Next,
        notes: Sequence[str] = (),
        notices: Sequence[Notice] = (),
        also: Sequence[Statement] = (),
        requests: int = 1,
        host: str = "",
    ) -> None:
        """Write the attempt, the message's next state, the notices about it and what is `also` to be, all at once.

        `requests` is how many the attempt made to Graph, `host` where it went; empty: where the mailbox's mail mostly
        goes.
        """
        now, words = self._clock(), following.error
        await self._database.write(
            statement(
                "outbox_finish",
                expect=1,
                seq=message.seq,
                number=message.attempt,
                state=following.state,
                due_at=following.due_at,
                now=now,
                finished_at=now if following.state in _OVER else None,
                expires_at=following.expires_at,
                cause=following.cause,
                repeats=following.repeats,
                code=words.code if words else outcome.code,
                reason=words.sentence if words else outcome.text,
                cure=words.cure if words else outcome.cure,
                request_id=outcome.request_id,
                host=host,
            ),
            statement(
                "outbox_add_attempt",
                seq=message.seq,
                number=message.attempt,
                started_at=min(message.started_at, now),
                ended_at=now,
                verdict=outcome.verdict,
                cause=outcome.cause,
                http_status=outcome.http_status,
                code=outcome.code,
                reason=outcome.text,
                request_id=outcome.request_id,
                notes=_json(notes),
                requests=requests,
            ),
            *_notice_statements(notices, now),
            *_end_of_a_bounce(message, following),
            *also,
        )

    async def keep_draft(self, message: Claimed, draft_id: str, *, whole: bool = True, given_up: bool = False) -> None:
        """Commit the id of the draft that Microsoft has made of a message; empty: there is none any more.

        One that is not `whole` lacks something still, and is not to be sent. Where one is `given_up` of which nobody
        can tell what became of it, the message may go twice, unless no attempt can have sent it.
        """
        await self._database.write(
            statement(
                "outbox_keep_draft",
                expect=1,
                seq=message.seq,
                number=message.attempt,
                draft_id=draft_id,
                whole=whole,
                given_up=given_up,
            )
        )

    async def keep_copy_at(self, message: Claimed, address: str) -> None:
        """Commit in whose Sent Items the copy of a message may lie when the attempt goes on from here."""
        await self._database.write(
            statement("outbox_keep_copy_at", expect=1, seq=message.seq, number=message.attempt, copy_at=address)
        )

    async def doubtful(self, mailbox_id: int, limit: int, patience: float) -> list[Claimed]:
        """Up to `limit` uncertain messages of a mailbox whose time to be looked up has come, oldest first.

        They come again after `patience` seconds, or in a moment where they cannot be looked up, unless `looked` said
        what follows: a crash may come before that.
        """
        now = self._clock()
        rows, mailboxes = await self._database.write(
            statement(
                "outbox_doubtful", mailbox_id=mailbox_id, limit=limit, now=now, until=now + patience, moment=_MOMENT
            ),
            statement("mailbox_by_id", id=mailbox_id),
        )
        mailbox = mailbox_of(mailboxes[0])
        return [
            replace(_claimed(row, mailbox, row["began_at"]), copy_at=row["copy_at"])
            for row in sorted(rows, key=lambda row: row["seq"])
        ]

    async def looked(
        self, message: Claimed, following: Next, note: str, notices: Sequence[Notice] = (), requests: int = 1
    ) -> None:
        """Write what follows a look-up, and the sentence about it into the trace of the attempt that it was for.

        The notices about the message are written in the same transaction. `requests` is how many it made to Graph: none
        where the mode can look nothing up.
        """
        now = self._clock()
        words = following.error
        await self._database.write(
            statement(
                "outbox_looked",
                expect=1,
                code=words.code if words else None,
                reason=words.sentence if words else None,
                cure=words.cure if words else None,
                seq=message.seq,
                number=message.attempt,
                state=following.state,
                due_at=following.due_at,
                checks=following.checks,
                expires_at=following.expires_at,
                cause=following.cause,
                maybe_duplicate=following.maybe_duplicate,
                finished_at=now if following.state in _OVER else None,
            ),
            statement("outbox_note_look", seq=message.seq, number=message.attempt, note=note, requests=requests),
            *_notice_statements(notices, now),
            *_end_of_a_bounce(message, following),
        )

    async def twins(self, message: Claimed) -> int:
        """How many copies other messages of the mailbox may have left in it that bear its Message-ID.

        Whenever that was: no clock is right for ever. None of them is removed while this one waits.
        """
        (row,) = await self._database.read(
            "outbox_twins", mailbox_id=message.mailbox.id, message_id=message.message_id, seq=message.seq
        )
        return int(row["copies"])

    # ---- after a start, and where the clock jumped

    async def recover(self, reason: str, cure: str, settle: Sequence[float]) -> list[str]:
        """After a start: nothing is being sent. Return the ids of messages whose sending a crash cut off.

        What was begun becomes `uncertain`, never `queued`: Microsoft may have it. It is looked up the first of `settle`
        seconds after it began, or decided after the last of them where it cannot be looked up.
        """
        *_, rows = await self._database.write(
            statement("outbox_recover_unstarted"),
            statement(
                "outbox_recover_looks",
                now=self._clock(),
                last_look=settle[-1],
                waits=_json([0.0, *(later - before for before, later in pairwise(settle)), settle[-1]]),
            ),
            statement("outbox_recover_attempts", now=self._clock(), code=INTERRUPTED, reason=reason),
            statement(
                "outbox_recover_started",
                code=INTERRUPTED,
                reason=reason,
                cure=cure,
                first_look=settle[0],
                last_look=settle[-1],
            ),
        )
        return [row["id"] for row in rows]

    async def clock_went_back(self, last_look: float, longest_look: float) -> None:
        """The clock shows less than before: let nothing wait for the time that it showed.

        What is uncertain, and began before that time and ended in it, settles for `last_look` seconds; so does what
        would for longer than `longest_look`.
        """
        now = self._clock()
        await self._database.write(
            statement("outbox_clock_spared", now=now, longest_wait=LONGEST_WAIT),
            statement("outbox_clock_went_back", now=now, longest_wait=LONGEST_WAIT),
            statement("outbox_clock_doubts", now=now, last_look=last_look, longest_look=longest_look),
        )

    # ---- what there is

    async def due(self) -> Mapping[int, Due]:
        """Each mailbox that has something to send, and when."""
        rows = await self._database.read("outbox_due_mailboxes", now=self._clock())
        later = ((row, row["later"]) for row in rows)
        return {row["mailbox_id"]: Due(row["due_at"], math.inf if at is None else at) for row, at in later}

    async def due_looks(self) -> Mapping[int, float]:
        """Each mailbox that has something to look up, and when the first of it is due."""
        rows = await self._database.read("outbox_due_looks")
        return {row["mailbox_id"]: row["due_at"] for row in rows}

    async def get(self, queue_id: str) -> Row | None:
        """One message, or None."""
        rows = await self._database.read("outbox_get", id=queue_id)
        return _shown(rows[0]) if rows else None

    async def attempts(self, seq: int) -> list[Row]:
        """The attempts of a message, first to last."""
        rows = await self._database.read("outbox_attempts", seq=seq)
        return [{**row, "notes": json.loads(row["notes"])} for row in rows]

    async def waiting(self) -> Mapping[int, Waiting]:
        """What waits for each mailbox: what is to be sent, and what a person holds up."""
        rows = await self._database.read("outbox_waiting")
        return {row["mailbox_id"]: Waiting(row["messages"], row["size"]) for row in rows}

    async def add_note(self, queue_id: str, note: str) -> None:
        """Append a sentence to what is known of a message's way in."""
        await self._database.write(statement("outbox_add_note", id=queue_id, note=note))

    async def unheard(self, since: str, limit: int) -> list[Unheard]:
        """The newest messages with a fingerprint, from the queue id `since` on, whose clients were not heard again."""
        rows = await self._database.read("outbox_unheard", since=since, limit=limit)
        return [Unheard(**row) for row in rows]

    async def mark_heard(self, since: str, but: Iterable[str]) -> None:
        """The clients of all messages from the queue id `since` on, `but` these, went on after our 250."""
        await self._database.write(statement("outbox_mark_heard", since=since, but=_json(list(but))))

    async def page(
        self,
        limit: int,
        *,
        state: str | None = None,
        before: str | None = None,
        since: str | None = None,
        mailboxes: Collection[int] | None = None,
        submitter: str | None = None,
        code: str | None = None,
        cause: str | None = None,
        message_id: str | None = None,
        recipient: str | None = None,
    ) -> tuple[list[Row], str | None]:
        """Up to `limit` messages, the newest first, and the queue id before which to go on: None at the end.

        There may be fewer although it goes on: where few messages are as was asked for, a page ends when so many were
        looked through. What is None counts for any. `since` and `before` are queue ids: from this one on, and before
        it. `mailboxes` are ids, `cause` is why the last attempt ended as it did, `recipient` is an address or
        `*@domain`.
        """
        known, since, before = _ids(mailboxes), since or "", before or _BEHIND_ALL
        to = None if recipient is None else _as_kept(recipient)
        if message_id is not None:
            # There are few: an index finds them, whatever else was asked for.
            rows = await self._database.read(
                "outbox_list_by_message_id",
                message_id=message_id,
                mailboxes=known,
                since=since,
                before=before,
                limit=limit,
                state=state,
                submitter=submitter,
                code=code,
                cause=cause,
                recipient=to,
            )
            return [_shown(row) for row in rows], rows[-1]["id"] if len(rows) == limit else None
        narrowed = any((state, submitter, code, cause, recipient))
        if mailboxes is not None and not narrowed and len(mailboxes) * limit <= self._slice_rows:
            rows = await self._database.read(
                "outbox_list_of_mailboxes", mailboxes=known, since=since, before=before, limit=limit
            )
            return [_shown(row) for row in rows], rows[-1]["id"] if len(rows) == limit else None
        beside = state if state in _BESIDE else None
        found: list[Row] = []
        looked = 0
        async for bottom, top in self._slices(since, before, beside):
            left = limit - len(found)
            if beside is None:
                found += await self._database.read(
                    "outbox_list",
                    since=bottom,
                    before=top,
                    limit=left,
                    state=state,
                    mailboxes=known,
                    submitter=submitter,
                    code=code,
                    cause=cause,
                    recipient=to,
                )
            else:
                found += await self._database.read(
                    "outbox_list_beside",
                    since=bottom,
                    before=top,
                    limit=left,
                    state=state,
                    mailboxes=known,
                    submitter=submitter,
                    code=code,
                    cause=cause,
                    recipient=to,
                )
            looked += 1
            if len(found) == limit:
                return [_shown(row) for row in found], found[-1]["id"]
            if looked == _SLICES_OF_A_PAGE and bottom > since:
                return [_shown(row) for row in found], bottom
        return [_shown(row) for row in found], None

    async def _slices(self, since: str, before: str, beside: str | None = None) -> AsyncIterator[tuple[str, str]]:
        """The outbox from queue id `since` on and before `before`, in pieces of so many messages, the newest first.

        Of those in one state `beside` the road alone, where it is given.
        """
        skip = self._slice_rows - 1
        while before > since:
            if beside is None:
                rows = await self._database.read("outbox_slice", since=since, before=before, skip=skip)
            else:
                rows = await self._database.read(
                    "outbox_slice_beside", since=since, before=before, skip=skip, state=beside
                )
            bottom = rows[0]["id"] if rows else since
            yield bottom, before
            before = bottom

    async def notices(self, seq: int) -> Sequence[Row]:
        """The messages that tell of this one: id, mailbox_id, purpose, state."""
        return await self._database.read("outbox_notices", seq=seq)

    async def whole(self, seq: int, size: int) -> AsyncIterator[bytes]:
        """The bytes of a message that lies here whole, piece by piece."""
        for part in range(parts.count(size)):
            (row,) = await self._database.read("outbox_part", seq=seq, part=part)
            yield row["data"]

    async def header(self, seq: int) -> bytes:
        """The header of a message, with the empty line behind it: the last that is kept of it."""
        rows = await self._database.read("outbox_part", seq=seq, part=0)
        block, empty_line, _ = (rows[0]["data"] if rows else b"").partition(b"\r\n\r\n")
        return bytes(block + empty_line)

    async def count(self, mailboxes: Collection[int] | None = None) -> Mapping[str, int]:
        """How many messages, of all mailboxes or of these, are in which state.

        One that changes its state meanwhile may count twice or not at all.
        """
        found: Counter[str] = Counter()
        async for bottom, top in self._slices("", _BEHIND_ALL):
            rows = await self._database.read("outbox_count", since=bottom, before=top, mailboxes=_ids(mailboxes))
            found.update({row["state"]: row["messages"] for row in rows})
        return found

    # ---- by hand: each with a sentence about it in the trace, in the same transaction

    async def retry(self, queue_id: str, note: str = "") -> Row | None:
        """Queue a waiting or failed message again, now. As it is then, or None where its state forbids it."""
        act = statement(
            "outbox_retry",
            expect=1,
            id=queue_id,
            now=self._clock(),
            doubts=_DOUBTS,
            sometimes_sent=_SOMETIMES_SENT,
        )
        return await self._changed(queue_id, act, note, statement("outbox_told_again", id=queue_id))

    async def hold_again(self, queue_id: str, note: str = "") -> Row | None:
        """Let a message wait for its approval again that was canceled before. As `retry`."""
        words = catalogue.entry(NEEDS_APPROVAL)
        act = statement(
            "outbox_hold_again", expect=1, id=queue_id, code=NEEDS_APPROVAL, reason=words.sentence, cure=words.cure
        )
        return await self._changed(queue_id, act, note)

    async def cancel(self, queue_id: str, note: str = "") -> Row | None:
        """Do not send a waiting message any more. The message as it is now, or None where its state forbids it."""
        act = statement("outbox_cancel", expect=1, id=queue_id, now=self._clock())
        return await self._changed(queue_id, act, note, _untold(queue_id))

    async def resolve(self, queue_id: str, note: str = "") -> Row | None:
        """A message in doubt is sent after all. The message as it is now, or None where its state forbids it."""
        act = statement("outbox_resolve", expect=1, id=queue_id, now=self._clock(), doubts=_DOUBTS)
        return await self._changed(queue_id, act, note)

    async def approve(self, queue_id: str, note: str = "") -> Row | None:
        """Let a message go that waits for an approval. The message as it is now, or None where it does not."""
        return await self._changed(
            queue_id, statement("outbox_approve", expect=1, id=queue_id, now=self._clock()), note
        )

    async def reject(self, queue_id: str, note: str = "") -> Row | None:
        """Do not let a message go that waits for an approval. The message as it is now, or None where it does not."""
        return await self._changed(queue_id, statement("outbox_reject", expect=1, id=queue_id, now=self._clock()), note)

    async def _changed(self, queue_id: str, act: Statement, note: str, *also: Statement) -> Row | None:
        noted = [statement("outbox_add_note", id=queue_id, note=note)] if note else []
        try:
            # In the same transaction: a worker may have it a moment later.
            (*_, found) = await self._database.write(act, *also, *noted, statement("outbox_get", id=queue_id))
        except ExpectationFailed:
            return None
        return _shown(found[0])


def _ids(mailboxes: Collection[int] | None) -> str | None:
    return None if mailboxes is None else _json(sorted(mailboxes))


def _as_kept(recipient: str) -> str:
    """What the JSON of a message's recipients holds where this one is among them; of `*@domain` the end alone.

    With its quotes, so that no longer address is meant: one within an address stands there behind a backslash.
    """
    text = _json(recipient)
    return text.removeprefix('"*') if recipient.startswith("*@") else text


_BEHIND_ALL: Final = "~"
"""Sorts behind every queue id."""


def _arrival_text(arrival: Arrival) -> str:
    return _json({name: text for name in _ARRIVAL if (text := getattr(arrival, name))})


_ARRIVAL: Final = ("door", "listener", "peer", "hello", "protocol", "trace")


def _notice_statements(notices: Iterable[Notice], now: float) -> Iterator[Statement]:
    for notice in notices:
        yield statement(
            "outbox_add_notice",
            id=notice.id,
            about=notice.about,
            purpose=notice.purpose,
            mailbox_id=notice.mailbox_id,
            recipients=_json([notice.recipient]),
            size=len(notice.mime),
            message_id=notice.message_id,
            expires_at=notice.expires_at,
            priority=notice.priority,
            now=now,
        )
        for part, data in enumerate(parts.in_parts(iter((notice.mime,)))):
            yield statement("outbox_add_notice_part", id=notice.id, part=part, data=data)


def _end_of_a_bounce(message: Claimed, following: Next) -> list[Statement]:
    """What belongs to the end of a bounce that failed, or of what has such a one: what was sent costs nothing more."""
    return [_untold(message.id)] if following.state in (State.FAILED, State.BOUNCED) else []


def _untold(queue_id: str) -> Statement:
    """What belongs to the end of a message, as it may be the bounce of another."""
    return statement("outbox_untold", id=queue_id, note=catalogue.sentence("notice.lost"))


def _claimed(row: Row, mailbox: Mailbox, now: float) -> Claimed:
    return Claimed(
        seq=row["seq"],
        id=row["id"],
        mailbox=mailbox,
        submitter=row["submitter"],
        envelope=Envelope(row["sender"], tuple(json.loads(row["recipients"])), _dsn(row["dsn"])),
        message_id=row["message_id"],
        size=row["size"],
        created_at=row["created_at"],
        attempt=row["attempts"],
        started_at=now,
        part=row["part"] or b"",
        cause=row["cause"],
        repeats=row["repeats"],
        expires_at=row["expires_at"],
        draft_id=row["draft_id"] if row["draft_whole"] else "",
        begun_draft="" if row["draft_whole"] else row["draft_id"],
        checks=row["checks"],
        purpose=row["purpose"],
        due_at=row["due_at"],
        spared=row["spared_from"] is not None,
        transport=row["transport"],
    )


def _order(row: Row) -> tuple[int, float, int]:
    return -row["priority"], row["due_at"], row["seq"]


def _dsn(text: str) -> Dsn:
    return Dsn(**json.loads(text)) if text else Dsn()


def _shown(row: Row) -> dict[str, Any]:
    read = {key: json.loads(row[key]) for key in ("recipients", "arrival", "notes")}
    return {**row, **read, "dsn": _dsn(row["dsn"])}
