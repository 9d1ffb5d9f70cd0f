"""The texts of the console in its languages: collect them, bring the translations up to date, compile them.

    python tools/languages.py    writes src/pillarbox/endpoints/console/locales/*/LC_MESSAGES/console.po and .mo

Texts come from the templates, from the handlers, from those entries of the catalogue that are marked
`translated = true`, and from its tables of what Microsoft says. What is translated stays as it is; a new text is added
with nothing behind it, to be filled in by hand; one that is gone goes. Nothing is guessed, and the order is that of
the texts, so that a difference shows what was changed and no more.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from pillarbox.core import catalogue
from pillarbox.endpoints.console.languages import DEFAULT, LOCALES, NAMES

CONSOLE: Final = LOCALES.parent
CATALOGUE: Final = "catalogue"
"""Where a text comes from that stands in no file of the console."""
_METHODS: Final = [("**.py", "python"), ("templates/*.html", "jinja2.ext:babel_extract")]
_OPTIONS: Final[Mapping[str, Any]] = {"templates/*.html": {"extensions": "jinja2.ext.do", "silent": "false"}}
_KEYWORDS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("_", "gettext", "N_", "say", "tell")),
    **dict.fromkeys(("ngettext", "say_many"), (1, 2)),
}
_NO_DATE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""A date in the files would differ each time."""
_WIDTH: Final = 120
_HEADER: Final = r"""# The console in {name}. `make languages` brings it up to date.
msgid ""
msgstr ""
"Language: {made.locale_identifier}\n"
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: {made.plural_forms}\n"

"""
"""What gettext must know, and nothing that differs each time."""

TAGS: Final = tuple(tag for tag in NAMES if tag != DEFAULT)
"""The languages that there are translations for."""


def main() -> int:
    """Bring all files up to date, and say how much is still to be translated."""
    for tag in TAGS:
        made = merged(texts(), translations(tag), tag)
        save(made, tag)
        print(f"{tag}: {len(made)} texts, {len(open_texts(made))} of them not translated yet")
    return 0


def save(made: Catalog, tag: str, folder: Path = LOCALES) -> None:
    """Write translations as people edit them, and compiled."""
    po, mo = files(tag, folder)
    po.parent.mkdir(parents=True, exist_ok=True)
    with po.open("wb") as file:
        file.write(_HEADER.format(name=NAMES[tag], made=made).encode())
        write_po(file, made, _WIDTH, omit_header=True, sort_output=True, include_lineno=False)
    with mo.open("wb") as file:
        write_mo(file, made)


def files(tag: str, folder: Path = LOCALES) -> tuple[Path, Path]:
    """Where the translations into a language lie: as people edit them, and compiled."""
    po = folder / tag.replace("-", "_") / "LC_MESSAGES" / "console.po"
    return po, po.with_suffix(".mo")


@cache
def texts() -> Catalog:
    """Every text that the console can say, in English."""
    found = Catalog(charset="utf-8")
    for file, _, text, _, _ in extract_from_dir(CONSOLE, _METHODS, dict(_OPTIONS), dict(_KEYWORDS)):
        found.add(text, locations=[(file, 0)])
    for text in of_catalogue([*catalogue.entries().values(), *catalogue.findings().values()]):
        found.add(text, locations=[(CATALOGUE, 0)])
    for text in catalogue.of_microsoft():
        found.add(text, locations=[(CATALOGUE, 0)])
    return found


def of_catalogue(entries: Iterable[catalogue.Entry]) -> list[str]:
    """Sentences and cures of the entries that are to be translated, but for those that are what somebody else says."""
    texts = [text for one in entries if one.translated for text in (one.sentence, one.cure)]
    return [text for text in texts if re.sub(r"\{\w+\}", "", text)]


def translations(tag: str, folder: Path = LOCALES) -> Catalog:
    """What is translated into a language; nothing where there is no file yet."""
    po, _ = files(tag, folder)
    if not po.exists():
        return _catalog(tag)
    with po.open("rb") as file:
        return read_po(file)


def merged(found: Catalog, before: Catalog, tag: str) -> Catalog:
    """The texts that were found, each with its translation where it had one."""
    made = _catalog(tag)
    for text in texts_of(found):
        known = before.get(text.id)
        said = known.string if known is not None and known.pluralizable == text.pluralizable else None
        empty = ("",) * made.num_plurals if text.pluralizable else ""
        made.add(text.id, said or empty, sorted(set(text.locations)))
    return made


def texts_of(found: Catalog) -> list[Message]:
    """The texts without the header."""
    return [text for text in found if text.id]


def open_texts(made: Catalog) -> list[Message]:
    """The texts of which a translation, or one of its forms, is missing."""
    return [text for text in texts_of(made) if not all(forms(text))]


def forms(text: Message) -> tuple[str, ...]:
    """A translation: one form, or one for each plural that the language has."""
    return (text.string,) if isinstance(text.string, str) else tuple(text.string or ("",))


def _catalog(tag: str) -> Catalog:
    return Catalog(tag.replace("-", "_"), charset="utf-8", creation_date=_NO_DATE, revision_date=_NO_DATE, fuzzy=False)


if __name__ == "__main__":
    sys.exit(main())
