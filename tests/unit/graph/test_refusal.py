"""What a refused call of Graph means to a person."""

import json

import pytest

from pillarbox.graph.client import Answer
from pillarbox.graph.refusal import refusal, refused

NOW = 1_795_176_000.0


def answer(status: int, code: str = "", text: str = "") -> Answer:
    body = json.dumps({"error": {"code": code, "message": text}}).encode() if code else b""
    return Answer(status, {"request-id": "5f1c"}, body)


@pytest.mark.parametrize(
    ("status", "code", "ours", "exit_code"),
    [
        (400, "BadRequest", "graph.refused", 1),
        (401, "InvalidAuthenticationToken", "graph.unauthorized", 4),
        (403, "ErrorAccessDenied", "graph.forbidden", 5),
        (404, "ErrorItemNotFound", "graph.not_found", 3),
        (429, "ApplicationThrottled", "graph.busy", 75),
        (503, "", "graph.busy", 75),
        (302, "", "graph.refused", 1),
    ],
)
def test_the_status_chooses_what_is_said_and_how_the_command_ends(
    status: int, code: str, ours: str, exit_code: int
) -> None:
    error = refusal(answer(status, code, "Because."), NOW)
    assert (error.code, error.entry.exit) == (ours, exit_code)
    assert error.cure


def test_microsofts_words_and_ours_stand_together() -> None:
    sentence = refusal(answer(403, "ErrorAccessDenied", "Access is denied {0}."), NOW).sentence
    assert "(403 ErrorAccessDenied): Access is denied {0}. (request-id 5f1c)" in sentence
    assert "has no right on this mailbox" in sentence


def test_an_answer_without_a_code_is_explained_by_its_status() -> None:
    assert "gave no code" in refusal(answer(400), NOW).sentence


def test_a_code_that_nobody_knows_is_not_explained_away() -> None:
    sentence = refusal(answer(400, "Unheard", "Oh."), NOW).sentence
    assert "(400 Unheard): Oh. (request-id 5f1c) Microsoft's code is not known to Pillarbox." in sentence


@pytest.mark.parametrize(("status", "expected"), [(200, False), (202, False), (204, False), (304, False), (302, True)])
def test_what_is_no_success_is_refused(status: int, expected: bool) -> None:
    assert refused(answer(status)) is expected


@pytest.mark.parametrize("told", ["38", "37.2", "Fri, 20 Nov 2026 12:00:38 GMT"])
def test_who_is_asked_to_slow_down_reads_for_how_long(told: str) -> None:
    busy = Answer(429, {"request-id": "5f1c", "Retry-After": told}, b"")
    error = refusal(busy, NOW)
    assert (error.code, error.entry.exit, error.entry.retry) == ("graph.throttled", 75, True)
    assert error.cure == "Repeat the call in 38 seconds: it was not done."
    assert "429" in error.sentence


def test_halves_of_letters_that_json_and_headers_can_hold_can_be_written_down() -> None:
    told = Answer(400, {"request-id": "5f1c\udcff"}, b'{"error": {"code": "x\\ud800", "message": "\\udfff"}}')
    assert (told.request_id, *told.error()) == ("5f1c?", "x?", "?")
