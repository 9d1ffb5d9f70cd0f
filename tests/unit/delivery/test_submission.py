"""Accept: what is checked, what is added, and that the rest stays as it came."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.content import in_memory
from pillarbox.core.errors import PillarboxError, Unavailable
from pillarbox.core.headers import MAX_FIELDS, address_to
from pillarbox.core.mail import Envelope
from pillarbox.delivery.submission import Submission, queue_id
from tests.unit.delivery.conftest import NOON, Shelf

WHOLE = (
    b"Message-ID: <1@x>\r\nDate: Fri, 20 Nov 2026 12:00:00 +0000\r\nFrom: one@contoso.example\r\nTo: a@x.example\r\n"
)
BODY = b"\r\n\0\xff.\r\n"


@pytest.fixture
def woken() -> list[int]:
    return []


@pytest.fixture
def submission(shelf: Shelf, woken: list[int]) -> Submission:
    return Submission(
        outbox=shelf.outbox,
        wake=woken.append,
        clock=shelf.clock,
        random=lambda count: b"\0" * (count - 1) + b"\7",
        log=shelf.log,
        max_size=10_000,
        max_recipients=2,
    )


async def accepted(shelf: Shelf, submission: Submission, mime: bytes, sender: str = "one@contoso.example") -> bytes:
    """The message as it lies in the outbox."""
    await submission.accept(Envelope(sender, ("a@x.example",)), in_memory(mime), shelf.submitter)
    message = await shelf.claimed()
    return b"".join([piece async for piece in shelf.outbox.body(message)])


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


async def test_a_message_without_any_header_becomes_a_whole_one(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, b"page 1\nBcc: mallory@evil.example\n")
    head, _, body = found.partition(b"\r\n\r\n")
    assert [line.split(b":")[0] for line in head.split(b"\r\n")] == [b"X-Pillarbox-Id", b"Message-ID", b"Date", b"From"]
    assert body == b"page 1\r\nBcc: mallory@evil.example\r\n"


async def test_from_nobody_is_written_as_the_mailbox(shelf: Shelf, submission: Submission) -> None:
    assert b"\r\nFrom: one@contoso.example\r\n" in await accepted(shelf, submission, b"To: a@x.example\r\n\r\n", "")


async def test_an_id_that_is_forged_does_not_replace_ours(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, b"X-Pillarbox-Id: FORGED\r\n" + WHOLE + BODY)
    assert found.startswith(b"X-Pillarbox-Id: 01")


async def test_the_trace_knows_the_message_id(shelf: Shelf, submission: Submission) -> None:
    envelope = Envelope("one@contoso.example", ("a@x.example",))
    new = await submission.accept(envelope, in_memory(WHOLE + BODY), shelf.submitter)
    row = await shelf.outbox.get(new)
    assert row is not None
    assert (row["message_id"], row["mailbox"], row["submitter"]) == ("<1@x>", "one@contoso.example", "printer")


async def test_the_lane_is_woken_after_the_commit(shelf: Shelf, submission: Submission, woken: list[int]) -> None:
    await accepted(shelf, submission, WHOLE + BODY)
    assert woken == [shelf.mailboxes[0].id]


REFUSED = [
    ("boss@contoso.example", 1, WHOLE, "mail.sender_not_allowed"),
    ("one@contoso.example", 0, WHOLE, "mail.no_recipients"),
    ("one@contoso.example", 3, WHOLE, "mail.too_many_recipients"),
    ("one@contoso.example", 1, b"x" * 10_001, "mail.too_large"),
    ("one@contoso.example", 1, b"X: y\r\n" * (MAX_FIELDS + 1), "mail.header_too_large"),
    ("one@contoso.example", 1, b"From: boss@contoso.example\r\n" + WHOLE, "mail.too_many_from"),
    ("one@contoso.example", 1, b"From: boss@contoso.example\r\n", "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"from :\r\n boss@contoso.example\r\n", "mail.from_not_allowed"),
    ("one@contoso.example", 1, b"X: y\nFrom: boss@contoso.example\n", "mail.from_not_allowed"),
    ("", 1, b"From: boss@contoso.example\r\n", "mail.from_not_allowed"),
]


@pytest.mark.parametrize(("sender", "recipients", "mime", "code"), REFUSED)
async def test_what_is_refused_leaves_nothing_behind(
    shelf: Shelf, submission: Submission, woken: list[int], sender: str, recipients: int, mime: bytes, code: str
) -> None:
    envelope = Envelope(sender, ("a@x.example",) * recipients)
    with pytest.raises(PillarboxError) as caught:
        await submission.accept(envelope, in_memory(mime), shelf.submitter)
    assert caught.value.code == code
    assert (await shelf.outbox.count(), woken) == ({}, [])


async def test_without_a_store_nothing_is_accepted(shelf: Shelf, submission: Submission, woken: list[int]) -> None:
    await shelf.database.close()
    with pytest.raises(Unavailable):
        await submission.accept(Envelope("one@contoso.example", ("a@x.example",)), in_memory(WHOLE), shelf.submitter)
    assert (woken, shelf.lines.lines("mail.accepted")) == ([], [])


async def test_the_largest_header_that_is_accepted_can_also_be_sent(shelf: Shelf, submission: Submission) -> None:
    found = await accepted(shelf, submission, b"X: y\r\n" * MAX_FIELDS + b"\r\n")
    assert address_to(found, ["a@x.example"]).mime.startswith(b"Bcc: a@x.example\r\nX-Pillarbox-Id")


# ---- queue ids


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.binary(min_size=4, max_size=4))
def test_ids_sort_by_age(one: float, other: float, chance: bytes) -> None:
    early, late = sorted((one, other))
    ids = [queue_id(early, lambda _: b"\0" * 4), queue_id(late, lambda _: chance)]
    assert ids == sorted(ids)
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{16}", each) for each in ids)


def test_ids_of_one_moment_differ() -> None:
    assert queue_id(NOON, lambda _: b"\0\0\0\1") != queue_id(NOON, lambda _: b"\0\0\0\2")
