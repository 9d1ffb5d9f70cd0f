"""The wizard's steps of Microsoft's portal are those of the how-to pages, in each language."""

import importlib
from typing import Any

import pytest

from pillarbox.endpoints.console import portal
from pillarbox.endpoints.console.languages import NAMES

# Not a package: mypy sees it as a program.
portal_steps: Any = importlib.import_module("tools.portal_steps")

PAGE = """# Title

## 1. First

Words before.

1. Open **A** → *B*, see [the
   page](x.md#y) (англійською) and type `https://PUBLIC_URL/x`.
2. Second.

| set | what |
|---|---|
| `a` | b |

## 2. Second

Nothing to do.

## 3. Third

1. Do.

## 4. Tell Pillarbox

1. Not of the portal.
"""


def test_the_data_are_what_the_pages_say() -> None:
    assert portal.DATA.read_text("utf-8") == portal_steps.written(), "run: python tools/portal_steps.py"


def test_the_wizard_speaks_the_languages_of_the_pages() -> None:
    assert set(portal_steps.LANGUAGES) == set(NAMES)


def test_a_page_becomes_sections_of_steps_and_tables() -> None:
    first, second, third = portal_steps.steps(PAGE)
    assert (first["title"], second["steps"], third["steps"]) == ("First", [], [[["text", "Do."]]])
    assert first["steps"][0] == [
        ["text", "Open "],
        ["strong", "A"],
        ["text", " → "],
        ["em", "B"],
        ["text", ", see the page and type "],
        ["code", "https://PUBLIC_URL/x"],
        ["text", "."],
    ]
    assert first["table"] == [[[["text", "set"]], [["text", "what"]]], [[["code", "a"]], [["text", "b"]]]]


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("guide", [portal.SEND_ONLY, portal.USERS_CONNECT])
def test_each_language_has_as_many_steps_and_no_mark_is_left(guide: str, language: str) -> None:
    found = portal.sections(guide, language, "https://mail.contoso.example")
    english = portal.sections(guide, "en")
    assert [len(one.steps) for one in found] == [len(one.steps) for one in english]
    words = [word for one in found for step in one.steps for kind, word in step if kind != "code"]
    assert not [word for word in words if any(mark in word for mark in ("**", "](", "`", "PUBLIC_URL"))]


@pytest.mark.parametrize("language", NAMES)
def test_people_come_back_to_the_address_of_this_service(language: str) -> None:
    _, back, _ = portal.sections(portal.USERS_CONNECT, language, "https://mail.contoso.example/gate")
    web, secret = back.steps
    assert ["code", "https://mail.contoso.example/gate/signin/callback"] in [list(one) for one in web]
    # What way it is for is no question here: both begin with a name of the portal.
    assert (web[0][0], secret[0][0]) == ("strong", "strong")
