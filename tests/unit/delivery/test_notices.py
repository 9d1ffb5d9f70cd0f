"""Notices: who is told of what, by which mailbox, and who is not; each together with the state that it tells of."""

import email
import os
from dataclasses import replace

import pytest

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.content import InMemory
from pillarbox.core.mail import Dsn, Envelope, Outcome, State
from pillarbox.delivery.notice_rules import action_of, may_be_told
from pillarbox.delivery.notices import MOST_AN_HOUR, Notices, Told, Wishes
from pillarbox.delivery.policy import NOT_TAKEN, after
from pillarbox.store.database import ExpectationFailed, Row
from pillarbox.store.messages import Claimed, NewMessage, Next
from tests.claimed import claimed
from tests.unit.delivery.conftest import ENVELOPE, Shelf

REFUSED = Outcome(Cause.BAD_RECIPIENT, "ErrorInvalidRecipients", "No such recipient.", http_status=400, request_id="r")
BROKEN = Outcome(Cause.NO_MAILBOX, "ErrorInvalidUser", "No such mailbox.", http_status=404)
SENT = Outcome(Cause.ACCEPTED, http_status=202)
MAIL = b"Subject: invoice 7\r\nTo: a@x.example\r\n\r\nsecret\r\n"
ALICE = Mailbox(1, "alice@contoso.example", AppRegistration(1, "contoso", "t", "c"))
WISHES = Wishes("gateway.contoso.example", max_age=172_800.0)
KEEPING = replace(WISHES, bounce_mailbox="two@contoso.example")


def notices(shelf: Shelf, wishes: Wishes = WISHES) -> Notices:
    return Notices(shelf.outbox, shelf.accounts, shelf.clock, os.urandom, shelf.log, shelf.woken.append, wishes)


async def put(shelf: Shelf, envelope: Envelope = ENVELOPE, mime: bytes = MAIL, purpose: str = "") -> Claimed:
    """A message that is being sent."""
    box, kept = shelf.mailboxes[0].id, InMemory(mime)
    new = NewMessage(
        os.urandom(8).hex().upper(), box, "printer", envelope, "<7@x>", kept.size, kept.pieces, purpose,
        expires_at=shelf.now + 7200,
    )  # fmt: skip
    await shelf.outbox.enqueue(new)
    return await shelf.claimed()


async def ended(
    shelf: Shelf,
    made: Notices,
    message: Claimed,
    outcome: Outcome = REFUSED,
    state: State = State.FAILED,
    code: str = "",
) -> Told:
    """What the worker does at the end of an attempt."""
    told = await made.about(message, outcome, Next(state, shelf.now + 60, outcome.cause, code=code))
    await shelf.outbox.finish(message, outcome, told.following, told.notes, told.notices)
    made.written(message, told.notices)
    return told


async def about(shelf: Shelf, message: Claimed) -> dict[str, Row]:
    """The notices about a message in the outbox, by purpose."""
    found = {}
    for row in await shelf.outbox.notices(message.seq):
        whole = await shelf.outbox.get(row["id"])
        assert whole is not None
        found[row["purpose"]] = whole
    return found


async def notes(shelf: Shelf, message: Claimed) -> list[str]:
    return [note for attempt in await shelf.outbox.attempts(message.seq) for note in attempt["notes"]]


# ---- a bounce


async def test_a_message_that_failed_is_bounced_to_its_sender_by_its_own_mailbox(shelf: Shelf) -> None:
    message = await put(shelf)
    await ended(shelf, notices(shelf), message)
    assert await shelf.state(message.id) == "bounced"
    bounce = (await about(shelf, message))["bounce"]
    assert (bounce["recipients"], bounce["sender"], bounce["state"]) == (["one@contoso.example"], "", "queued")
    assert bounce["mailbox"] == "one@contoso.example"
    # A time of its own: what outlasted the message's may outlast it again.
    assert bounce["expires_at"] == shelf.now + 172_800
    assert shelf.woken == [shelf.mailboxes[0].id]
    mime = await shelf.stored(bounce["id"])
    assert b"Status: 5.1.3\r\n" in mime
    assert b"Diagnostic-Code: x-msgraph; 400 ErrorInvalidRecipients request-id=r" in mime
    assert b"\r\n\r\nSubject: invoice 7\r\nTo: a@x.example\r\n" in mime
    assert b"secret" not in mime
    assert email.message_from_bytes(mime)["To"] == "one@contoso.example"


async def test_what_was_found_not_to_be_taken_is_bounced_as_too_old(shelf: Shelf) -> None:
    message = await put(shelf)
    await ended(shelf, notices(shelf), message, Outcome(Cause.UNCLEAR), code=NOT_TAKEN)
    mime = await shelf.stored((await about(shelf, message))["bounce"]["id"])
    assert b"Status: 5.4.7\r\n" in mime
    text = b" ".join(mime.split())
    assert b"Microsoft did not take this message" in text
    assert b"is not known" not in text


async def test_bounce_and_state_are_written_together_or_not_at_all(shelf: Shelf) -> None:
    message = await put(shelf)
    told = await notices(shelf).about(message, REFUSED, Next(State.FAILED, 0, REFUSED.cause))
    await shelf.outbox.finish(message, REFUSED, Next(State.QUEUED, 0))
    with pytest.raises(ExpectationFailed):
        await shelf.outbox.finish(message, REFUSED, told.following, told.notes, told.notices)
    assert await about(shelf, message) == {}


async def test_a_message_is_bounced_once_however_often_it_fails(shelf: Shelf) -> None:
    message = await put(shelf)
    made = notices(shelf)
    told = await made.about(message, REFUSED, Next(State.FAILED, 0, REFUSED.cause))
    again = await made.about(message, REFUSED, Next(State.FAILED, 0, REFUSED.cause))
    await shelf.outbox.finish(message, REFUSED, Next(State.DEFERRED, 0), (), told.notices)
    (second,) = await shelf.outbox.claim(message.mailbox.id, 1)
    await shelf.outbox.finish(second, REFUSED, again.following, (), again.notices)
    assert list(await about(shelf, message)) == ["bounce"]
    assert await shelf.outbox.count() == {"bounced": 1, "queued": 1}


async def test_a_message_that_was_bounced_before_is_bounced_without_another_notice(shelf: Shelf) -> None:
    message = await put(shelf)
    made = notices(shelf)
    told = await made.about(message, REFUSED, Next(State.FAILED, 0, REFUSED.cause))
    await shelf.outbox.finish(message, REFUSED, Next(State.DEFERRED, 0), (), told.notices)
    (second,) = await shelf.outbox.claim(message.mailbox.id, 1)
    told = await ended(shelf, made, second)
    assert (told.following.state, told.notices) == (State.BOUNCED, ())


@pytest.mark.parametrize(
    ("envelope", "mime", "purpose", "why"),
    [
        (Envelope("", ("a@x.example",)), MAIL, "", "sender is empty"),
        (ENVELOPE, MAIL, "test", "test mail"),
        (ENVELOPE, b"X-Pillarbox-Loop: 1\r\n" + MAIL, "", "bounce itself"),
        (ENVELOPE, b"Content-Type: multipart/report; boundary=x\r\n" + MAIL, "", "bounce itself"),
        (ENVELOPE, MAIL, "bounce", "bounce itself"),
        (replace(ENVELOPE, dsn=Dsn(notify={"a@x.example": "NEVER"})), MAIL, "", "NOTIFY"),
        (replace(ENVELOPE, dsn=Dsn(notify={"a@x.example": "SUCCESS"})), MAIL, "", "NOTIFY"),
        (Envelope("ceo@fabrikam.example", ("a@x.example",)), MAIL, "", "ceo@fabrikam.example is of no domain"),
    ],
)
async def test_nobody_is_told_of_it_and_the_trace_says_why(
    shelf: Shelf, envelope: Envelope, mime: bytes, purpose: str, why: str
) -> None:
    message = await put(shelf, envelope, mime, purpose)
    await ended(shelf, notices(shelf), message)
    assert await shelf.state(message.id) == "failed"
    assert await about(shelf, message) == {}
    (note,) = await notes(shelf, message)
    assert why in note


async def test_a_bounce_that_fails_makes_no_other(shelf: Shelf) -> None:
    message = await put(shelf)
    made = notices(shelf)
    await ended(shelf, made, message)
    bounce = await shelf.claimed()
    assert bounce.purpose == "bounce"
    await ended(shelf, made, bounce)
    assert await shelf.state(bounce.id) == "failed"
    assert await about(shelf, bounce) == {}


@pytest.mark.parametrize("end", ["fails", "is canceled"])
async def test_a_message_whose_bounce_came_to_nothing_has_failed_and_is_told_of_again_when_it_fails_again(
    shelf: Shelf, end: str
) -> None:
    message, made = await put(shelf), notices(shelf)
    await ended(shelf, made, message)
    first = (await about(shelf, message))["bounce"]["id"]
    if end == "fails":
        await ended(shelf, made, await shelf.claimed())
    else:
        assert await shelf.outbox.cancel(first)
    row = await shelf.outbox.get(message.id)
    assert row is not None
    assert (row["state"], row["notes"]) == (
        "failed",
        ["The sender is not told: the bounce itself could not be sent, or was canceled."],
    )
    assert await shelf.outbox.retry(message.id)
    await ended(shelf, made, await shelf.claimed())
    assert await shelf.state(message.id) == "bounced"
    assert sorted(row["state"] for row in await shelf.outbox.notices(message.seq)) in (
        ["failed", "queued"],
        ["canceled", "queued"],
    )
    # Of the two, the later one goes.
    assert await shelf.outbox.retry(first) is None


async def test_a_bounce_that_is_sent_again_makes_what_failed_bounced_again(shelf: Shelf) -> None:
    message, made = await put(shelf), notices(shelf)
    await ended(shelf, made, message)
    await ended(shelf, made, await shelf.claimed())
    assert await shelf.state(message.id) == "failed"
    assert await shelf.outbox.retry((await about(shelf, message))["bounce"]["id"])
    assert await shelf.state(message.id) == "bounced"


async def test_a_bounce_that_fails_while_its_message_is_tried_again_tells_nobody(shelf: Shelf) -> None:
    message, made = await put(shelf), notices(shelf)
    await ended(shelf, made, message)
    bounce = await shelf.claimed()
    await shelf.outbox.retry(message.id)
    again = await shelf.claimed()
    told = await made.about(again, REFUSED, Next(State.FAILED, shelf.now, REFUSED.cause))
    assert (told.following.state, told.notices) == (State.BOUNCED, ())
    await ended(shelf, made, bounce)
    await shelf.outbox.finish(again, REFUSED, told.following, told.notes, told.notices)
    assert await shelf.state(message.id) == "failed"


async def test_the_bounce_of_what_was_tried_to_the_end_tells_so_and_promises_no_further_attempt(shelf: Shelf) -> None:
    message = await put(shelf)
    busy = Outcome(Cause.THROTTLED, "TooManyRequests", "Slow down.", Cause.THROTTLED.entry.cure, http_status=429)
    following = after(busy, replace(message, expires_at=shelf.now), (120.0,), shelf.now, 0.5)
    told = await notices(shelf).about(message, busy, following)
    await shelf.outbox.finish(message, busy, told.following, told.notes, told.notices)
    (bounce,) = told.notices
    assert b"Status: 5.4.7\r\n" in bounce.mime
    text = b" ".join(bounce.mime.split())
    assert b"The time for sending it ran out" in text
    assert b"by itself" not in text
    assert b"x-msgraph; 429 TooManyRequests" in text
    row = await shelf.outbox.get(message.id)
    assert row is not None
    assert (row["code"], row["cause"]) == ("outbox.expired", "throttled")
    assert "ran out" in row["reason"]
    assert "by itself" not in row["cure"]
    (attempt,) = await shelf.outbox.attempts(message.seq)
    assert (attempt["code"], attempt["reason"]) == ("TooManyRequests", "Slow down.")


async def test_the_bounce_of_what_was_tried_often_enough_promises_no_further_attempt_either(shelf: Shelf) -> None:
    message = await put(shelf)
    gone = replace(BROKEN, cure=Cause.NO_MAILBOX.entry.cure)
    following = after(gone, replace(message, cause="no_mailbox", repeats=2), (120.0,), shelf.now, 0.5)
    told = await notices(shelf, KEEPING).about(message, gone, following)
    await shelf.outbox.finish(message, gone, told.following, told.notes, told.notices)
    text = b" ".join(told.notices[0].mime.split())
    assert b"Status: 5.1.8" in text
    assert b"It was tried 3 times in succession" in text
    assert b"again twice" not in text
    row = await shelf.outbox.get(message.id)
    assert row is not None
    assert (row["state"], row["code"]) == ("bounced", "outbox.given_up")


async def test_of_several_recipients_one_is_meant_and_people_read_that(shelf: Shelf) -> None:
    for to, meant in ((("a@x.example",), False), (("a@x.example", "b@x.example"), True)):
        message = await put(shelf, replace(ENVELOPE, recipients=to))
        told = await ended(shelf, notices(shelf), message)
        assert (b"One of the recipients is meant" in told.notices[0].mime) is meant
        await shelf.outbox.cancel(told.notices[0].id)


async def test_the_one_recipient_that_was_refused_has_the_words_and_the_others_are_told_why(shelf: Shelf) -> None:
    message = await put(shelf, replace(ENVELOPE, recipients=("a@x.example", "b@x.example")))
    refused = Outcome(Cause.BAD_RECIPIENT, "550 5.1.10", "Not found.", recipient="b@x.example")
    mime = (await ended(shelf, notices(shelf), message, refused)).notices[0].mime
    assert b"One of the recipients is meant" not in mime
    first, second = mime.split(b"Final-Recipient: ")[1:]
    assert b"Status: 5.0.0" in first
    assert b"b@x.example was refused" in first.replace(b"\r\n", b"")
    assert b"Status: 5.1.10\r\nDiagnostic-Code: smtp; 550 5.1.10 Not found." in second


async def test_only_recipients_that_failures_are_wanted_of_stand_in_it(shelf: Shelf) -> None:
    dsn = Dsn(notify={"quiet@x.example": "NEVER"})
    message = await put(shelf, Envelope("one@contoso.example", ("a@x.example", "quiet@x.example"), dsn))
    told = await ended(shelf, notices(shelf), message)
    assert b"a@x.example" in told.notices[0].mime
    assert b"quiet@x.example" not in told.notices[0].mime


# ---- by whom and to whom


def test_a_sender_is_told_where_the_mailboxs_domain_or_the_settings_name_its(shelf: Shelf) -> None:
    box = shelf.mailboxes[0]
    assert may_be_told("Anybody@CONTOSO.example", box, ())
    assert may_be_told("x@Fabrikam.example", box, ("fabrikam.EXAMPLE",))
    assert not may_be_told("x@sub.contoso.example", box, ())
    assert not may_be_told("x@fabrikam.example", box, ())


async def test_the_bounce_of_a_stranger_goes_to_the_bounce_mailbox(shelf: Shelf) -> None:
    message = await put(shelf, Envelope("ceo@fabrikam.example", ("a@x.example",)))
    await ended(shelf, notices(shelf, KEEPING), message)
    assert (await about(shelf, message))["bounce"]["recipients"] == ["two@contoso.example"]


async def test_a_mailbox_that_cannot_send_is_stood_in_for(shelf: Shelf) -> None:
    message = await put(shelf)
    await ended(shelf, notices(shelf, KEEPING), message, BROKEN)
    bounce = (await about(shelf, message))["bounce"]
    assert (bounce["mailbox"], bounce["recipients"]) == ("two@contoso.example", ["one@contoso.example"])


@pytest.mark.parametrize("keeper", ["", "one@contoso.example", "nobody@contoso.example"])
async def test_a_mailbox_that_cannot_send_is_not_made_to(shelf: Shelf, keeper: str) -> None:
    message = await put(shelf)
    await ended(shelf, notices(shelf, replace(WISHES, bounce_mailbox=keeper)), message, BROKEN)
    assert await shelf.state(message.id) == "failed"
    assert "one@contoso.example cannot send" in (await notes(shelf, message))[0]


async def test_nobody_gets_more_than_sixty_an_hour_also_over_a_restart(shelf: Shelf) -> None:
    made = notices(shelf)
    for number in range(MOST_AN_HOUR):
        sender = ("one@contoso.example", "ONE@contoso.example")[number % 2]
        message = await put(shelf, replace(ENVELOPE, sender=sender))
        await ended(shelf, made, message)
        assert await shelf.state(message.id) == "bounced"
        await shelf.outbox.cancel((await about(shelf, message))["bounce"]["id"])
    for one in (made, notices(shelf)):
        message = await put(shelf)
        await ended(shelf, one, message)
        assert await shelf.state(message.id) == "failed"
        assert "60" in (await notes(shelf, message))[0]
    other = await put(shelf, replace(ENVELOPE, sender="two@contoso.example"))
    await ended(shelf, made, other)
    assert await shelf.state(other.id) == "bounced"
    await shelf.outbox.cancel((await about(shelf, other))["bounce"]["id"])
    shelf.now += 3600
    message = await put(shelf)
    await ended(shelf, made, message)
    assert await shelf.state(message.id) == "bounced"


# ---- what else is told


async def test_the_postmaster_gets_a_copy_and_hears_of_bounces_that_failed(shelf: Shelf) -> None:
    made = notices(shelf, replace(WISHES, postmaster="admin@contoso.example"))
    message = await put(shelf)
    await ended(shelf, made, message)
    found = await about(shelf, message)
    assert found.keys() == {"bounce", "postmaster"}
    assert found["postmaster"]["recipients"] == ["admin@contoso.example"]
    bounce, copy = await shelf.outbox.claim(message.mailbox.id, 2)
    assert (bounce.purpose, copy.purpose) == ("bounce", "postmaster")
    await ended(shelf, made, bounce)
    assert (await about(shelf, bounce)).keys() == {"postmaster"}
    assert await shelf.state(bounce.id) == "failed"
    await ended(shelf, made, copy)
    assert await about(shelf, copy) == {}


async def test_why_the_postmaster_is_not_told_stands_in_the_trace(shelf: Shelf) -> None:
    made = notices(shelf, replace(WISHES, postmaster="admin@contoso.example"))
    for _ in range(MOST_AN_HOUR):
        message = await put(shelf, Envelope("", ("a@x.example",)))
        await ended(shelf, made, message)
        await shelf.outbox.cancel((await about(shelf, message))["postmaster"]["id"])
    message = await put(shelf, Envelope("", ("a@x.example",)))
    await ended(shelf, made, message)
    assert any("admin@contoso.example is not told" in note for note in await notes(shelf, message))


async def test_what_was_not_written_does_not_count(shelf: Shelf) -> None:
    made, message = notices(shelf), await put(shelf)
    for _ in range(MOST_AN_HOUR + 1):
        told = await made.about(message, REFUSED, Next(State.FAILED, 0, REFUSED.cause))
    assert told.notices


async def test_the_postmaster_hears_nothing_of_test_mails(shelf: Shelf) -> None:
    message = await put(shelf, purpose="test")
    await ended(shelf, notices(shelf, replace(WISHES, postmaster="admin@contoso.example")), message)
    assert await about(shelf, message) == {}


async def test_success_is_told_where_it_was_asked_for_alone(shelf: Shelf) -> None:
    dsn = Dsn(notify={"a@x.example": "SUCCESS"})
    asked = await put(shelf, Envelope("one@contoso.example", ("a@x.example", "b@x.example"), dsn))
    told = await ended(shelf, notices(shelf), asked, SENT, State.SENT)
    assert await shelf.state(asked.id) == "sent"
    assert (await about(shelf, asked)).keys() == {"relayed"}
    assert b"Action: relayed\r\nStatus: 2.0.0\r\n" in told.notices[0].mime
    assert b"b@x.example" not in told.notices[0].mime
    await shelf.outbox.cancel(told.notices[0].id)
    unasked = await put(shelf)
    assert await ended(shelf, notices(shelf), unasked, SENT, State.SENT) == Told(
        Next(State.SENT, shelf.now + 60, "accepted")
    )


async def test_success_that_exchange_reports_itself_is_not_told_twice(shelf: Shelf) -> None:
    """RFC 3461 section 5.2.1: what was handed on is reported by who took it."""
    asked = await put(shelf, replace(ENVELOPE, dsn=Dsn(notify={"a@x.example": "SUCCESS"})))
    await ended(shelf, notices(shelf), asked, replace(SENT, reports=True), State.SENT)
    assert await about(shelf, asked) == {}


async def test_a_message_found_sent_by_a_look_up_is_told_of_too(shelf: Shelf) -> None:
    message = await put(shelf, replace(ENVELOPE, dsn=Dsn(notify={"a@x.example": "SUCCESS"})))
    await shelf.outbox.finish(message, Outcome(Cause.UNCLEAR), Next(State.UNCERTAIN, shelf.now, "unclear"))
    (doubtful,) = await shelf.outbox.doubtful(message.mailbox.id, 1, 600.0)
    told = await notices(shelf).about(doubtful, SENT, Next(State.SENT, shelf.now, "unclear"))
    await shelf.outbox.looked(doubtful, told.following, "found", told.notices)
    relayed = (await about(shelf, message))["relayed"]
    assert b"Subject: invoice 7\r\n" in await shelf.stored(relayed["id"])


async def test_what_a_busy_mailbox_could_not_send_is_told_by_another_if_there_is_one(shelf: Shelf) -> None:
    for wishes, mailbox in ((KEEPING, "two@contoso.example"), (WISHES, "one@contoso.example")):
        message = await put(shelf)
        await ended(shelf, notices(shelf, wishes), message, Outcome(Cause.QUOTA, http_status=429))
        bounce = (await about(shelf, message))["bounce"]
        assert bounce["mailbox"] == mailbox
        await shelf.outbox.cancel(bounce["id"])


FULL = replace(ENVELOPE, dsn=Dsn(ret="FULL"))


async def test_the_whole_message_comes_back_where_the_client_asked_for_it(shelf: Shelf) -> None:
    message = await put(shelf, FULL)
    await ended(shelf, notices(shelf, replace(WISHES, postmaster="ops@contoso.example")), message)
    told = await about(shelf, message)
    copies = {purpose: row["size"] for purpose, row in told.items()}
    bounce = await shelf.stored(told["bounce"]["id"])
    assert b"Content-Type: message/rfc822\r\n\r\n" + MAIL in bounce
    # The postmaster gets the header: it was not asked for them.
    assert copies["postmaster"] < copies["bounce"]


@pytest.mark.parametrize(
    ("sender", "outcome"),
    [
        ("one@contoso.example", Outcome(Cause.BAD_CONTENT, http_status=400)),
        ("one@contoso.example", Outcome(Cause.TOO_LARGE, http_status=413)),
        ("ceo@fabrikam.example", REFUSED),
    ],
)
async def test_the_header_alone_comes_back_where_the_whole_would_be_refused_again_or_read_by_another(
    shelf: Shelf, sender: str, outcome: Outcome
) -> None:
    message = await put(shelf, replace(FULL, sender=sender))
    await ended(shelf, notices(shelf, KEEPING), message, outcome)
    mime = await shelf.stored((await about(shelf, message))["bounce"]["id"])
    assert b"Content-Type: text/rfc822-headers" in mime
    assert b"secret" not in mime


async def test_a_mistake_of_ours_costs_the_notice_and_not_the_state(shelf: Shelf) -> None:
    message = replace(await put(shelf), created_at=float("nan"))  # no date can be written of it
    await ended(shelf, notices(shelf), message)
    assert await shelf.state(message.id) == "failed"
    assert "mistake in Pillarbox" in (await notes(shelf, message))[0]


def test_what_is_sent_costs_nothing_more_where_nobody_asked() -> None:
    message = claimed(ALICE, "bob@contoso.example")
    assert action_of(message, Next(State.SENT, 0.0)) is None
