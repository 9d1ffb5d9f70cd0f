"""What is to be done in Microsoft's portal, taken from the how-to pages in four languages as data for the wizard.

    python tools/portal_steps.py    writes src/pillarbox/endpoints/console/portal_steps.json

The pages are what people edit. Of each page the numbered steps of the sections about the portal are taken, with the
table in them; a text is a list of pairs, kind and words: `text`, `strong`, `em`, `code`.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
HOW_TO: Final = ROOT / "docs" / "how-to"
DATA: Final = ROOT / "src" / "pillarbox" / "endpoints" / "console" / "portal_steps.json"
GUIDES: Final = ("app-registration-send-only", "app-registration-users-connect")
LANGUAGES: Final = {"en": "", "zh-Hant": ".zh-Hant", "zh-Hans": ".zh-Hans", "uk": ".uk"}
_SECTIONS: Final = 3
"""How many of a page are about the portal: the others are about Pillarbox."""
_SPAN: Final = re.compile(r"\*\*(?P<strong>.+?)\*\*|\*(?P<em>.+?)\*|`(?P<code>[^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)\s]+\)(?:（英文）| \((?:англійською)\))?")
"""A page that the package has not got: its words stay, without where it is and in which language."""

Text = list[list[str]]


def all_steps() -> dict[str, Any]:
    """The steps of each page in each language."""
    return {
        guide: {tag: steps((HOW_TO / f"{guide}{ending}.md").read_text("utf-8")) for tag, ending in LANGUAGES.items()}
        for guide in GUIDES
    }


def steps(page: str) -> list[dict[str, Any]]:
    """The sections of a page: title, steps, and the rows of a table. Pure."""
    sections = re.findall(r"^## \d+\. (.*)\n((?:(?!^## ).*\n?)*)", page, re.M)[:_SECTIONS]
    return [{"title": title, "steps": _steps(body), "table": _table(body)} for title, body in sections]


def _steps(body: str) -> list[Text]:
    return [text(" ".join(one.split())) for one in re.findall(r"^\d+\. (.*(?:\n {3}.*)*)", _joined(body), re.M)]


def _joined(body: str) -> str:
    """Lines that were broken within a name are one: Chinese has no blanks between words."""
    return re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n {3}(?=[\u3000-\u9fff\uff00-\uffef])", "", body)


def _table(body: str) -> list[list[Text]]:
    rows = [line.strip("|").split("|") for line in re.findall(r"^\|.*\|$", body, re.M)]
    return [[text(cell.strip()) for cell in row] for row in rows if not set("".join(row)) <= set("- ")]


def text(words: str) -> Text:
    """A text with its marks as pairs of kind and words. Pure."""
    plain, found, at = _LINK.sub(r"\1", words), [], 0
    for span in _SPAN.finditer(plain):
        found += [["text", plain[at : span.start()]], [span.lastgroup or "", span[span.lastgroup or 0]]]
        at = span.end()
    return [one for one in [*found, ["text", plain[at:]]] if one[1]]


def written() -> str:
    """The file."""
    return json.dumps(all_steps(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    DATA.write_text(written(), "utf-8")
