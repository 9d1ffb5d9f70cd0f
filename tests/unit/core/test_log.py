"""The log: one line per event, in both forms, and no event that is not in the list."""

import ast
import io
import json
from pathlib import Path

import pytest

import pillarbox
from pillarbox.core.log import EVENTS, make_logger
from pillarbox.core.vault import Secret

NOON = 1_795_176_000.0


def written(form: str, level: str = "info") -> io.StringIO:
    file = io.StringIO()
    log = make_logger(file, level, form, lambda: NOON)
    log.info("mail.final", id="ABC", reason='two words "q"\nand a line', sender="ü@x", ok=True)
    return file


def test_text_is_one_line_of_pairs() -> None:
    line = written("text").getvalue()
    assert line.startswith("time=2026-11-20T12:00:00.000+00:00 level=info event=mail.final id=ABC ")
    assert line.count("\n") == 1
    assert "sender=ü@x" in line


def test_json_is_one_object_in_a_line() -> None:
    (line,) = written("json").getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["reason"]) == ("mail.final", "info", 'two words "q"\nand a line')
    assert event["time"] == "2026-11-20T12:00:00.000+00:00"
    assert "ü@x" in line


def test_below_its_level_nothing_is_written() -> None:
    assert written("text", "warning").getvalue() == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_and_a_secret_stay_in_their_line(form: str) -> None:
    file = io.StringIO()
    log = make_logger(file, "info", form, lambda: NOON)
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("unexpected", password=Secret("canary"))
    assert "ValueError: boom" in file.getvalue()
    assert "canary" not in file.getvalue()
    assert file.getvalue().count("\n") == 1


def used() -> set[str]:
    """The first arguments of all calls log.info(...) and their like in the source; the emulator logs by itself."""
    found = set()
    root = Path(pillarbox.__file__).parent
    for file in (each for each in root.rglob("*.py") if root / "emulator" not in each.parents):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            levels = ("debug", "info", "warning", "error", "exception")
            event = node.args[0]
            if node.func.attr in levels and ast.unparse(node.func.value).split(".")[-1] in ("log", "_log"):
                # The folder of sendmail counts its lines first, in `_tell`, which gets the event as it is written.
                if not (isinstance(event, ast.Name) and file.name == "maildrop.py"):
                    found.add(ast.literal_eval(event))
            elif node.func.attr == "_tell" and file.name == "maildrop.py":
                found.add(ast.literal_eval(event))
    return found


def test_the_source_uses_the_events_of_the_list_and_no_others() -> None:
    assert used() == set(EVENTS)
