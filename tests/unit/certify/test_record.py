"""A snapshot is compared place by place; what differs is told so that it can be mended."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.microsoft import record as records
from tests.contract.microsoft.record import Difference, Record
from tests.contract.microsoft.redaction import Redaction
from tests.contract.microsoft.web import Reply

SNAPSHOT = {
    "answer": {"status": 400, "headers": {"content-type": "application/json"}, "body": {"error": "invalid_grant"}}
}


def made(*, assumes: bool = True) -> Record:
    return Record("case", Redaction([("s3cret", "<secret>")], "run-1"), assumes)


def altered(**answer: Any) -> dict[str, Any]:
    return {"answer": SNAPSHOT["answer"] | answer}


def test_answers_that_agree_have_no_difference() -> None:
    assert records.differences(SNAPSHOT, altered()) == []


@pytest.mark.parametrize(
    ("answer", "difference"),
    [
        ({"status": 401}, Difference("answer/status", 400, 401)),
        ({"body": {}}, Difference("answer/body", records.NOTHING, {})),
        ({"body": {"error": "invalid_grant", "more": [1]}}, Difference("answer/body/more/0", records.NOTHING, 1)),
        ({"headers": {}}, Difference("answer/headers/content-type", "application/json", records.NOTHING)),
        ({"headers": {"content-type": None}}, Difference("answer/headers/content-type", "application/json", None)),
    ],
)
def test_difference_is_found_on_either_side(answer: dict[str, Any], difference: Difference) -> None:
    assert difference in records.differences(SNAPSHOT, altered(**answer))


def test_what_proxies_add_and_notes_are_not_compared() -> None:
    noted = altered(headers={"content-type": "application/json", "date": None, "server": None})
    assert records.differences(SNAPSHOT, noted | {"notes": {"answers": {"429": 3}}}) == []


def test_known_difference_is_no_complaint() -> None:
    found = [Difference("answer/headers/p3p", None, records.NOTHING), Difference("answer/status", 400, 401)]
    known = [{"case": "token_errors--*", "place": "answer/headers/*", "reason": "Entra's alone."}]
    assert records.unknown("token_errors--x", found, known) == found[1:]
    assert records.unknown("send--x", found, known) == found


def test_every_known_difference_has_its_reason() -> None:
    assert all(each.keys() == {"case", "place", "reason"} and each["reason"] for each in records.known_differences())


def test_complaint_shows_both_sides() -> None:
    text = records.complaint("case", [Difference("answer/status", 400, records.NOTHING)])
    assert "  answer/status\n    tenant    400\n    emulator  (nothing)" in text


def test_finding_must_be_as_assumed_until_a_tenant_answered() -> None:
    with pytest.raises(AssertionError, match="keeps it: False, and we assume True"):
        made().finding("keeps it", False, True)
    answered = made(assumes=False)
    answered.finding("keeps it", False, True)
    assert answered.steps == {"findings": {"keeps it": False}}


def test_findings_are_redacted_too() -> None:
    record = made(assumes=False)
    record.finding("said", "s3cret", None)
    record.finding("answer", [400, "s3cret"], None)
    assert record.steps["findings"] == {"said": "<secret>", "answer": [400, "<secret>"]}


def test_written_snapshot_is_read_again(tmp_path: Path) -> None:
    record = made()
    record.answer("answer", Reply(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'))
    record.lines("said", ["535 s3cret"])
    records.write(tmp_path / "new", record)
    assert records.read(tmp_path / "new", "case") == SNAPSHOT | {"said": ["535 <secret>"]}
    assert records.read(tmp_path, "other") is None


def test_snapshot_without_a_case_is_stale(tmp_path: Path) -> None:
    names = ("smtp--greeting", "smtp--gone", "vanished--x", "imap--not_collected", "discovery--hosts-gcc-high")
    for name in names:
        (tmp_path / f"{name}.json").write_text("{}", "utf-8")
    assert records.stale(tmp_path, {"smtp--greeting", "discovery--hosts-own"}) == ["smtp--gone", "vanished--x"]


def test_snapshot_is_named_by_file_and_test() -> None:
    assert records.name_of(Path("test_smtp.py"), "test_login_is_refused[PLAIN AGEAYg==]") == (
        "smtp--login_is_refused-PLAIN-AGEAYg"
    )


@pytest.mark.parametrize(
    ("headers", "body", "shown"),
    [
        ({}, b"", None),
        ({"Content-Type": "text/html"}, b"<p>Hello Anna", "<bytes>"),
        ({"Content-Type": "application/json"}, b"", None),
        ({"Content-Type": "application/json"}, b"[]", []),
    ],
)
def test_body_is_shown_if_it_is_json(headers: dict[str, str], body: bytes, shown: Any) -> None:
    record = made()
    record.answer("answer", Reply(200, headers, body))
    assert record.steps["answer"]["body"] == shown
