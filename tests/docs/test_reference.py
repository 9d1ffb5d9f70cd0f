"""docs/reference is what the program is, and `make check` fails where somebody forgot to describe something."""

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic.fields import FieldInfo

from pillarbox.core.catalogue import Entry

ROOT = Path(__file__).resolve().parents[2]
# Not a package: mypy sees it as a program.
reference: Any = importlib.import_module("tools.reference")


async def test_the_pages_are_up_to_date() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tools" / "reference.py"), "--check"), stderr=asyncio.subprocess.PIPE
    )
    _, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")


def undescribed(
    *,
    settings: list[tuple[str, FieldInfo]] | None = None,
    entries: dict[str, Entry] | None = None,
    commands: list[tuple[str, click.Command]] | None = None,
    events: dict[str, str] | None = None,
) -> list[str]:
    return list(reference._undescribed(settings or [], entries or {}, commands or [], events or {}))


def test_a_setting_without_description_is_named() -> None:
    assert undescribed(settings=[("smtp.new", FieldInfo(default=1))]) == ["the setting smtp.new"]
    assert undescribed(settings=[("smtp.new", FieldInfo(default=1, description="New."))]) == []


def test_a_default_that_is_computed_needs_words() -> None:
    field = FieldInfo(default_factory=list, description="New.")
    assert undescribed(settings=[("smtp.new", field)]) == ["the default of the setting smtp.new"]


def test_an_error_code_without_sentence_or_with_an_unknown_exit_is_named() -> None:
    assert undescribed(entries={"x.y": Entry("x.y", "")}) == ["the error code x.y"]
    assert undescribed(entries={"x.y": Entry("x.y", "No.", exit=77)}) == ["exit code 77 of the error code x.y"]
    assert undescribed(entries={"x.y": Entry("x.y", "No.")}) == []


def test_a_command_or_option_without_help_is_named() -> None:
    bare = click.Command("new", params=[click.Option(["--loud"])])
    assert undescribed(commands=[("pillarbox new", bare)]) == [
        "the command `pillarbox new`",
        "the option --loud of `pillarbox new`",
    ]


def test_a_log_event_without_meaning_is_named() -> None:
    assert undescribed(events={"mail.new": ""}) == ["the log event mail.new"]


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ("# Errors\n\n| `a.b` | A |\n", "`c.d` is missing"),
        ("# Errors\n\n| `a.b` | A |\n| `c.d` | C |\n| `e.f` | E |\n", "`e.f` is no longer there"),
        ("# Errors\n\n| `a.b` | A |\n| `c.d` | D |\n", "line 4 is out of date"),
        (None, "`a.b` is missing"),
    ],
)
def test_what_differs_is_said(tmp_path: Path, found: str | None, complaint: str) -> None:
    page = tmp_path / "errors.md"
    if found is not None:
        page.write_text(found)
    wanted = "# Errors\n\n| `a.b` | A |\n| `c.d` | C |\n"
    (said,) = reference._difference(page, wanted)
    assert complaint.replace("`", "") in said
    page.write_text(wanted)
    assert reference._difference(page, wanted) == []
