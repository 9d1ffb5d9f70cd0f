"""What is to be done in Microsoft's portal, in the reader's language, with what is to be typed there.

The data come from the how-to pages (tools/portal_steps.py); here is chosen what of them the wizard's way needs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).with_name("portal_steps.json")
SEND_ONLY: Final = "app-registration-send-only"
USERS_CONNECT: Final = "app-registration-users-connect"
_OF_A_SERVICE: Final[Mapping[str, Mapping[int, Sequence[int]]]] = {USERS_CONNECT: {1: (0, 3)}}
"""Of a section with a step for each way to sign in, those for a browser anywhere. Each begins with which way it is."""
_PUBLIC_URL: Final = "https://PUBLIC_URL"

Text = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what is to be done. A text is pairs of kind and words: `text`, `strong`, `em`, `code`."""

    title: str
    steps: Sequence[Text]
    table: Sequence[Sequence[Text]]


def sections(guide: str, language: str, public_url: str = "") -> list[Section]:
    """What is to be done for a guide, where browsers reach us at `public_url`."""
    chosen = _OF_A_SERVICE.get(guide, {})
    found = []
    for number, one in enumerate(_data()[guide][language]):
        steps = one["steps"]
        if number in chosen:
            steps = [_without_way(steps[index]) for index in chosen[number]]
        found.append(Section(one["title"], [_with(step, public_url) for step in steps], one["table"]))
    return found


def _without_way(step: Text) -> Text:
    """A step without its first words, which end with a colon: for which way it is."""
    (kind, words), *rest = step
    behind = words.replace("\uff1a", ":").partition(":")[2].lstrip()  # also the colon of Chinese
    return [[kind, behind], *rest] if behind else rest


def _with(step: Text, public_url: str) -> Text:
    return [[kind, words.replace(_PUBLIC_URL, public_url or _PUBLIC_URL)] for kind, words in step]


@cache
def _data() -> Any:
    return json.loads(DATA.read_text("utf-8"))
