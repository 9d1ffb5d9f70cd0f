"""What is printed."""

import pytest

from pillarbox.cli import show
from pillarbox.core.errors import PillarboxError


def test_a_complaint_is_one_line_that_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error = PillarboxError("microsoft.token_refused", text="\x1b[2J\nno \u6536", remedy="Do it.")
    show.complain(error, as_json=False)
    assert capsys.readouterr().err == "pillarbox: Microsoft Entra ID refused a token: ?[2J?no \u6536 Do it.\n"
