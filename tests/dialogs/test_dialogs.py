"""Every dialog of this folder, each against a gateway of its own; and the player itself."""

import re
from pathlib import Path

import pytest

from tests.conftest import House, MakeHouse
from tests.dialogs import player

DIALOGS = sorted(Path(__file__).parent.glob("*.smtp"))

MESSAGE = """@login
C: MAIL FROM:<erp@contoso.example>
S: 250 ...
C: RCPT TO:<alice@contoso.example>
S: 250 ...
C: DATA
S: 354 ...
C: Subject: scan
C: .
S: 250 ...
"""


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
async def test_dialog(path: Path, make_house: MakeHouse) -> None:
    dialog = player.read(path)
    house = await make_house(dialog.settings)
    await house.furnish("scanner@contoso.example", "erp@contoso.example")
    await player.play(dialog, house)


def test_every_bad_input_has_a_dialog() -> None:
    """The list is in README.md; a comment `# Bad input 7: ...` says which one a dialog shows."""
    listed = re.findall(r"^\| (\d+) \|", Path(__file__).with_name("README.md").read_text("utf-8"), re.MULTILINE)
    assert listed == [str(number) for number in range(1, 44)]
    shown = {number for path in DIALOGS for number in re.findall(r"^# Bad input (\d+):", path.read_text("utf-8"), re.M)}
    assert shown == set(listed)


async def test_player_notices_what_differs(house: House) -> None:
    for text in (
        "S: 220 another greeting",
        "S: ~ 220 [0-9]+",
        "@ehlo\n@stored 1",
        "@ehlo\nC: NOOP",
        "@ehlo\nC: QUIT\n@closed",
        "@login\nC: MAIL FROM:<erp@contoso.example>\nS: 250 ...\nC: NOOP\nS: 251 ...",
        MESSAGE + "@stored 2",
        MESSAGE + "@recipients bob@contoso.example",
        MESSAGE + "@note something",
        MESSAGE + "@dsn RET=FULL ENVID=",
        MESSAGE + "@logged smtp.syntax",
        MESSAGE + '@stored-bytes "Subject: another\\r\\n"',
    ):
        with pytest.raises(player.Mismatch):
            await player.play(player.parse(text, "wrong.smtp"), house)


def test_player_knows_no_other_lines() -> None:
    with pytest.raises(ValueError, match=r"x\.smtp:2: not a line"):
        player.parse("# comment\nD: text", "x.smtp")
