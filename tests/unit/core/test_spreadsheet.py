"""CSV: what a stranger wrote is text to a spreadsheet and to a terminal."""

import pytest

from pillarbox.core.spreadsheet import cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_would_be_calculated_is_text(start: str) -> None:
    assert cell(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_a_cell_steers_no_terminal() -> None:
    assert cell("a\x1b[31mb\u202ec\n") == "a?[31mb?c?"


def test_a_plain_cell_stays_as_it_is() -> None:
    assert cell("alice@contoso.example") == "alice@contoso.example"
