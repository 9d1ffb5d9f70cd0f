"""What is printed."""

import json

import pytest

from pillarbox.cli import show
from pillarbox.core.errors import PillarboxError


@pytest.mark.parametrize("character", ["\x1b", "\x7f", "\x9b", "\u202e", "\udc9b"])
def test_json_does_not_steer_the_terminal_and_says_the_same(capsys: pytest.CaptureFixture[str], character: str) -> None:
    value = {"note": f"{character}31m red, 收 ü"}
    show.as_json(value)
    printed = capsys.readouterr().out
    assert printed.removesuffix("\n").isprintable()
    assert "收 ü" in printed
    assert json.loads(printed) == value


def test_what_is_wrong_does_not_steer_the_terminal_as_json_either(capsys: pytest.CaptureFixture[str]) -> None:
    show.complain(PillarboxError("microsoft.token_refused", text="\x9b2J", remedy="Do it."), as_json=True)
    assert capsys.readouterr().err.removesuffix("\n").isprintable()


def test_a_complaint_is_one_line_that_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error = PillarboxError("microsoft.token_refused", text="\x1b[2J\nno \u6536", remedy="Do it.")
    show.complain(error, as_json=False)
    assert capsys.readouterr().err == "pillarbox: Microsoft Entra ID refused a token: ?[2J?no \u6536 Do it.\n"
