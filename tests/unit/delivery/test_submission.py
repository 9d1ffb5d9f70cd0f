"""Accept: what is checked, what is added, that the rest stays as it came, and that a large message is never whole."""

import asyncio
import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.accounts import Submitter
from pillarbox.core.content import PIECE, Content, in_memory
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.headers import MAX_FIELDS, address_to
from pillarbox.core.mail import Arrival, Dsn, Envelope
from pillarbox.delivery.queue_id import first_of, queue_id
from pillarbox.delivery.submission import Submission
from pillarbox.store.accounts import MOST_MADE_UP
from tests.unit.delivery.conftest import NOON, Shelf

WHOLE = (
    b"Message-ID: <1@x>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nFrom: one@contoso.example\r\nTo: a@x.example\r\n"
)
BODY = b"\r\n\0\xff.\r\n"
ENVELOPE = Envelope("one@contoso.example", ("a@x.example",))


@pytest.fixture
def submission(shelf: Shelf) -> Submission:
    return shelf.submission(random=lambda count: b"\0" * (count - 1) + b"\7")


async def accepted(shelf: Shelf, submission: Submission, mime: bytes, sender: str = "one@contoso.example") -> bytes:
    """The message as it lies in the outbox."""
    envelope = Envelope(sender, ("a@x.example",))
    return await shelf.stored(await submission.accept(envelope, in_memory(mime), shelf.submitter))


async def refusal(submission: Submission, submitter: Submitter, mime: bytes, envelope: Envelope = ENVELOPE) -> str:
    """The code with which it is refused."""
    with pytest.raises(PillarboxError) as caught:
        await submission.accept(envelope, in_memory(mime), submitter)
    return caught.value.code


async def test_a_whole_message_gets_our_id_and_nothing_else(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, WHOLE + BODY)
    assert re.fullmatch(rb"X-Pillarbox-Id: 01[0-9A-Z]{13}7\r\n" + re.escape(WHOLE + BODY), found)


@pytest.mark.parametrize(
    ("lacking", "added"),
    [
        (b"Message-ID", rb"Message-ID: <[0-9A-Z]{16}@contoso\.example>\r\n"),
        (b"Date", rb"Date: Fri, 20 Nov 2026 12:00:00 -0000\r\n"),
        (b"From", rb"From: one@contoso\.example\r\n"),
    ],
)
async def test_what_is_missing_is_added(shelf: Shelf, submission: Submission, lacking: bytes, added: bytes) -> None:
    rest = b"".join(line for line in WHOLE.splitlines(keepends=True) if not line.startswith(lacking))
    found = await accepted(shelf, submission, rest + BODY)
    assert re.fullmatch(rb"X-Pillarbox-Id: [0-9A-Z]{16}\r\n" + added + re.escape(rest + BODY), found)


@pytest.mark.parametrize("mime", [b"\npage 1\nBcc: mallory@evil.example\n", b"\r\n", b""])
async def test_a_message_without_any_header_becomes_a_whole_one(
    shelf: Shelf, submission: Submission, mime: bytes
) -> None:
    found = await accepted(shelf, submission, mime)
    head, _, body = found.partition(b"\r\n\r\n")
    assert [line.split(b":")[0] for line in head.split(b"\r\n")] == [b"X-Pillarbox-Id", b"Message-ID", b"Date", b"From"]
    assert body == mime.replace(b"\r", b"").replace(b"\n", b"\r\n").removeprefix(b"\r\n")


async def test_from_nobody_is_written_as_the_mailbox(shelf: Shelf, submission: Submission) -> None:
    assert b"\r\nFrom: one@contoso.example\r\n" in await accepted(shelf, submission, b"To: a@x.example\r\n\r\n", "")


async def test_an_id_that_is_forged_does_not_replace_ours(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, b"X-Pillarbox-Id: FORGED\r\n" + WHOLE + b"x-pillarbox-id: 2\r\n" + BODY)
    assert re.fullmatch(rb"X-Pillarbox-Id: 01[0-9A-Z]{13}7\r\n" + re.escape(WHOLE + BODY), found)


@pytest.mark.parametrize("name", [b"Message-ID", b"Date"])
async def test_an_empty_field_is_a_missing_one_and_goes(shelf: Shelf, submission: Submission, name: bytes) -> None:
    rest = b"".join(line for line in WHOLE.splitlines(keepends=True) if not line.startswith(name))
    found = await accepted(shelf, submission, rest + name + b":\r\n" + name + b": \r\n" + BODY)
    assert re.fullmatch(rb"X-Pillarbox-Id: \w{16}\r\n" + name + rb": [^\r]+\r\n" + re.escape(rest + BODY), found)


async def test_of_two_message_ids_the_first_that_is_not_empty_counts(shelf: Shelf, submission: Submission) -> None:
    new = await submission.accept(ENVELOPE, in_memory(b"Message-ID:\r\n" + WHOLE + BODY), shelf.submitter)
    row = await shelf.outbox.get(new)
    assert row is not None
    assert row["message_id"] == "<1@x>"
    assert (await shelf.stored(new)).count(b"Message-ID") == 2


async def test_the_trace_knows_the_message_id(shelf: Shelf, submission: Submission) -> None:
    new = await submission.accept(ENVELOPE, in_memory(WHOLE + BODY), shelf.submitter)
    row = await shelf.outbox.get(new)
    assert row is not None
    assert (row["message_id"], row["mailbox"], row["submitter"]) == ("<1@x>", "one@contoso.example", "printer")


async def test_who_waits_is_told_after_the_commit(shelf: Shelf, submission: Submission) -> None:
    await accepted(shelf, submission, WHOLE + BODY)
    assert (shelf.woken, shelf.used) == ([shelf.mailboxes[0].id], ["printer"])


REFUSED = [
    ("boss@contoso.example", 1, WHOLE, "mail.sender_not_allowed"),
    ("one@contoso.example", 0, WHOLE, "mail.no_recipients"),
    ("one@contoso.example", 3, WHOLE, "mail.too_many_recipients"),
    ("one@contoso.example", 1, b"no header\r\n", "mail.bad_header"),
    ("one@contoso.example", 1, b"Received: x\r\n" * 51 + WHOLE, "mail.loop"),
    ("one@contoso.example", 1, b"Sender: boss@contoso.example\r\n" + WHOLE, "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"Resent-From: boss@contoso.example\r\n" + WHOLE, "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"Content-Type: multipart/a; boundary=" + b"x" * 71, "mail.mime_boundary"),
    ("one@contoso.example", 1, b"X: y\r\n" * (MAX_FIELDS + 1), "mail.header_too_large"),
    ("one@contoso.example", 1, b"From: boss@contoso.example\r\n" + WHOLE, "mail.too_many_from"),
    ("one@contoso.example", 1, b"From: boss@contoso.example\r\n", "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"from :\r\n boss@contoso.example\r\n", "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"X: y\nFrom: boss@contoso.example\n", "mail.from_not_allowed"),
    ("", 1, b"From: boss@contoso.example\r\n", "mail.from_not_allowed"),
]


@pytest.mark.parametrize(("sender", "recipients", "mime", "code"), REFUSED)
async def test_what_is_refused_leaves_nothing_behind(
    shelf: Shelf, submission: Submission, sender: str, recipients: int, mime: bytes, code: str
) -> None:
    envelope = Envelope(sender, ("a@x.example",) * recipients)
    assert await refusal(submission, shelf.submitter, mime, envelope) == code
    assert (await shelf.outbox.count(), shelf.woken, shelf.used) == ({}, [], [])


async def test_without_a_store_nothing_is_accepted(shelf: Shelf, submission: Submission) -> None:
    await shelf.database.close()
    with pytest.raises(Unavailable):
        await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    assert (shelf.woken, shelf.lines.lines("mail.accepted")) == ([], [])


async def test_the_largest_header_that_is_accepted_can_also_be_sent(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, b"X: y\r\n" * MAX_FIELDS + b"\r\n")
    assert address_to(found, ["a@x.example"]).mime.startswith(b"Bcc: a@x.example\r\nX-Pillarbox-Id")


async def test_what_goes_into_reply_to_keeps_the_header_within_what_can_be_sent(shelf: Shelf) -> None:
    mime = (b"From: " + b",".join([b"a@b"] * 3900) + b"\r\n") * 8 + b"\r\n"
    submission = shelf.submission()
    forcing = replace(shelf.submitter, force_from=True)
    found = await shelf.stored(await submission.accept(ENVELOPE, in_memory(mime), forcing))
    assert address_to(found, ["a@x.example"]).mime.startswith(b"Bcc: a@x.example\r\n")


async def test_a_message_id_is_ascii_whatever_the_mailbox_is(shelf: Shelf) -> None:
    submitter = Submitter(2, "crm", {}, {"xn--tda.example": shelf.mailboxes[0].app})
    mime, envelope = "From: jo@ü.example\r\n\r\n".encode(), Envelope("jo@ü.example", ("a@x.example",))
    new = await shelf.submission().accept(envelope, in_memory(mime), submitter)
    assert b"\r\nMessage-ID: <%s@xn--tda.example>\r\n" % new.encode() in await shelf.stored(new)


# ---- what a submitter may do


async def test_what_is_missing_is_only_added_to_from_where_that_was_asked_for(shelf: Shelf) -> None:
    strict = replace(shelf.submitter, fix_from=False)
    assert await refusal(shelf.submission(), strict, b"To: a@x.example\r\n\r\n") == "mail.no_from"


async def test_an_empty_from_is_no_from_and_goes(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, WHOLE.replace(b"From: one@contoso.example", b"FROM:") + BODY)
    assert found.count(b"From: one@contoso.example\r\n") == 1
    assert b"FROM" not in found


async def test_from_is_written_anew_where_that_was_asked_for_and_nothing_else(shelf: Shelf) -> None:
    forcing = replace(shelf.submitter, force_from=True)
    mime = b"Date: x\r\nFrom: Scan <scan@device.example>\r\nMessage-ID: <1@x>\r\n\r\nFrom: body\r\n"
    envelope = Envelope("scan@device.example", ("a@x.example",))
    found = await shelf.stored(await shelf.submission().accept(envelope, in_memory(mime), forcing))
    assert re.fullmatch(
        rb"X-Pillarbox-Id: \w{16}\r\nFrom: Scan <one@contoso\.example>\r\nReply-To: Scan <scan@device\.example>\r\n"
        rb"Date: x\r\nMessage-ID: <1@x>\r\n\r\nFrom: body\r\n",
        found,
    )


async def test_a_disabled_submitter_hands_in_nothing(shelf: Shelf) -> None:
    disabled = replace(shelf.submitter, enabled=False)
    assert await refusal(shelf.submission(), disabled, WHOLE) == "submitter.disabled"
    with pytest.raises(PillarboxError, match="disabled"):
        shelf.submission().check_mail(disabled, "one@contoso.example", 0)


async def test_recipients_are_checked_at_the_command_and_at_accept(shelf: Shelf) -> None:
    limited, submission = replace(shelf.submitter, recipients=("*@contoso.example",)), shelf.submission()
    submission.check_recipient(limited, "b@contoso.example")
    with pytest.raises(PillarboxError, match="may not send to"):
        submission.check_recipient(limited, "a@x.example")
    assert await refusal(submission, limited, WHOLE) == "mail.recipient_not_allowed"


async def test_a_submitters_own_size_counts(shelf: Shelf) -> None:
    small, submission = replace(shelf.submitter, max_size=100), shelf.submission()
    with pytest.raises(PillarboxError, match="larger than 100 bytes"):
        submission.check_mail(small, "one@contoso.example", 101)
    assert await refusal(submission, small, b"\r\n" + b"x" * 99) == "mail.too_large"
    submission.check_mail(small, "one@contoso.example", 100)


async def test_mail_from_is_judged_before_the_message_comes(shelf: Shelf) -> None:
    submission = shelf.submission()
    submission.check_mail(shelf.submitter, "one@contoso.example", 0)
    submission.check_mail(shelf.submitter, "", 0)
    with pytest.raises(PillarboxError, match="may not send as"):
        submission.check_mail(shelf.submitter, "boss@contoso.example", 0)


async def test_a_mailbox_of_a_domain_is_kept_with_its_first_message(shelf: Shelf) -> None:
    submitter = Submitter(2, "crm", {}, {"fabrikam.example": shelf.mailboxes[0].app})
    envelope = Envelope("Jo@fabrikam.example", ("a@x.example",))
    mime = b"From: jo@fabrikam.example\r\n\r\n"
    submission = shelf.submission()
    submission.check_mail(submitter, "Jo@fabrikam.example", 0)
    first, second = [await submission.accept(envelope, in_memory(mime), submitter) for _ in range(2)]
    for queue_id_ in (first, second):
        row = await shelf.outbox.get(queue_id_)
        assert row is not None
        assert row["mailbox"] == "jo@fabrikam.example"
    assert len(await shelf.accounts.mailboxes()) == 3


async def test_what_is_refused_keeps_no_mailbox_of_a_domain(shelf: Shelf) -> None:
    submitter = Submitter(2, "crm", {}, {"fabrikam.example": shelf.mailboxes[0].app})
    envelope = Envelope("jo@fabrikam.example", ("a@x.example",))
    assert await refusal(shelf.submission(), submitter, WHOLE, envelope) == "mail.from_not_allowed"
    assert len(await shelf.accounts.mailboxes()) == 2


async def test_a_rule_for_a_domain_makes_no_mailboxes_without_end(shelf: Shelf) -> None:
    app = shelf.mailboxes[0].app
    submission, submitter = shelf.submission(), Submitter(2, "crm", {}, {"fabrikam.example": app})
    told: list[tuple[str, bool]] = []

    async def hand_in(name: str) -> str:
        mime = b"From: %s@fabrikam.example\r\n\r\n" % name.encode()
        envelope = Envelope(f"{name}@fabrikam.example", ("a@x.example",))
        try:
            await submission.accept(envelope, in_memory(mime), submitter)
        except PillarboxError as error:
            told.append((error.entry.smtp, f"{name}@fabrikam.example" in error.sentence))
            return error.code
        return ""

    made_up = (replace(shelf.mailboxes[0], id=0, address=f"x{n}@fabrikam.example") for n in range(MOST_MADE_UP - 1))
    await asyncio.gather(*(shelf.accounts.ensure_mailbox(box) for box in made_up))
    assert [await hand_in(name) for name in ("last", "more", "x7")] == ["", "mail.too_many_mailboxes", ""]
    await shelf.accounts.add_mailbox("more@fabrikam.example", app)
    assert [await hand_in(name) for name in ("more", "another")] == ["", "mail.too_many_mailboxes"]
    assert len(await shelf.accounts.mailboxes()) == MOST_MADE_UP + 3
    assert told == [("450 4.7.1", True)] * 2


async def test_two_messages_at_once_make_up_one_mailbox(shelf: Shelf) -> None:
    new = replace(shelf.mailboxes[0], id=0, address="jo@fabrikam.example")
    assert len({box.id for box in await asyncio.gather(*(shelf.accounts.ensure_mailbox(new) for _ in range(5)))}) == 1


# ---- the way out


async def test_what_the_way_out_does_not_take_is_refused_before_it_comes_and_when_it_came(shelf: Shelf) -> None:
    limits = {"one@contoso.example": 1000, "two@contoso.example": 0}
    submission = shelf.submission(route_limit=lambda box: limits[box.address])
    submission.check_mail(shelf.submitter, "one@contoso.example", 1000)
    submission.check_mail(shelf.submitter, "two@contoso.example", 9999)
    with pytest.raises(PillarboxError) as caught:
        submission.check_mail(shelf.submitter, "one@contoso.example", 1001)
    assert (caught.value.code, caught.value.entry.smtp) == ("mail.too_large_for_graph", "552 5.3.4")
    assert "1000 bytes" in caught.value.sentence
    assert "Microsoft Graph" in caught.value.sentence
    fits = WHOLE + b"\r\n" + b"x" * (1000 - len(WHOLE) - 2)
    await submission.accept(ENVELOPE, in_memory(fits), shelf.submitter)
    assert await refusal(submission, shelf.submitter, fits + b"x") == "mail.too_large_for_graph"
    # Of the null sender only From says from which mailbox it is to leave.
    nobody = Envelope("", ("a@x.example",))
    assert await refusal(submission, shelf.submitter, fits + b"x", nobody) == "mail.too_large_for_graph"


async def test_what_exchange_does_not_take_is_no_fault_of_graphs(shelf: Shelf) -> None:
    submission = shelf.submission(route_limit=lambda _: 36_700_160, whole_limit=lambda _: 36_700_160)
    with pytest.raises(PillarboxError) as caught:
        submission.check_mail(shelf.submitter, "one@contoso.example", 36_700_161)
    assert (caught.value.code, caught.value.entry.smtp) == ("mail.too_large_for_mailbox", "552 5.3.4")
    sealed = WHOLE.removesuffix(b"\r\n") + b"Content-Type: multipart/signed; boundary=x\r\n\r\n"
    sealed += b"x" * 36_700_161
    assert await refusal(submission, shelf.submitter, sealed) == "mail.too_large_for_mailbox"


async def test_what_must_stay_and_does_not_fit_into_one_call_is_refused_although_more_can_be_uploaded(
    shelf: Shelf,
) -> None:
    submission = shelf.submission(route_limit=lambda _: 10**8, whole_limit=lambda _: 1000)
    assert await refusal(submission, shelf.submitter, WHOLE + b"\r\n" + b"x" * 1001) == "mail.too_large_text"
    head = WHOLE + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    signed = b"Content-Type: application/pkcs7-mime\r\n\r\n" + b"x" * 1001
    assert await refusal(submission, shelf.submitter, head + signed) == "mail.too_large_sealed"
    await submission.accept(ENVELOPE, in_memory(head + signed.replace(b"pkcs7-mime", b"pdf")), shelf.submitter)


# ---- rate and backlog


async def test_so_many_messages_a_minute_and_no_more(shelf: Shelf) -> None:
    slow, submission = replace(shelf.submitter, rate=2), shelf.submission()
    for _ in range(2):
        submission.check_mail(slow, "one@contoso.example", 0)
        submission.check_mail(slow, "one@contoso.example", 0)
        await submission.accept(ENVELOPE, in_memory(WHOLE), slow)
    with pytest.raises(Unavailable) as caught:
        submission.check_mail(slow, "one@contoso.example", 0)
    assert (caught.value.code, caught.value.entry.smtp, caught.value.params["seconds"]) == (
        "mail.too_fast",
        "450 4.7.1",
        30,
    )
    assert await refusal(submission, slow, WHOLE) == "mail.too_fast"
    await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    shelf.now += 30
    await submission.accept(ENVELOPE, in_memory(WHOLE), slow)
    assert await refusal(submission, slow, WHOLE) == "mail.too_fast"


async def test_what_was_refused_is_not_counted(shelf: Shelf) -> None:
    slow, submission = replace(shelf.submitter, rate=1), shelf.submission()
    assert await refusal(submission, slow, b"From: boss@contoso.example\r\n\r\n") == "mail.from_not_allowed"
    await submission.accept(ENVELOPE, in_memory(WHOLE), slow)


async def test_what_finds_no_room_does_not_count(shelf: Shelf) -> None:
    slow, submission = replace(shelf.submitter, rate=1), shelf.submission(backlog=(1, 10**9))
    first = await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    assert [await refusal(submission, slow, WHOLE) for _ in range(3)] == ["mail.backlog_full"] * 3
    await shelf.outbox.cancel(first)
    shelf.now += 1
    await submission.accept(ENVELOPE, in_memory(WHOLE), slow)
    assert await refusal(submission, slow, WHOLE) == "mail.too_fast"


async def test_two_at_once_are_no_more_than_the_rate(shelf: Shelf) -> None:
    slow, submission = replace(shelf.submitter, rate=1), shelf.submission()
    at_once = (submission.accept(ENVELOPE, in_memory(WHOLE), slow) for _ in range(3))
    results = await asyncio.gather(*at_once, return_exceptions=True)
    assert [getattr(one, "code", "") for one in results] == ["", "mail.too_fast", "mail.too_fast"]


async def test_another_rate_counts_at_once(shelf: Shelf) -> None:
    slow, submission = replace(shelf.submitter, rate=1), shelf.submission()
    await submission.accept(ENVELOPE, in_memory(WHOLE), slow)
    await submission.accept(ENVELOPE, in_memory(WHOLE), replace(slow, rate=5))


@pytest.mark.parametrize("limits", [(2, 10**9), (1000, 2 * len(WHOLE) + 80)])
async def test_a_mailbox_for_which_too_much_waits_takes_no_more(shelf: Shelf, limits: tuple[int, int]) -> None:
    submission = shelf.submission(backlog=limits)
    for _ in range(2):
        await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    assert await refusal(submission, shelf.submitter, WHOLE) == "mail.backlog_full"
    with pytest.raises(Unavailable) as caught:
        submission.check_mail(shelf.submitter, "one@contoso.example", len(WHOLE))
    assert caught.value.entry.smtp == "452 4.3.1"
    other = Envelope("two@contoso.example", ("a@x.example",))
    submission.check_mail(shelf.submitter, "two@contoso.example", len(WHOLE))
    await submission.accept(other, in_memory(WHOLE.replace(b"one@", b"two@")), shelf.submitter)


async def test_there_is_room_again_when_something_was_sent(shelf: Shelf) -> None:
    submission = shelf.submission(backlog=(1, 10**9))
    first = await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    assert await refusal(submission, shelf.submitter, WHOLE) == "mail.backlog_full"
    await shelf.outbox.cancel(first)
    assert await refusal(submission, shelf.submitter, WHOLE) == "mail.backlog_full"  # counted a moment ago
    shelf.now += 1
    submission.check_mail(shelf.submitter, "one@contoso.example", 0)
    await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)


async def test_what_waited_before_the_start_counts(shelf: Shelf) -> None:
    await shelf.put("A", "B")
    assert await refusal(shelf.submission(backlog=(2, 10**9)), shelf.submitter, WHOLE) == "mail.backlog_full"


async def test_a_clock_that_goes_back_makes_no_count_fresh_for_long(shelf: Shelf) -> None:
    submission = shelf.submission(backlog=(1, 10**9))
    first = await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)
    await shelf.outbox.cancel(first)
    shelf.now -= 3600
    await submission.accept(ENVELOPE, in_memory(WHOLE), shelf.submitter)


# ---- how it came in

ARRIVAL = Arrival("smtp", "scanners", "192.0.2.7", "copier-3", "ESMTPSA", ("a long line",), "mx.contoso.example")


async def test_how_it_came_in_is_kept(shelf: Shelf, submission: Submission) -> None:
    dsn = Dsn("HDRS", "QQ+3D", {"a@x.example": "SUCCESS,FAILURE"}, {"a@x.example": "rfc822;a@x.example"})
    envelope = replace(ENVELOPE, dsn=dsn)
    new = await submission.accept(envelope, in_memory(WHOLE + BODY), shelf.submitter, arrival=ARRIVAL)
    row = await shelf.outbox.get(new)
    assert row is not None
    assert row["arrival"] == {
        "door": "smtp",
        "listener": "scanners",
        "peer": "192.0.2.7",
        "hello": "copier-3",
        "protocol": "ESMTPSA",
    }
    assert (row["notes"], row["dsn"]) == (["a long line"], dsn)


async def test_bytes_in_the_header_that_are_no_ascii_are_taken_and_noted(shelf: Shelf, submission: Submission) -> None:
    mime = WHOLE + b"Subject: Caf\xe9\r\n" + BODY
    new = await submission.accept(ENVELOPE, in_memory(mime), shelf.submitter, arrival=ARRIVAL)
    row = await shelf.outbox.get(new)
    assert row is not None
    assert row["notes"] == ["a long line", "The header holds bytes that are not ASCII; they were left as they came."]
    assert (await shelf.stored(new)).endswith(mime)


# ---- large messages


class Generated:
    """A message that is nowhere: `line` again and again behind a header."""

    def __init__(self, head: bytes, size: int, *, first: int = PIECE) -> None:
        self.head = head
        self.size = len(head) + size
        self.first = first
        self.most = 0

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        if start < len(self.head):
            yield self.head[start:]
        whole, rest = divmod(self.size - max(start, len(self.head)), self.first)
        yield from islice(repeat(b"A" * self.first), whole)
        yield b"A" * rest

    def close(self) -> None: ...


def _is_content(content: Content) -> Content:
    return content


MULTIPART = WHOLE + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"


@pytest.mark.parametrize("first", [PIECE, 1000])
async def test_a_large_message_is_never_whole_in_memory(shelf: Shelf, first: int) -> None:
    submission = shelf.submission()
    content = _is_content(Generated(MULTIPART, 32 * 1024**2, first=first))
    tracemalloc.start()
    new = await submission.accept(ENVELOPE, content, shelf.submitter)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * 1024**2
    row = await shelf.outbox.get(new)
    assert row is not None
    (message,) = await shelf.outbox.claim(row["mailbox_id"], 1)
    sizes, ends = [], b""
    async for piece in shelf.outbox.body(message):
        sizes.append(len(piece))
        ends = piece[-10:]
    added = len(b"X-Pillarbox-Id: \r\n") + 16
    assert (sum(sizes), row["size"], ends) == (content.size + added, content.size + added, b"A" * 10)


@pytest.mark.parametrize("size", [PIECE - len(MULTIPART), PIECE - len(MULTIPART) + 1, 3 * PIECE])
async def test_a_message_of_several_pieces_is_kept_byte_for_byte(shelf: Shelf, size: int) -> None:
    mime = MULTIPART + bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"") * (size // 254) + b"x" * (size % 254)
    new = await shelf.submission().accept(ENVELOPE, in_memory(mime), shelf.submitter)
    assert (await shelf.stored(new)).partition(b"\r\n")[2] == mime


async def test_the_shape_of_a_large_message_is_looked_at_to_its_end(shelf: Shelf) -> None:
    bomb = MULTIPART + b"x" * 3 * PIECE + b"\r\n--b\r\n" * 1000
    assert await refusal(shelf.submission(), shelf.submitter, bomb) == "mail.mime_too_many_parts"


# ---- queue ids


def test_no_id_of_a_moment_is_less_than_the_first() -> None:
    assert first_of(NOON) <= queue_id(NOON, lambda _: b"\0" * 4) < first_of(NOON + 0.001)
    assert first_of(-1.0) == "0" * 16


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.binary(min_size=4, max_size=4))
def test_ids_sort_by_age(one: float, other: float, chance: bytes) -> None:
    early, late = sorted((one, other))
    ids = [queue_id(early, lambda _: b"\0" * 4), queue_id(late, lambda _: chance)]
    assert ids == sorted(ids)
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{16}", each) for each in ids)


def test_ids_of_one_moment_differ() -> None:
    assert queue_id(NOON, lambda _: b"\0\0\0\1") != queue_id(NOON, lambda _: b"\0\0\0\2")
