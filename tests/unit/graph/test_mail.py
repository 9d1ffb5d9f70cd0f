"""What an answer of Graph tells about copies of a message; and that what is looked for is quoted."""

import json
from typing import Any

import pytest

from pillarbox.graph import mail
from pillarbox.graph.client import Answer

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
COPY = {"id": "A", "isDraft": False, "createdDateTime": "2026-11-20T11:59:30Z"}


def answer(body: object, status: int = 200, *, whole: bool = True, **headers: str) -> Answer:
    return Answer(status, {"Date": DATE, **headers}, json.dumps(body).encode(), whole)


def test_a_copys_age_is_by_microsofts_clocks() -> None:
    assert mail.copies_in(answer({"value": [COPY]})) == [mail.Copy("A", False, 30.0)]


@pytest.mark.parametrize(
    ("fields", "queue_id"),
    [
        ([{"name": "Subject", "value": "x"}, {"name": "X-PILLARBOX-ID", "value": " 01ABC "}], "01ABC"),
        ([{"name": "Subject", "value": "x"}, "odd"], ""),
        (None, ""),
        ("odd", ""),
    ],
)
def test_the_queue_id_is_read_from_the_header_where_it_was_told(fields: Any, queue_id: str) -> None:
    (copy,) = mail.copies_in(answer({"value": [{**COPY, "internetMessageHeaders": fields}]})) or []
    assert copy.queue_id == queue_id


@pytest.mark.parametrize("created", [None, "", "yesterday", 7])
def test_a_copy_without_a_time_has_no_age(created: object) -> None:
    assert mail.copy_in(answer({**COPY, "createdDateTime": created})) == mail.Copy("A", False)


@pytest.mark.parametrize(
    "odd",
    [
        answer({"value": [COPY]}, 503),
        answer({"value": [COPY]}, whole=False),
        answer({"value": [COPY, {"id": "B"}]}),
        answer({"value": []} | {"@odata.nextLink": "https://graph.example/more"}),
        answer({"value": {}}),
        answer([]),
        Answer(200, {}, b"<html>"),
        Answer(200, {}, b"[" * 100_000),
    ],
)
def test_what_is_no_whole_list_is_none_and_not_an_empty_one(odd: Answer) -> None:
    assert mail.copies_in(odd) is None


def test_an_empty_list_is_an_empty_list() -> None:
    assert mail.copies_in(answer({"value": []})) == []


@pytest.mark.parametrize("body", [{}, {"id": 7}, []])
def test_a_draft_without_an_id_is_none(body: object) -> None:
    assert mail.draft_in(answer(body, 201)) == ""


def test_only_201_has_made_a_draft() -> None:
    assert (mail.draft_in(answer({"id": "A"}, 201)), mail.draft_in(answer({"id": "A"}, 200))) == ("A", "")
