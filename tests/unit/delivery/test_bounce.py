"""The text of a bounce: what programs and people read in it, and that nothing of the message can forge any of it."""

import email
import email.policy
import math
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.core.accounts import AppRegistration, Mailbox
from pillarbox.core.cause import Cause
from pillarbox.core.mail import Dsn, Envelope, Outcome
from pillarbox.delivery.bounce import (
    Action,
    Original,
    Report,
    compose,
    diagnostic,
    header_of,
    is_notice,
    original,
    wants,
)
from pillarbox.store.messages import Claimed
from tests.claimed import claimed
from tests.unit.delivery.conftest import NOON

SCANNER = Mailbox(1, "scanner@contoso.example", AppRegistration(1, "contoso", "t", "c"))
NOTHING_ASKED = Dsn()
HEADER = b"Subject: invoice 7\r\nFrom: scanner@contoso.example\r\n"


def message(*recipients: str, dsn: Dsn = NOTHING_ASKED, **known: object) -> Claimed:
    to = recipients or ("alice@contoso.example",)
    envelope = Envelope(SCANNER.address, to, dsn)
    return claimed(SCANNER, envelope=envelope, id="01M7WYSPX8HEP22C", created_at=NOON - 60, **known)


def report(*recipients: str, **known: object) -> Report:
    fields: dict[str, object] = {
        "id": "01M7WYSPX8HEP22D",
        "action": Action.FAILED,
        "mailbox": SCANNER.address,
        "to": SCANNER.address,
        "recipients": recipients or ("alice@contoso.example",),
        "status": "5.7.1",
        "diagnostic": "x-msgraph; 403 ErrorAccessDenied",
        "reasons": ("It was refused.",),
        "hostname": "gateway.contoso.example",
    }
    return Report(**{**fields, **known})  # type: ignore[arg-type]


def composed(about: Claimed, header: bytes = HEADER, **known: object) -> bytes:
    return compose(report(*about.envelope.recipients, **known), about, Original("text/rfc822-headers", header), NOON)


def parts_of(mime: bytes) -> tuple[Any, list[Any], str]:
    """The text for people, the blocks for programs, and the header that is given back. Fails if it is no report."""
    whole: Any = email.message_from_bytes(mime)
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    text, status, original = whole.get_payload()
    for part in (whole, text, status, original):
        assert isinstance(part, Message)
        assert not part.defects
    assert [text.get_content_type(), status.get_content_type(), original.get_content_type()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    return text, status.get_payload(), original.get_payload(decode=True).decode("utf-8", "replace")


# ---- for programs


def test_programs_read_what_became_of_each_recipient() -> None:
    about = message("alice@contoso.example", "bob@fabrikam.example")
    _, (of_message, alice, bob), _ = parts_of(composed(about))
    assert of_message["Reporting-MTA"] == "dns; gateway.contoso.example"
    assert of_message["Arrival-Date"] == "Fri, 20 Nov 2026 11:59:00 -0000"
    assert alice["Final-Recipient"] == "rfc822; alice@contoso.example"
    assert bob["Final-Recipient"] == "rfc822; bob@fabrikam.example"
    assert [alice[name] for name in ("Action", "Status", "Diagnostic-Code")] == [
        "failed",
        "5.7.1",
        "x-msgraph; 403 ErrorAccessDenied",
    ]
    assert "Original-Recipient" not in alice
    assert "Will-Retry-Until" not in alice


def test_what_the_client_said_by_rfc_3461_comes_back_decoded() -> None:
    dsn = Dsn(envid="QQ+2B314", orcpt={"alice@contoso.example": "rfc822;al+2Bice@contoso.example"})
    _, (of_message, alice), _ = parts_of(composed(message(dsn=dsn)))
    assert of_message["Original-Envelope-Id"] == "QQ+314"
    assert alice["Original-Recipient"] == "rfc822; al+ice@contoso.example"


def test_an_international_address_is_written_in_seven_bits() -> None:
    _, (_, one), _ = parts_of(composed(message("jürgen+x@contoso.example")))
    assert one["Final-Recipient"] == r"utf-8; j\x{FC}rgen\x{2B}x@contoso.example"


@pytest.mark.parametrize(
    ("orcpt", "told"),
    [
        ("utf-8;jürgen@contoso.example", r"utf-8; j\x{FC}rgen@contoso.example"),
        (r"UTF-8;j\x{FC}rgen+2Bx@contoso.example", r"UTF-8; j\x{FC}rgen\x{2B}x@contoso.example"),
        (r"utf-8;\x{110000}\x{A}", r"utf-8; \x{5C}x{110000}\x{0A}"),
        ("rfc822;", None),
    ],
)
def test_an_international_address_that_the_client_gave_comes_back_in_seven_bits(orcpt: str, told: str | None) -> None:
    _, (_, one), _ = parts_of(composed(message(dsn=Dsn(orcpt={"alice@contoso.example": orcpt}))))
    assert one["Original-Recipient"] == told


def test_no_blank_is_lost_where_a_field_is_folded() -> None:
    mime = composed(message(dsn=Dsn(envid="x" * 50 + "+20+20" + "y" * 50)))
    assert f"{'x' * 50}\r\n  {'y' * 50}\r\n".encode() in mime


def test_the_last_field_of_a_part_has_an_end_of_its_own_before_the_boundary() -> None:
    """RFC 2046 section 5.1.1, RFC 3464 section 2.1."""
    mime = composed(message())
    assert b"\r\nDiagnostic-Code: x-msgraph; 403 ErrorAccessDenied\r\n\r\n--=_01M7WYSPX8HEP22D\r\n" in mime
    assert mime.endswith(b"From: scanner@contoso.example\r\n\r\n--=_01M7WYSPX8HEP22D--\r\n")


def test_a_delay_says_until_when_it_is_tried() -> None:
    _, (_, one), _ = parts_of(composed(message(expires_at=NOON + 3600), action=Action.DELAYED, status="4.4.1"))
    assert one["Action"] == "delayed"
    assert one["Will-Retry-Until"] == "Fri, 20 Nov 2026 13:00:00 -0000"
    _, (_, one), _ = parts_of(composed(message(expires_at=math.inf), action=Action.DELAYED, status="4.4.1"))
    assert "Will-Retry-Until" not in one


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (
            Outcome(Cause.ACCESS_DENIED, "ErrorAccessDenied", "Access is denied.", http_status=403, request_id="r-1"),
            "x-msgraph; 403 ErrorAccessDenied request-id=r-1 Access is denied.",
        ),
        (Outcome(Cause.QUOTA, "550 5.7.705", "Exceeded"), "smtp; 550 5.7.705 Exceeded"),
        (Outcome(Cause.UNREACHABLE, "microsoft.unreachable", "no"), "x-pillarbox; microsoft.unreachable no"),
        (Outcome(Cause.ACCEPTED), ""),
    ],
)
def test_a_diagnostic_says_whose_words_it_has(outcome: Outcome, said: str) -> None:
    assert diagnostic(outcome) == said


# ---- for people


def test_people_read_who_did_not_get_it_and_why() -> None:
    text, _, _ = parts_of(composed(message(), reasons=("Access is denied.", "Ask für more.")))
    words = text.get_payload(decode=True).decode()
    assert "was not sent" in words
    assert "\r\n    alice@contoso.example\r\n" in words
    assert "Ask für more." in words
    assert "01M7WYSPX8HEP22C" in words


def test_it_answers_the_message_and_is_marked_so_that_no_program_answers_it() -> None:
    found = email.message_from_bytes(composed(message(message_id="<7@contoso.example>")))
    assert found["In-Reply-To"] == found["References"] == "<7@contoso.example>"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["X-Pillarbox-Loop"] == "01M7WYSPX8HEP22C"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["Message-ID"] == "<01M7WYSPX8HEP22D@contoso.example>"
    assert found["X-Pillarbox-Id"] == "01M7WYSPX8HEP22D"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (b"Subject: invoice 7\r\n", "Not sent: invoice 7"),
        (b"Subject: =?utf-8?q?f=C3=BCnf?=\r\n", "Not sent: fünf"),
        ("Subject: fünf\r\n".encode(), "Not sent: fünf"),
        (b"Subject: " + b"x" * 400 + b"\r\n", "Not sent"),
        (b"", "Not sent"),
    ],
)
def test_the_subject_is_that_of_the_message_behind_our_words(field: bytes, shown: str) -> None:
    found = email.message_from_bytes(composed(message(), field + b"To: x@x.example\r\n"), policy=email.policy.default)
    assert found["Subject"] == shown


# ---- of the message


def test_only_the_header_comes_back_in_whole_lines() -> None:
    assert header_of(b"A: 1\r\nB: 2\r\n\r\nsecret\r\n") == b"A: 1\r\nB: 2\r\n"
    assert header_of(b"\r\nsecret") == b""
    assert header_of(b"") == b""
    long = b"A: 1\r\n" * 5000
    assert len(header_of(long)) <= 16 * 1024
    assert header_of(long).endswith(b"A: 1\r\n")
    assert header_of(b"x" * 20_000) == b""


@pytest.mark.parametrize(
    "field",
    [
        b"X-Pillarbox-Loop: 01M7WYSPX8HEP22C",
        b"Auto-Submitted: auto-replied; owner-email=x",
        b'Content-Type: Multipart/Report; report-type=delivery-status; boundary="x"',
        b"auto-submitted : (by (a \\) machine)) auto-replied",
        b"Content-Type:\r\n (c) multipart/report; boundary=x",
        b"no field, and yet a line\r\nX-Pillarbox-Loop: 01M7WYSPX8HEP22C",
    ],
)
def test_a_notice_is_known_by_its_header(field: bytes) -> None:
    assert is_notice(b"A: 1\r\n" * 4000 + field + b"\r\n\r\nbody")
    assert not is_notice(b"A: 1\r\n\r\n" + field + b"\r\n\r\n")
    assert not is_notice(b"\r\n" + field + b"\r\n\r\n")


def test_what_a_machine_sends_by_itself_is_no_notice() -> None:
    assert not is_notice(b"A: 1\r\n X-Pillarbox-Loop: 1\r\n\r\n")
    assert not is_notice(b"Auto-Submitted: auto-generated\r\n\r\n")
    assert not is_notice(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n")


def test_our_own_bounce_is_known_as_a_notice() -> None:
    assert is_notice(composed(message()))


@pytest.mark.parametrize(
    ("notify", "heard"),
    [
        ("", {Action.FAILED, Action.DELAYED}),
        ("NEVER", set()),
        ("FAILURE", {Action.FAILED}),
        ("delay", {Action.DELAYED}),
        ("SUCCESS,FAILURE", {Action.RELAYED, Action.FAILED}),
    ],
)
def test_a_client_hears_what_it_asked_for(notify: str, heard: set[Action]) -> None:
    dsn = Dsn(notify={"a@x.example": notify}) if notify else Dsn()
    assert {action for action in Action if wants(dsn, "a@x.example", action)} == heard


# ---- hostile


def test_no_word_of_others_begins_a_field() -> None:
    evil = "x\r\nEvil: y\r\n\r\nz"
    about = message(
        evil, message_id=evil, dsn=Dsn(envid=evil.replace("\r\n", "+0D+0A"), orcpt={evil: f"rfc822;{evil}"})
    )
    mime = composed(about, to=evil, mailbox=evil, status=evil, diagnostic=evil, hostname=evil, reasons=(evil,))
    assert b"\r\nEvil" not in mime


def test_no_line_is_longer_than_may_be() -> None:
    about = message("x" * 3000 + "@x.example", "ü" * 1000 + "@x.example", message_id="<" + "x" * 2000 + "@x>")
    mime = composed(about, b"A: " + b"x" * 2000 + b"\r\n", diagnostic="x" * 2000, reasons=("x" * 2000,))
    assert max(map(len, mime.split(b"\r\n"))) <= 998
    parts_of(mime)


def test_a_header_that_holds_our_boundary_ends_no_part() -> None:
    line = b"--=_01M7WYSPX8HEP22D--"
    _, _, original = parts_of(composed(message(), b"Subject: x\r\n" + line + b"\r\nB: 2\r\n"))
    assert line.decode() in original


FORGED = [
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "Evil: x",
    "\r\nEvil: x\r\n",
    "--=_01M7WYSPX8HEP22D",
    "x" * 1500,
    "ü" * 300,
    "\ud800",
]
TEXT = st.one_of(st.text(max_size=400), st.lists(st.sampled_from(FORGED), max_size=5).map("".join))
LINES = st.lists(
    st.sampled_from([b"Subject: ", b"--", b"=_ID", b"\r\n", b"\n", b"\r", b" ", b"\xff", b"\0", b"x" * 998])
)
BYTES = st.one_of(st.binary(max_size=3000), LINES.map(b"".join))


@given(
    header=BYTES,
    recipients=st.lists(TEXT, min_size=1, max_size=4),
    reasons=st.lists(TEXT, max_size=3),
    words=st.lists(TEXT, min_size=7, max_size=7),
    action=st.sampled_from(Action),
)
def test_whatever_comes_in_a_valid_report_comes_out(
    header: bytes, recipients: list[str], reasons: list[str], words: list[str], action: Action
) -> None:
    envid, orcpt, said, status, hostname, message_id, to = words
    dsn = Dsn(envid=envid, orcpt=dict.fromkeys(recipients, f"rfc822;{orcpt}"))
    about = message(*recipients, dsn=dsn, message_id=message_id)
    mime = composed(
        about,
        header,
        action=action,
        reasons=reasons,
        diagnostic=said,
        status=status,
        hostname=hostname,
        to=to[:254],
    )
    assert all(len(line) <= 998 for line in mime.split(b"\r\n"))
    assert mime.count(b"\n") == mime.count(b"\r") == mime.count(b"\r\n")
    top = email.message_from_bytes(mime)
    assert len(top.keys()) == len(set(top.keys()))
    assert set(top.keys()) <= OURS
    _, (_, *blocks), _ = parts_of(mime)
    assert len(blocks) == len(recipients)
    assert all(set(block.keys()) <= OF_RECIPIENT and block["Action"] == action for block in blocks)
    assert all(len(block.keys()) == len(set(block.keys())) for block in blocks)


OURS = {
    *("X-Pillarbox-Id", "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
    *("X-Pillarbox-Loop", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"),
}
OF_RECIPIENT = {
    *("Original-Recipient", "Final-Recipient", "Action", "Status", "Diagnostic-Code", "Last-Attempt-Date"),
    "Will-Retry-Until",
}


# ---- the whole message


MAIL = HEADER + b"Content-Type: text/plain; charset=utf-8\r\n\r\n--dashes\r\nGr\xc3\xbc\xc3\x9fe\r\n"


def test_the_whole_comes_back_byte_for_byte() -> None:
    about = message(size=len(MAIL))
    given = original(about, MAIL, report(), whole=True)
    whole: Any = email.message_from_bytes(compose(report(), about, given, NOON))
    # RFC 2045 section 6.4: what holds a part in 8bit is of 8bit.
    assert whole["Content-Transfer-Encoding"] == "8bit"
    *_, last = whole.get_payload()
    assert (last.get_content_type(), last["Content-Transfer-Encoding"]) == ("message/rfc822", "8bit")
    assert last.get_payload(0).as_bytes() == MAIL.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("mime", "size", "whole"),
    [
        (MAIL, len(MAIL), False),
        (MAIL, 300_000, True),  # more of it lies in further parts
        (HEADER + b"\r\n" + b"x" * 999, 0, True),  # a line that may not be sent as it is
        (HEADER + b"\r\na\x00b", 0, True),
        (HEADER + b"\r\n--=_01M7WYSPX8HEP22D--\r\n", 0, True),  # it would end our part
    ],
)
def test_the_header_alone_comes_back_otherwise(mime: bytes, size: int, whole: bool) -> None:
    given = original(message(size=size or len(mime)), mime, report(), whole=whole)
    assert given.content_type == "text/rfc822-headers"
    assert given.content.startswith(HEADER)
    assert b"\r\n\r\n" not in given.content
