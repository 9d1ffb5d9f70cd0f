"""Which mails in a mailbox are reports of Exchange."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.graph.reports import DeliveryReport, report_in

NDR = {"X-MS-Exchange-Message-Is-Ndr": "", "In-Reply-To": "<7@x>"}


def told(fields: dict[str, str], subject: object = "Undeliverable: x") -> dict[str, Any]:
    return {
        "subject": subject,
        "internetMessageHeaders": [{"name": name, "value": value} for name, value in fields.items()],
    }


@pytest.mark.parametrize(
    "fields",
    [
        NDR,
        {"content-type": "Multipart/Report; report-type=delivery-status", "in-reply-to": "<7@x>"},
        {"X-MS-Exchange-Message-Is-Ndr": "", "References": "<1@x> <7@x>"},
    ],
)
def test_a_report_is_known_by_its_header_and_what_it_answers(fields: dict[str, str]) -> None:
    assert report_in(told(fields)) == DeliveryReport("<7@x>", "Undeliverable: x")


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
