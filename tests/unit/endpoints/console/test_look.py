"""The style is as docs/contributing/console.md says: sizes of type, where colours stand, and their contrast."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from pillarbox.endpoints.console.templates import STATIC

STYLE: Final = (STATIC / "console.css").read_text("utf-8")
RULES: Final = (Path(__file__).parents[4] / "docs" / "contributing" / "console.md").read_text("utf-8")
ROOTS: Final = re.findall(r"^ *:root \{(.*?)^ *\}", STYLE, re.DOTALL | re.MULTILINE)
GROUNDS: Final = ("page", "card", "sunk", "ok-back", "warn-back", "bad-back", "info-back")
KINDS: Final = ("ok", "warn", "bad", "info")
OF_MAIL: Final = "#fff"


def colours(root: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", root))


def light_of(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((light_of(one), light_of(other)))
    return (lighter + 0.05) / (darker + 0.05)


def least(named: Mapping[str, str]) -> list[float]:
    """The contrasts that the rules list, in their order."""
    on_all = [min(contrast(named[text], named[ground]) for ground in GROUNDS) for text in ("ink", "soft", "accent")]
    own = min(contrast(named[kind], named[f"{kind}-back"]) for kind in KINDS)
    return [*on_all, own, contrast(named["on-accent"], named["accent"])]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrasts_are_those_of_the_rules_and_enough(theme: int) -> None:
    table = [re.findall(r"\| (\d+\.\d)(?= \|)", line) for line in RULES.splitlines()]
    listed = [float(row[theme]) for row in table if len(row) == 2]
    found = least(colours(ROOTS[0]) | (colours(ROOTS[1]) if theme else {}))
    assert [int(one * 10) / 10 for one in found] == listed
    assert min(found) >= 4.5


def test_colours_stand_in_one_place() -> None:
    assert len(ROOTS) == 2
    outside = STYLE.replace(ROOTS[0], "").replace(ROOTS[1], "")
    assert re.findall(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(", outside) == [OF_MAIL]


def test_type_has_the_sizes_of_the_rules() -> None:
    (about,) = re.findall(r"^- \*\*Type\*\*.*?(?=^- )", RULES, re.DOTALL | re.MULTILINE)
    named = {float(size) for size in re.findall(r"(?<![\d.])\d*\.\d+|\b1\b", about)} | {1.0}
    used = {float(size) for size in re.findall(r"(?:font-size: |font: )(\d*\.?\d+)r?em", STYLE)}
    assert used <= named
    assert min(used) == 0.8125
