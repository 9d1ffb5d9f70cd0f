"""Which mails in a mailbox are reports of Exchange."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.graph.reports import DeliveryReport, report_in, said_in

DATA = Path(__file__).parents[2] / "data" / "eml"
NDR = {"X-MS-Exchange-Message-Is-Ndr": "", "In-Reply-To": "<7@x>"}


def told(fields: dict[str, str], subject: object = "Undeliverable: x") -> dict[str, Any]:
    return {
        "subject": subject,
        "internetMessageHeaders": [{"name": name, "value": value} for name, value in fields.items()],
    }


DSN = {"content-type": "Multipart/Report; report-type=delivery-status", "in-reply-to": "<7@x>"}


@pytest.mark.parametrize(
    ("fields", "is_ndr"),
    [
        (NDR, True),
        (DSN, False),
        (
            {**DSN, "content-type": ' \r\n (a) multipart/report; boundary="b;";\r\n REPORT-TYPE="delivery-status"'},
            False,
        ),
        ({"X-MS-Exchange-Message-Is-Ndr": "", "References": "<1@x> <7@x>"}, True),
        ({"X-MS-Exchange-Message-Is-Ndr": "", "References": "<1@x>\r\n\t<7@x>\r\n"}, True),
        ({**DSN, "in-reply-to": "(of) <1@x>\r\n <7@x>"}, False),
        ({**DSN, "in-reply-to": "<1@x>", "Original-Message-ID": " <7@x>"}, False),
        ({**DSN, "in-reply-to": "", "references": "<7@x>"}, False),
    ],
)
def test_a_report_is_known_by_its_header_and_what_it_answers(fields: dict[str, str], is_ndr: bool) -> None:
    assert report_in(told(fields)) == DeliveryReport("<7@x>", "Undeliverable: x", is_ndr=is_ndr)


def test_a_message_id_without_brackets_is_one_too() -> None:
    report = report_in(told({**DSN, "in-reply-to": " 7@x "}))
    assert report is not None
    assert report.about == "7@x"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/report; report-type=disposition-notification",
        "multipart/report; report-type=feedback-report; x=delivery-status",
        "multipart/report; x-report-type=delivery-status",
        "multipart/report",
        "multipart/mixed; report-type=delivery-status",
    ],
)
def test_a_receipt_and_other_reports_tell_of_no_delivery(content_type: str) -> None:
    assert report_in(told({**DSN, "content-type": content_type})) is None


@pytest.mark.parametrize(
    "fields",
    [{"In-Reply-To": "<7@x>"}, {"X-MS-Exchange-Message-Is-Ndr": ""}, {**NDR, "X-Pillarbox-Id": "01M7WYSPX8HEP22C"}],
)
def test_an_answer_of_a_person_and_a_notice_of_ours_are_none(fields: dict[str, str]) -> None:
    assert report_in(told(fields)) is None


def test_its_subject_is_one_short_line() -> None:
    report = report_in(told(NDR, "a\r\nb" + "x" * 1000))
    assert report is not None
    assert report.subject.startswith("a bx")
    assert len(report.subject) == 300


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["subject", "internetMessageHeaders", "name", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_comes_is_a_report_or_none(message: Any) -> None:
    assert report_in(message) is None or isinstance(report_in(message), DeliveryReport)


NDR_MIME = b"""Content-Type: multipart/report; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
Final-Recipient: rfc822;not.this@contoso.example\r
\r
--b\r
content-type: message/delivery-status\r
\r
Reporting-MTA: dns;contoso.example\r
\r
Final-Recipient: rfc822;ghost@contoso.example\r
Action: failed\r
Status: 5.1.10\r
Diagnostic-Code: smtp;550 5.1.10 Recipient\r
 not found\r
\r
Final-Recipient: rfc822; late@contoso.example\r
Action: delayed\r
Status: 4.4.7\r
\r
Final-Recipient: rfc822; full@contoso.example\r
Status: 5.2.2\r
\r
--b\r
Content-Type: message/rfc822\r
\r
Final-Recipient: rfc822;nor.this@contoso.example\r
"""


def test_a_report_tells_of_each_recipient_that_got_nothing() -> None:
    told = "ghost@contoso.example: 5.1.10 550 5.1.10 Recipient not found; full@contoso.example: 5.2.2"
    assert said_in(NDR_MIME) == said_in(NDR_MIME.replace(b"\r\n", b"\n")) == told


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded"])
def test_a_report_of_no_failure_tells_of_nobody(action: str) -> None:
    mime = b"Content-Type:\r\n message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: %s\r\n"
    assert said_in(mime % action.encode()) == ""
    assert said_in(mime % b"Failed") == "a@x.example:"
    assert said_in(b"Content-Type: text/plain\r\n\r\nx") is None
    for coded in (b"%s\r\nContent-Transfer-Encoding: base64", b"Content-Transfer-Encoding: base64\r\n%s"):
        part = coded % b"Content-Type: message/delivery-status"
        assert said_in(b"Content-Transfer-Encoding: base64\r\n\r\n--b\r\n" + part + b"\r\n\r\nQQ==\r\n--b--") is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cpython/msg-25.eml", "person3@fabrikam.example: 5.4.6"),
        ("cpython/msg-43.eml", "person4@fabrikam.example: 5.7.1 550 5.7.1 Message content rejected, id=01956-02-2"),
        ("programs/jakarta-mail-report.eml", ""),
    ],
)
def test_reports_of_programs_that_we_did_not_write_are_read(name: str, told: str) -> None:
    assert (said_in((DATA / name).read_bytes()) or "").startswith(told)
    assert bool(said_in((DATA / name).read_bytes())) is bool(told)


@given(st.binary() | st.binary().map(lambda some: NDR_MIME[:300] + some))
def test_whatever_a_report_holds_is_told_on_one_line(mime: bytes) -> None:
    assert not {"\n", "\r", "\0"} & set(said_in(mime) or "")
