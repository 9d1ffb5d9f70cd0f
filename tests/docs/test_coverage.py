"""docs/reference/emulator-coverage.md has every operation of Microsoft's file once, and says what a run heard."""

import importlib
from typing import Any

import pytest

from tests.openapi.recorder import Heard, Recorder

# Not a package: mypy sees it as a program.
coverage: Any = importlib.import_module("tools.coverage")

NOTHING = Recorder().coverage()


def lines(recorder: Recorder) -> list[str]:
    text: str = coverage.page(coverage.rows(recorder.coverage()))
    return text.splitlines()


def test_the_page_has_every_operation_and_no_other() -> None:
    assert coverage.complaints(coverage.PAGE.read_text("utf-8"), coverage.rows(NOTHING)) == []


def test_every_operation_has_one_row_and_twins_share_it() -> None:
    found = [(row.area, row.operation) for row in coverage.rows(NOTHING)]
    assert len(found) == len(set(found)) > 150
    shown = {operation for _, operation in found}
    for name in NOTHING["graph"]:
        assert (name in shown) or name.replace(" /me", " /users/{user-id}", 1) in shown


@pytest.mark.parametrize(
    ("heard", "cells"),
    [
        ((), "no | no"),
        (("/users/{user-id}",), "yes, not `/me` | yes, not `/me`"),
        (("/me",), "only `/me` | only `/me`"),
        (("/me", "/users/{user-id}"), "yes | yes"),
    ],
)
def test_the_forms_of_a_path_that_were_answered_are_said(heard: tuple[str, ...], cells: str) -> None:
    recorder = Recorder()
    for path in heard:
        recorder.graph["GET", path] = Heard(succeeded=3, validated=3)
    assert f"| `GET /users/{{user-id}}` | {cells} |" in lines(recorder)


def test_a_refusal_is_no_emulation_and_a_success_that_differs_is_not_validated() -> None:
    recorder = Recorder()
    recorder.graph["GET", "/users"] = Heard(refused=2)
    recorder.graph["POST", "/users"] = Heard(succeeded=1)
    found = lines(recorder)
    assert "| `GET /users` | no | no |" in found
    assert "| `POST /users` | yes | no |" in found


def test_what_has_no_schema_is_listed_and_what_is_new_is_added() -> None:
    recorder = Recorder()
    recorder.heard("Entra", "GET /common/userrealm/{upn}", succeeded=True)
    recorder.heard("Exchange IMAP", "XPROPFIND", succeeded=True)
    recorder.heard("Exchange IMAP", "XNOTHING", succeeded=False)
    found = lines(recorder)
    assert "| `GET /common/userrealm/{user}` | yes | no schema |" in found
    assert "| `XPROPFIND` | yes | no schema |" in found
    assert "| `FETCH` | no | no schema |" in found
    assert not any("XNOTHING" in line for line in found)


def test_the_totals_come_first() -> None:
    recorder = Recorder()
    recorder.graph["GET", "/me"] = Heard(succeeded=1, validated=1)
    recorder.heard("Entra", "POST /{tenant}/oauth2/v2.0/token", succeeded=True)
    found = lines(recorder)
    (total,) = [line for line in found if line.startswith("| all |")]
    assert total.endswith("| 2 | 1 |")
    assert found.index(total) < found.index("## Users")


def test_a_page_that_lacks_an_operation_or_invents_one_is_named() -> None:
    rows = coverage.rows(NOTHING)
    text = coverage.page(rows)
    assert coverage.complaints(text, rows) == []
    spoilt = text.replace("`GET /users/{user-id}`", "`GET /letters`")
    assert coverage.complaints(spoilt, rows) == [
        "Users: GET /users/{user-id} is missing",
        "Users: GET /letters is not there",
    ]
